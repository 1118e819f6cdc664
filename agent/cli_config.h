#ifndef DRIFTD_AGENT_CLI_CONFIG_H
#define DRIFTD_AGENT_CLI_CONFIG_H
/* What commands that take a configuration share. */
#include "agent/config.h"

/* Loads `path` (NULL: every default) and prints its messages on standard error as file:line:column. EXIT_OK,
 * or an exit status after a complaint; then *out is NULL. */
int cli_load_config(const char *command, const char *path, struct config **out) MUST_USE;

/* Which input when none was named: the first, or the only one. */
enum input_default { INPUT_FIRST, INPUT_ONLY };
/* The input called `name`; name NULL: by `unnamed`, *out NULL when the configuration has none. EXIT_OK, or an
 * exit status after a complaint. */
int cli_find_input(const char *command, const struct config *config, const char *name,
                   enum input_default unnamed, const struct input_config **out) MUST_USE;

/* A file of CSV by its name: .csv or .csv.gz. */
bool cli_is_csv_name(const char *path);

#endif
