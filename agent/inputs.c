#include "agent/inputs.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "collectors/file.h"
#include "collectors/kafka.h"

enum {
    OFFSET_TIMEOUT_MS = 1500, /* a stop may have to wait for it */
    MISSING_AT_END_MS = 5000  /* a run that ends does not wait long for a topic to be made */
};

struct found { /* a slot on its way from the administrator's thread to the loop */
    struct found *next;
    uint32_t input;
    int32_t partition;
    int64_t start_offset, end_offset;
};

struct inputs {
    const struct config *config;
    struct agent_settings settings;
    struct log *log;
    int fd;
    /* Kafka */
    struct kafka_settings kafka;
    struct kafka_admin *_Atomic admin; /* set once, before its thread looks at it */
    pthread_mutex_t lock;              /* guards found and topics_known */
    struct found *found, *found_tail;
    uint32_t topics_known, topics;
    int64_t missing_since_ms; /* monotonic, guarded: brokers answer and not every topic is there; 0: no */
    char missing[512];        /* the first such topic and why, guarded */
    int32_t *partitions_seen; /* by input; administrator's thread only */
    bool *known;              /* by input: all its partitions were taken once; administrator's thread only */
    bool connected;
    /* files */
    bool files_taken;
};

static void wake(const struct inputs *inputs)
{
    uint64_t one = 1;
    ssize_t written = write(inputs->fd, &one, sizeof(one));
    (void)written;
}

/* Mappings may read them, and a dead letter carries those of its record. */
static bool needs_headers(const struct config *config)
{
    for (uint32_t i = 0; i < config->input_count; i++)
        if (config->inputs[i].dead_letter_topic || mapping_spec_reads_headers(&config->inputs[i].mapping))
            return true;
    return false;
}

int inputs_new(struct inputs **out, const struct agent_settings *settings, struct err *err)
{
    const struct config *config = settings->config;
    struct inputs *inputs = calloc(1, sizeof(*inputs));
    if (!inputs)
        return err_set(err, ERR_NOMEM, "no memory for inputs");
    inputs->config = config;
    inputs->settings = *settings;
    inputs->log = settings->log;
    inputs->connected = true;
    inputs->kafka = (struct kafka_settings){.properties = config->kafka,
                                            .property_count = config->kafka_count,
                                            .client_id = config->client_id ? config->client_id : "driftd",
                                            .on_offset_gap = config->on_offset_gap};
    inputs->kafka.without_headers = !needs_headers(config);
    inputs->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    inputs->partitions_seen = calloc(config->input_count + 1u, sizeof(*inputs->partitions_seen));
    inputs->known = calloc(config->input_count + 1u, sizeof(*inputs->known));
    int locked = pthread_mutex_init(&inputs->lock, NULL);
    if (inputs->fd < 0 || !inputs->partitions_seen || !inputs->known || locked != 0) {
        inputs_free(inputs);
        return err_set(err, ERR_NOMEM, "no memory for inputs");
    }
    for (uint32_t i = 0; i < config->input_count; i++)
        inputs->topics += config->inputs[i].topic != NULL;
    if (!settings->files && inputs->topics == 0) {
        inputs_free(inputs);
        return err_set(err, ERR_CONFIG, "%s names no topic to read: add `inputs: [{topic: …}]`",
                       config->path ? config->path : "the configuration");
    }
    *out = inputs;
    return 0;
}

void inputs_free(struct inputs *inputs)
{
    if (!inputs)
        return;
    kafka_admin_free(atomic_load(&inputs->admin));
    while (inputs->found) {
        struct found *next = inputs->found->next;
        free(inputs->found);
        inputs->found = next;
    }
    (void)pthread_mutex_destroy(&inputs->lock);
    free(inputs->partitions_seen);
    free(inputs->known);
    if (inputs->fd >= 0)
        (void)close(inputs->fd);
    free(inputs);
}

int inputs_new_source(struct inputs *inputs, struct source **out, struct err *err)
{
    if (!inputs->settings.files)
        return kafka_source_new(out, &inputs->kafka, inputs->log, err);
    uint32_t event_bytes = inputs->config->limits.decode.event_bytes;
    *out = file_source_new(event_bytes ? event_bytes : 65536);
    return *out ? 0 : err_set(err, ERR_NOMEM, "no memory to read files");
}

int inputs_fd(const struct inputs *inputs)
{
    return inputs->fd;
}

/* ---- Kafka: administrator's thread ---- */

static bool in_shard(const struct config *config, int32_t partition)
{
    return config->shard_count <= 1 || (uint32_t)partition % config->shard_count == config->shard_index;
}

