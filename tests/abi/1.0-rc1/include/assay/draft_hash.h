/* Made by sdk/draft-hash from the other headers. */
#ifndef ASSAY_DRAFT_HASH_H
#define ASSAY_DRAFT_HASH_H

#define ASSAY_DRAFT_HASH 0x98b050c48c625715ULL

#endif
