/*
 * Reads partitions through collectors/kafka.h and says what it saw, for test_kafka_source.py.
 *
 *   tool_kafka_consume TOPIC PARTITIONS OPTIONS… NAME=VALUE…
 *
 * Every payload is a number that goes up by one within its partition: a gap or a duplicate ends the program
 * with status 1. OPTIONS: from=N (-2 beginning, -1 end), until=end|signals:N|SECONDS, hold=N (every N-th
 * record is held, for a while of its own), gap=halt|earliest|latest, durable=N (offset to commit for each
 * partition), log=1. All other NAME=VALUE are Kafka properties. Output: one line per signal and at the end
 * `records=… holds=… first=… next=… cpu_ms=… wall_ms=…`.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "agent/base/clock.h"
#include "agent/base/log.h"
#include "collectors/kafka.h"

enum {
    PARTITIONS_MAX = 256,
    PROPERTIES_MAX = 32,
    POLL_MS = 5,
    POLL_RECORDS = 1000,
    QUERY_MS = 20000,
    HOLD_POLLS = 40
};

struct slot_state {
    int64_t next_number; /* of the payload; -1: none yet */
    int64_t next_offset;
    bool held;
    int64_t held_offset;
    uint32_t release_in; /* polls */
};

struct tool {
    const char *topic;
    uint32_t partitions;
    int64_t from, from_ms;
    const char *dead_letter_topic;
    bool check_group;
    struct kafka_admin *admin;
    bool until_end;
    int until_signals;
    double seconds;
    uint32_t hold_every;
    int64_t durable;
    bool with_log;
    struct kafka_property properties[PROPERTIES_MAX];
    struct kafka_settings settings;
    struct slot_state slots[PARTITIONS_MAX];
    uint64_t records, holds, headers, without_payload;
    uint32_t finished, failed, signals;
    uint32_t seed;
};

static uint32_t next_random(struct tool *tool)
{
    tool->seed = tool->seed * 1664525u + 1013904223u;
    return tool->seed >> 8;
}

static _Noreturn void wrong(const char *what, uint32_t slot, int64_t offset, int64_t got, int64_t wanted)
{
    printf("WRONG %s: partition %u offset %" PRId64 ": %" PRId64 " where %" PRId64 " should be\n", what, slot,
           offset, got, wanted);
    exit(1);
}

static enum source_verdict deliver(void *context, uint32_t number, const struct record *record)
{
    struct tool *tool = context;
    struct slot_state *slot = &tool->slots[number];
    char text[32] = "";
    int64_t value = -1;

    if (slot->held)
        wrong("record while held", number, record->offset, record->offset, slot->held_offset);
    if (slot->held_offset >= 0 && record->offset != slot->held_offset)
        wrong("record after release", number, record->offset, record->offset, slot->held_offset);
    if (record->payload.ptr && record->payload.len < sizeof(text)) {
        memcpy(text, record->payload.ptr, record->payload.len);
        value = strtoll(text, NULL, 10);
        if (slot->next_number >= 0 && value != slot->next_number)
            wrong("number", number, record->offset, value, slot->next_number);
    }
    if (slot->held_offset < 0 && tool->hold_every && next_random(tool) % tool->hold_every == 0) {
        slot->held = true;
        slot->held_offset = record->offset;
        slot->release_in = next_random(tool) % HOLD_POLLS;
        tool->holds++;
        return SOURCE_HOLD;
    }
    slot->held_offset = -1;
    slot->next_number = record->payload.ptr ? value + 1 : slot->next_number;
    slot->next_offset = record->next_offset;
    tool->without_payload += record->payload.ptr == NULL;
    tool->headers += record->header_count;
    tool->records++;
    if (tool->dead_letter_topic &&
        kafka_admin_dead_letter(tool->admin, tool->dead_letter_topic, record, "syntax", "a detail") < 0)
        wrong("dead letter", number, record->offset, 0, 0);
    return SOURCE_TAKEN;
}

