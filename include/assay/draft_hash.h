/* Made by sdk/draft-hash from the other headers. */
#ifndef ASSAY_DRAFT_HASH_H
#define ASSAY_DRAFT_HASH_H

#define ASSAY_DRAFT_HASH 0x8918d4467db253c4ULL

#endif