/* Where a partition that the store does not know starts, and where a run until the end stops. */
static int resolve_offsets(struct inputs *inputs, const char *topic, int32_t partition, bool is_new_partition,
                           struct found *found, struct err *err)
{
    struct kafka_admin *admin;
    while (!(admin = atomic_load(&inputs->admin)))
        (void)usleep(1000); /* its thread may call us before kafka_admin_new has returned */
    found->start_offset = OFFSET_BEGINNING;
    found->end_offset = INT64_MAX;
    int64_t low;
    int code = 0;
    /* A number, not "the end": a restart before the first record must not skip what came meanwhile. */
    if (!is_new_partition && inputs->config->start == START_LATEST)
        code =
            kafka_admin_offsets(admin, topic, partition, OFFSET_TIMEOUT_MS, &low, &found->start_offset, err);
    else if (!is_new_partition && inputs->config->start == START_TIMESTAMP)
        code = kafka_admin_offset_for_time(admin, topic, partition, inputs->config->start_ms,
                                           OFFSET_TIMEOUT_MS, &found->start_offset, err);
    if (code == 0 && inputs->settings.until_end)
        code = kafka_admin_offsets(admin, topic, partition, OFFSET_TIMEOUT_MS, &low, &found->end_offset, err);
    return code;
}

static void push_found(struct inputs *inputs, struct found *found)
{
    (void)pthread_mutex_lock(&inputs->lock);
    if (inputs->found_tail)
        inputs->found_tail->next = found;
    else
        inputs->found = found;
    inputs->found_tail = found;
    (void)pthread_mutex_unlock(&inputs->lock);
}

/* Takes the partitions that are new; false when it has to be told again. */
static bool take_partitions(struct inputs *inputs, uint32_t input, const struct kafka_topic_partitions *topic)
{
    for (int32_t *seen = &inputs->partitions_seen[input]; *seen < topic->partition_count; ++*seen) {
        if (!in_shard(inputs->config, *seen))
            continue;
        struct found *found = calloc(1, sizeof(*found));
        struct err err = {0};
        if (!found)
            return false;
        found->input = input;
        found->partition = *seen;
        if (resolve_offsets(inputs, topic->topic, *seen, inputs->known[input], found, &err) != 0) {
            log_write(inputs->log, LOG_WARNING, "kafka", "%s[%d]: %s; trying again", topic->topic, (int)*seen,
                      err.message);
            free(found);
            return false;
        }
        push_found(inputs, found);
    }
    return true;
}

static bool topic_known(struct inputs *inputs, uint32_t input, const struct kafka_topic_partitions *topic)
{
    int32_t before = inputs->partitions_seen[input];
    bool taken = take_partitions(inputs, input, topic);
    if (inputs->partitions_seen[input] > before)
        log_write(inputs->log, LOG_INFO, "kafka", "topic %s: %d partitions", topic->topic,
                  (int)topic->partition_count);
    if (taken && !inputs->known[input]) {
        inputs->known[input] = true;
        (void)pthread_mutex_lock(&inputs->lock);
        inputs->topics_known++;
        (void)pthread_mutex_unlock(&inputs->lock);
    }
    return taken;
}

static void note_missing(struct inputs *inputs, const struct kafka_topic_partitions *missing)
{
    (void)pthread_mutex_lock(&inputs->lock);
    if (!missing)
        inputs->missing_since_ms = 0;
    else if (inputs->missing_since_ms == 0)
        inputs->missing_since_ms = inputs->settings.clock->monotonic_ms(inputs->settings.clock);
    if (missing)
        (void)snprintf(inputs->missing, sizeof(inputs->missing), "topic %s cannot be read: %s",
                       missing->topic, missing->error ? missing->error : "it does not exist");
    (void)pthread_mutex_unlock(&inputs->lock);
}

static void on_topology(void *context, const struct kafka_topic_partitions *topics, uint32_t count)
{
    struct inputs *inputs = context;
    const struct kafka_topic_partitions *missing = NULL;
    bool taken = true;
    for (uint32_t i = 0; i < count; i++) {
        if (topics[i].partition_count <= 0) {
            log_write(inputs->log, LOG_WARNING, "kafka", "topic %s cannot be read: %s", topics[i].topic,
                      topics[i].error ? topics[i].error : "it does not exist");
            missing = &topics[i];
            continue;
        }
        for (uint32_t input = 0; input < inputs->config->input_count; input++)
            if (inputs->config->inputs[input].topic &&
                strcmp(inputs->config->inputs[input].topic, topics[i].topic) == 0)
                taken &= topic_known(inputs, input, &topics[i]);
    }
    note_missing(inputs, missing);
    struct kafka_admin *admin = atomic_load(&inputs->admin);
    if (!taken && admin)
        kafka_admin_tell_again(admin);
    wake(inputs);
}