static void on_signal(void *context, uint32_t slot, enum source_signal signal, const char *detail)
{
    static const char *const names[] = {"END", "FINISHED", "GAP", "GAP", "FAILED"};
    struct tool *tool = context;
    tool->finished += signal == SIGNAL_FINISHED;
    tool->failed += signal == SIGNAL_FAILED;
    tool->signals++;
    if (signal == SIGNAL_RESET) /* a reset may begin anew */
        tool->slots[slot].next_number = strstr(detail, "goes on at") ? -1 : tool->slots[slot].next_number;
    if (tool->signals <= 10000)
        printf("%s %u %s\n", names[signal], slot, detail);
    (void)fflush(stdout);
}

static bool take_option(struct tool *tool, const char *name, char *value)
{
    if (strcmp(name, "from") == 0)
        tool->from = strtoll(value, NULL, 10);
    else if (strcmp(name, "from_ms") == 0)
        tool->from_ms = strtoll(value, NULL, 10);
    else if (strcmp(name, "dead") == 0)
        tool->dead_letter_topic = value;
    else if (strcmp(name, "group") == 0)
        tool->check_group = true;
    else if (strcmp(name, "until") == 0 && strcmp(value, "end") == 0)
        tool->until_end = true;
    else if (strcmp(name, "until") == 0 && strncmp(value, "signals:", 8) == 0)
        tool->until_signals = atoi(value + 8);
    else if (strcmp(name, "until") == 0)
        tool->seconds = strtod(value, NULL);
    else if (strcmp(name, "hold") == 0)
        tool->hold_every = (uint32_t)atoi(value);
    else if (strcmp(name, "durable") == 0)
        tool->durable = strtoll(value, NULL, 10);
    else if (strcmp(name, "log") == 0)
        tool->with_log = true;
    else if (strcmp(name, "gap") == 0)
        tool->settings.on_offset_gap = strcmp(value, "earliest") == 0 ? OFFSET_GAP_EARLIEST
                                       : strcmp(value, "latest") == 0 ? OFFSET_GAP_LATEST
                                                                      : OFFSET_GAP_HALT;
    else
        return false;
    return true;
}

static int take_arguments(struct tool *tool, int argc, char **argv)
{
    if (argc < 3)
        return -1;
    tool->topic = argv[1];
    tool->partitions = (uint32_t)atoi(argv[2]);
    tool->from = OFFSET_BEGINNING;
    tool->durable = -1;
    tool->seconds = 3600;
    tool->seed = 1;
    tool->settings.properties = tool->properties;
    tool->settings.client_id = "driftd-tool";
    for (int i = 3; i < argc; i++) {
        char *value = strchr(argv[i], '=');
        if (!value || tool->settings.property_count == PROPERTIES_MAX)
            return -1;
        *value++ = '\0';
        if (!take_option(tool, argv[i], value))
            tool->properties[tool->settings.property_count++] = (struct kafka_property){argv[i], value};
    }
    return tool->partitions > 0 && tool->partitions <= PARTITIONS_MAX ? 0 : -1;
}

static void add_all(struct tool *tool, struct source *source, struct log *log)
{
    struct err err = {0};

    if (kafka_admin_new(&tool->admin, &tool->settings, NULL, 0, NULL, log, &err) < 0)
        goto failed;
    if (tool->check_group && kafka_admin_group_is_free(tool->admin, QUERY_MS, &err) < 0)
        goto failed;
    for (uint32_t i = 0; i < tool->partitions; i++) {
        int64_t low = 0, high = INT64_MAX;
        tool->slots[i].next_number = tool->slots[i].held_offset = tool->slots[i].next_offset = -1;
        int64_t from = tool->from;
        if (tool->until_end &&
            kafka_admin_offsets(tool->admin, tool->topic, (int32_t)i, QUERY_MS, &low, &high, &err) < 0)
            goto failed;
        if (tool->from_ms > 0 && kafka_admin_offset_for_time(tool->admin, tool->topic, (int32_t)i,
                                                             tool->from_ms, QUERY_MS, &from, &err) < 0)
            goto failed;
        struct source_slot slot = {i, tool->topic, (int32_t)i, from, high, 0, false};
        if (source_add(source, &slot, &err) < 0)
            goto failed;
    }
    return;
failed:
    printf("ERROR %s\n", err.message);
    exit(3);
}

