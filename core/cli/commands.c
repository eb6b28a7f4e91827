/* The table of commands and of what every command understands. */
#include "cli/command.h"

#include <string.h>

static const command *const commands[] = { &command_train, &command_eval, &command_sample,
    &command_plot, &command_lr_find, &command_inspect, &command_replay, &command_diff,
    &command_config, &command_model_summary, &command_plugin_list, &command_plugin_info,
    &command_plugin_new, &command_plugin_build, &command_plugin_check, &command_data_list,
    &command_data_fetch,
#ifdef ASSAY_HAS_STUDIES
    &command_search, &command_study_run, &command_study_resume, &command_study_status,
    &command_study_list, &command_study_show, &command_study_stop, &command_study_check,
    &command_study_export, &command_worker,
#endif
    &command_doctor, &command_completion, &command_help };

static const option_row common[] = {
    { "help", 'h', NULL, NULL, COMPLETE_NOTHING, "show this help" },
    { "quiet", 'q', NULL, NULL, COMPLETE_NOTHING, "print results, warnings and errors only" },
    { "verbose", 'v', NULL, NULL, COMPLETE_NOTHING, "print more about what is done" },
    { "color", 0, "WHEN", "auto|always|never", COMPLETE_CHOICES,
        "colour; auto: on a terminal without NO_COLOR" },
};

size_t command_count(void)
{
    return sizeof commands / sizeof commands[0];
}

const command *command_get(size_t i)
{
    return commands[i];
}

size_t common_count(void)
{
    return sizeof common / sizeof common[0];
}

const option_row *common_get(size_t i)
{
    return &common[i];
}

const command *command_find(char *const *word, size_t n, size_t *out_words)
{
    for (size_t i = 0; i < command_count(); i++) {
        const char *name = commands[i]->name;
        const char *space = strchr(name, ' ');
        const size_t first = space ? (size_t)(space - name) : strlen(name);
        if (n < 1 || strlen(word[0]) != first || strncmp(word[0], name, first) != 0) {
            continue;
        }
        if (!space) {
            *out_words = 1;
            return commands[i];
        }
        if (n > 1 && strcmp(word[1], space + 1) == 0) {
            *out_words = 2;
            return commands[i];
        }
    }
    return NULL;
}