static void on_connection(void *context, bool connected, const char *error)
{
    struct inputs *inputs = context;
    if (connected != inputs->connected)
        log_write(inputs->log, connected ? LOG_INFO : LOG_WARNING, "kafka", "%s%s%s",
                  connected ? "brokers answer" : "no broker answers, trying again", error ? ": " : "",
                  error ? error : "");
    inputs->connected = connected;
}

int inputs_start(struct inputs *inputs, struct err *err)
{
    if (inputs->settings.files)
        return 0;
    const char **topics = calloc(inputs->config->input_count + 1u, sizeof(*topics));
    if (!topics)
        return err_set(err, ERR_NOMEM, "no memory for inputs");
    uint32_t count = 0;
    for (uint32_t i = 0; i < inputs->config->input_count; i++)
        if (inputs->config->inputs[i].topic)
            topics[count++] = inputs->config->inputs[i].topic;
    struct kafka_admin_events events = {on_topology, on_connection, inputs};
    struct kafka_admin *admin = NULL;
    int code = kafka_admin_new(&admin, &inputs->kafka, topics, count, &events, inputs->log, err);
    free(topics);
    if (code == 0)
        atomic_store(&inputs->admin, admin);
    return code;
}

int inputs_dead_letter(void *context, uint32_t input, const struct record *record, enum reject reject,
                       const char *detail)
{
    struct inputs *inputs = context;
    struct kafka_admin *admin = atomic_load(&inputs->admin);
    const char *topic = inputs->config->inputs[input].dead_letter_topic;
    if (!admin || !topic)
        return 0;
    return kafka_admin_dead_letter(admin, topic, record, reject_name(reject), detail);
}

/* ---- loop's thread ---- */

static int take_files(struct inputs *inputs, int (*fn)(void *context, const struct input_slot *slot),
                      void *context, struct err *err)
{
    inputs->files_taken = true;
    for (uint32_t i = 0; i < inputs->settings.file_count; i++) {
        const struct agent_file *file = &inputs->settings.files[i];
        const char *last = strrchr(file->path, '/');
        char name[256];
        (void)snprintf(name, sizeof(name), "file:%s", last ? last + 1 : file->path);
        struct input_slot slot = {.input = file->input,
                                  .name = name,
                                  .path = file->path,
                                  .start_offset = OFFSET_BEGINNING,
                                  .end_offset = INT64_MAX,
                                  .worker_hint = i,
                                  .csv = inputs->config->inputs[file->input].mapping.format == INPUT_CSV};
        int code = strcmp(file->path, "-") == 0 ? 0 : file_fingerprint(file->path, &slot.fingerprint, err);
        if (code != 0)
            return code;
        code = fn(context, &slot);
        if (code != 0)
            return err_set(err, code, "cannot assign %s to a worker", file->path);
    }
    return 0;
}

int inputs_take(struct inputs *inputs, int (*fn)(void *context, const struct input_slot *slot), void *context,
                struct err *err)
{
    if (inputs->settings.files)
        return inputs->files_taken ? 0 : take_files(inputs, fn, context, err);
    (void)pthread_mutex_lock(&inputs->lock);
    struct found *found = inputs->found;
    inputs->found = inputs->found_tail = NULL;
    (void)pthread_mutex_unlock(&inputs->lock);
    int code = 0;
    for (struct found *next; found; found = next) {
        next = found->next;
        const char *topic = inputs->config->inputs[found->input].topic;
        struct input_slot slot = {.input = found->input,
                                  .name = topic,
                                  .path = topic,
                                  .partition = found->partition,
                                  .start_offset = found->start_offset,
                                  .end_offset = found->end_offset,
                                  .worker_hint = (uint32_t)found->partition};
        if (code == 0)
            code = fn(context, &slot);
        free(found);
    }
    return code ? err_set(err, code, "cannot assign a partition to a worker") : 0;
}

enum inputs_state inputs_state(struct inputs *inputs, char *reason, size_t size)
{
    if (inputs->settings.files)
        return inputs->files_taken ? INPUTS_COMPLETE : INPUTS_PENDING;
    int64_t now_ms = inputs->settings.clock->monotonic_ms(inputs->settings.clock);
    int64_t patience_ms = inputs->settings.until_end ? MISSING_AT_END_MS : inputs->config->absent_timeout_ms;
    enum inputs_state state = INPUTS_PENDING;
    (void)pthread_mutex_lock(&inputs->lock);
    if (inputs->topics_known == inputs->topics && !inputs->found)
        state = INPUTS_COMPLETE;
    else if (inputs->missing_since_ms && now_ms - inputs->missing_since_ms >= patience_ms && !inputs->found)
        state = INPUTS_MISSING;
    (void)snprintf(reason, size, "%s", inputs->missing);
    (void)pthread_mutex_unlock(&inputs->lock);
    return state;
}
