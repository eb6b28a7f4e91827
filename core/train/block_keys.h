/* Which keys of a component's block are the host's, for those who judge a plugin without a config. */
#ifndef ASSAY_CORE_TRAIN_BLOCK_KEYS_H
#define ASSAY_CORE_TRAIN_BLOCK_KEYS_H

/* NULL-terminated, beside `type`, which every block has; NULL for a kind that has no others. hyper_check_keys takes it. */
const char *const *block_keys(const char *kind);

#endif
