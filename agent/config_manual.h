#ifndef DRIFTD_AGENT_CONFIG_MANUAL_H
#define DRIFTD_AGENT_CONFIG_MANUAL_H
/* What the tables of options say, for editors and for people. */
#include "agent/base/strbuf.h"

/* The JSON Schema: conf/driftd.schema.json. */
void config_schema(struct strbuf *out);
/* The option reference as Markdown: the generated part of conf/README.md. */
void config_reference_manual(struct strbuf *out);
/* Calls `fn` for every option with its path: "store.retention.panes", "inputs[].fields.time". */
typedef void config_option_fn(void *context, const char *path, const char *key, const char *initial);
void config_each_option(config_option_fn *fn, void *context);

#endif
