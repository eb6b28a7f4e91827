/* Made by sdk/draft-hash from the other headers. */
#ifndef ASSAY_DRAFT_HASH_H
#define ASSAY_DRAFT_HASH_H

#define ASSAY_DRAFT_HASH 0xb0eea13c0f721a1fULL

#endif