static void release_due(struct tool *tool, struct source *source)
{
    for (uint32_t i = 0; i < tool->partitions; i++) {
        struct slot_state *slot = &tool->slots[i];
        if (!slot->held || slot->release_in-- > 0)
            continue;
        slot->held = false;
        source_release(source, i);
    }
}

static int run(struct tool *tool, struct source *source)
{
    struct source_sink sink = {deliver, on_signal, tool};
    int64_t begin_ms = clock_system.monotonic_ms(&clock_system), now_ms = begin_ms;
    struct err err = {0};

    while ((double)(now_ms - begin_ms) < tool->seconds * 1000 &&
           tool->finished + tool->failed < tool->partitions &&
           (tool->until_signals == 0 || tool->signals < (uint32_t)tool->until_signals)) {
        if (source_poll(source, POLL_MS, POLL_RECORDS, &sink, &err) < 0) {
            printf("ERROR %s\n", err.message);
            return 3;
        }
        release_due(tool, source);
        now_ms = clock_system.monotonic_ms(&clock_system);
    }
    for (uint32_t i = 0; i < tool->partitions && tool->durable >= 0; i++)
        source->ops->durable(source, i, tool->durable);
    printf("end_offset=%" PRId64 "\n", source->ops->end_offset(source, 0));
    printf("records=%" PRIu64 " holds=%" PRIu64 " headers=%" PRIu64 " tombstones=%" PRIu64 " next=%" PRId64
           " number=%" PRId64 " wall_ms=%" PRId64 " cpu_ms=%" PRId64 "\n",
           tool->records, tool->holds, tool->headers, tool->without_payload, tool->slots[0].next_offset,
           tool->slots[0].next_number, now_ms - begin_ms, (int64_t)clock() * 1000 / CLOCKS_PER_SEC);
    return 0;
}

int main(int argc, char **argv)
{
    struct tool tool = {.topic = NULL};
    struct source *source = NULL;
    struct err err = {0};

    if (take_arguments(&tool, argc, argv) < 0) {
        (void)fprintf(stderr, "usage: %s TOPIC PARTITIONS [OPTION=VALUE…] [PROPERTY=VALUE…]\n", argv[0]);
        return 2;
    }
    struct log *log = tool.with_log ? log_new(2, LOG_DEBUG, LOG_FORMAT_LOGFMT) : NULL;
    if (kafka_source_new(&source, &tool.settings, log, &err) < 0) {
        printf("ERROR %s\n", err.message);
        return 3;
    }
    add_all(&tool, source, log);
    int status = run(&tool, source);
    int64_t begin_ms = clock_system.monotonic_ms(&clock_system);
    source_free(source);
    printf("close_ms=%" PRId64 "\n", clock_system.monotonic_ms(&clock_system) - begin_ms);
    uint64_t delivered = 0, failed = 0;
    for (int i = 0; i < 200 && tool.dead_letter_topic && delivered + failed < tool.records; i++) {
        struct timespec pause = {0, 50000000};
        (void)nanosleep(&pause, NULL);
        kafka_admin_dead_letter_counts(tool.admin, &delivered, &failed);
    }
    printf("dead_delivered=%" PRIu64 " dead_failed=%" PRIu64 "\n", delivered, failed);
    kafka_admin_free(tool.admin);
    log_free(log);
    return status;
}
