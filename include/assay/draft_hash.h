/* Made by sdk/draft-hash from the other headers. */
#ifndef ASSAY_DRAFT_HASH_H
#define ASSAY_DRAFT_HASH_H

#define ASSAY_DRAFT_HASH 0xf857b028eee3448fULL

#endif
