/* Names of the cells that several attributes make together. */
#include <string.h>

#include "detectors/outcomes.h"

struct writer {
    char *at, *end; /* `end`: room for the NUL is kept */
    bool full;
};

static void add(struct writer *writer, const char *bytes, size_t len)
{
    if ((size_t)(writer->end - writer->at) <= len) {
        writer->full = true;
        return;
    }
    memcpy(writer->at, bytes, len);
    writer->at += len;
}

/* The value of an attribute among "attribute=value"; NULL when the event does not have it. */
static const char *value_of(const char *attribute, const char *const *groups, uint32_t count)
{
    size_t len = strlen(attribute);
    for (uint32_t i = 0; i < count; i++)
        if (strncmp(groups[i], attribute, len) == 0 && groups[i][len] == '=')
            return groups[i] + len + 1;
    return NULL;
}

bool outcome_cross_name(const char *const *attributes, const char *const *groups, uint32_t count, char *out,
                        size_t size)
{
    struct writer writer = {out, out + size, size == 0};
    for (uint32_t i = 0; attributes[i]; i++) {
        if (i > 0)
            add(&writer, "|", 1);
        add(&writer, attributes[i], strlen(attributes[i]));
    }
    for (uint32_t i = 0; attributes[i]; i++) {
        const char *value = value_of(attributes[i], groups, count);
        if (!value)
            return false;
        add(&writer, i > 0 ? "|" : "=", 1);
        add(&writer, value, strlen(value));
    }
    if (writer.full)
        return false;
    *writer.at = '\0';
    return true;
}
