/* Made by sdk/draft-hash from the other headers. */
#ifndef ASSAY_DRAFT_HASH_H
#define ASSAY_DRAFT_HASH_H

#define ASSAY_DRAFT_HASH 0xc0a4d5ecca9380ecULL

#endif
