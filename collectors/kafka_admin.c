#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "agent/base/clock.h"
#include "collectors/kafka_dead_letter.h"

enum {
    POLL_MS = 60000, /* new partitions */
    RETRY_MS = 1000, /* while something is missing, doubled up to … */
    RETRY_MAX_MS = 10000,
    SLICE_MS = 200, /* between two looks at callbacks */
    METADATA_MS = 2000,
    QUERY_RETRY_MS = 100,
    CLOSE_MS = 2800, /* with METADATA_MS, which a close may have to wait for, inside it */
    CLOSE_LEAST_MS = 200,
    REASON_BYTES = 512
};

struct known_topic {
    char *name;
    rd_kafka_topic_t *rkt; /* makes the library ask for it */
    int32_t partition_count;
    const char *error; /* the library's, constant */
};

struct kafka_admin {
    struct kafka_handle *handle;
    struct kafka_dead_letters *letters;
    struct kafka_admin_events events;
    struct kafka_settings settings; /* deep copy: dead letters may need it later */
    struct kafka_property *properties;
    char *client_id;
    struct known_topic *topics;
    uint32_t topic_count;
    struct kafka_topic_partitions *report;
    /* the thread and what only it touches */
    pthread_t thread;
    bool has_thread;
    bool said_topology, said_connected, connected;
    bool check_now; /* the library says that all brokers are down */
    int64_t next_ms, retry_ms, poll_ms;
    char trouble[REASON_BYTES]; /* the last the library said, "" when it works */
    char said_trouble[REASON_BYTES];
    pthread_mutex_t mutex; /* guards `stopping` */
    pthread_cond_t wake;
    bool stopping;
};

static int64_t now_ms(void)
{
    return clock_system.monotonic_ms(&clock_system);
}

static int left_of(int64_t deadline_ms)
{
    int64_t left = deadline_ms - now_ms();
    return left > 0 ? (int)left : 0;
}

/* ---- topology ------------------------------------------------------------------------------------------ */

static bool on_error(void *context, rd_kafka_resp_err_t code, const char *reason)
{
    struct kafka_admin *admin = context;

    if (code == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN)
        admin->check_now = true;
    else
        (void)snprintf(admin->trouble, sizeof(admin->trouble), "%s", reason);
    return false;
}

static void say_connection(struct kafka_admin *admin, bool connected)
{
    if (connected)
        admin->trouble[0] = '\0';
    bool same = admin->said_connected && admin->connected == connected &&
                strcmp(admin->trouble, admin->said_trouble) == 0;
    admin->said_connected = true;
    admin->connected = connected;
    (void)snprintf(admin->said_trouble, sizeof(admin->said_trouble), "%s", admin->trouble);
    if (!same && admin->events.connection)
        admin->events.connection(admin->events.context, connected, connected ? NULL : admin->said_trouble);
}

static const struct rd_kafka_metadata_topic *find_metadata(const struct rd_kafka_metadata *metadata,
                                                           const char *name)
{
    for (int i = 0; i < metadata->topic_cnt; i++)
        if (strcmp(metadata->topics[i].topic, name) == 0)
            return &metadata->topics[i];
    return NULL;
}

/* Notes what the metadata says of each topic; true when something is new. */
static bool note_topics(struct kafka_admin *admin, const struct rd_kafka_metadata *metadata)
{
    bool changed = !admin->said_topology;

    for (uint32_t i = 0; i < admin->topic_count; i++) {
        struct known_topic *topic = &admin->topics[i];
        const struct rd_kafka_metadata_topic *found = find_metadata(metadata, topic->name);
        rd_kafka_resp_err_t code = found ? found->err : RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
        bool known = found && code == RD_KAFKA_RESP_ERR_NO_ERROR && found->partition_cnt > 0;
        int32_t partition_count = known ? found->partition_cnt : -1;
        const char *error = known ? NULL : rd_kafka_err2str(code);
        /* A passing error of a topic that is known does not take its partitions away. */
        if (!known && topic->partition_count > 0 && code == RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE)
            continue;
        changed |= topic->partition_count != partition_count || topic->error != error;
        topic->partition_count = partition_count;
        topic->error = error;
    }
    return changed;
}

static bool all_known(const struct kafka_admin *admin)
{
    for (uint32_t i = 0; i < admin->topic_count; i++)
        if (admin->topics[i].partition_count < 0)
            return false;
    return true;
}

static void say_topology(struct kafka_admin *admin)
{
    admin->said_topology = true;
    if (!admin->events.topology)
        return;
    for (uint32_t i = 0; i < admin->topic_count; i++)
        admin->report[i] = (struct kafka_topic_partitions){
            admin->topics[i].name, admin->topics[i].partition_count, admin->topics[i].error};
    admin->events.topology(admin->events.context, admin->report, admin->topic_count);
}

static void refresh(struct kafka_admin *admin)
{
    const struct rd_kafka_metadata *metadata = NULL;
    rd_kafka_resp_err_t code =
        rd_kafka_metadata(kafka_handle_rk(admin->handle), 0, NULL, &metadata, METADATA_MS);
    bool complete = false;

    kafka_handle_serve(admin->handle, 0); /* why it failed comes this way */
    admin->check_now = false;
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR) {
        if (admin->trouble[0] == '\0')
            (void)snprintf(admin->trouble, sizeof(admin->trouble), "no broker answers: %s",
                           rd_kafka_err2str(code));
        say_connection(admin, false);
    } else {
        bool changed = note_topics(admin, metadata);
        rd_kafka_metadata_destroy(metadata);
        say_connection(admin, true);
        if (changed)
            say_topology(admin);
        complete = all_known(admin) && admin->said_topology;
    }
    if (complete) {
        admin->retry_ms = RETRY_MS;
        admin->next_ms = now_ms() + admin->poll_ms;
    } else {
        admin->next_ms = now_ms() + admin->retry_ms;
        admin->retry_ms = admin->retry_ms * 2 < RETRY_MAX_MS ? admin->retry_ms * 2 : RETRY_MAX_MS;
    }
}

/* Sleeps a slice; false when it is time to end. */
static bool sleep_slice(struct kafka_admin *admin)
{
    struct timespec until;

    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += SLICE_MS * 1000000L;
    if (until.tv_nsec >= 1000000000L) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000L;
    }
    (void)pthread_mutex_lock(&admin->mutex);
    int rc = 0;
    while (!admin->stopping && rc == 0)
        rc = pthread_cond_timedwait(&admin->wake, &admin->mutex, &until);
    bool stopping = admin->stopping;
    (void)pthread_mutex_unlock(&admin->mutex);
    return !stopping;
}

static void *run(void *context)
{
    struct kafka_admin *admin = context;

    do {
        kafka_handle_serve(admin->handle, 0);
        kafka_dead_letters_serve(admin->letters);
        if (admin->check_now && admin->next_ms - now_ms() > RETRY_MS)
            admin->next_ms = 0;
        if (admin->next_ms <= now_ms())
            refresh(admin);
    } while (sleep_slice(admin));
    return NULL;
}

void kafka_admin_tell_again(struct kafka_admin *admin)
{
    admin->said_topology = false;
}

/* ---- life ---------------------------------------------------------------------------------------------- */

static int copy_settings(struct kafka_admin *admin, const struct kafka_settings *settings)
{
    admin->settings = *settings;
    admin->properties = calloc((size_t)settings->property_count + 1, sizeof(*admin->properties));
    if (!admin->properties)
        return ERR_NOMEM;
    admin->settings.properties = admin->properties;
    admin->settings.property_count = 0;
    for (uint32_t i = 0; i < settings->property_count; i++) {
        struct kafka_property *copy = &admin->properties[i];
        copy->name = strdup(settings->properties[i].name);
        copy->value = strdup(settings->properties[i].value);
        admin->settings.property_count++;
        if (!copy->name || !copy->value)
            return ERR_NOMEM;
    }
    admin->settings.client_id = NULL;
    if (settings->client_id) {
        admin->client_id = strdup(settings->client_id);
        if (!admin->client_id)
            return ERR_NOMEM;
        admin->settings.client_id = admin->client_id;
    }
    return 0;
}

static int add_topics(struct kafka_admin *admin, const char *const *topics, uint32_t count, struct err *err)
{
    admin->topics = calloc((size_t)count + 1, sizeof(*admin->topics));
    admin->report = calloc((size_t)count + 1, sizeof(*admin->report));
    if (!admin->topics || !admin->report)
        return err_set(err, ERR_NOMEM, "out of memory setting up Kafka");
    for (uint32_t i = 0; i < count; i++) {
        struct known_topic *topic = &admin->topics[admin->topic_count++];
        topic->partition_count = -1;
        topic->name = strdup(topics[i]);
        if (!topic->name)
            return err_set(err, ERR_NOMEM, "out of memory setting up Kafka");
        topic->rkt = rd_kafka_topic_new(kafka_handle_rk(admin->handle), topics[i], NULL);
        if (!topic->rkt)
            return err_set(err, ERR_CONFIG, "topic %s cannot be used: %s", topics[i],
                           rd_kafka_err2str(rd_kafka_last_error()));
    }
    return 0;
}

static int admin_start(struct kafka_admin *admin, const char *const *topics, uint32_t topic_count,
                       struct log *log, struct err *err)
{
    struct kafka_handle_calls calls = {.error = on_error, .context = admin};
    int rc = kafka_handle_new(&admin->handle, &admin->settings, KAFKA_ADMIN, "kafka", &calls, log, err);

    if (rc == 0)
        rc = add_topics(admin, topics, topic_count, err);
    if (rc < 0)
        return rc;
    admin->letters = kafka_dead_letters_new(&admin->settings, log);
    if (!admin->letters)
        return err_set(err, ERR_NOMEM, "out of memory setting up Kafka");
    admin->retry_ms = RETRY_MS;
    const char *poll_ms = kafka_property(&admin->settings, "topic.metadata.refresh.interval.ms");
    admin->poll_ms = poll_ms ? strtoll(poll_ms, NULL, 10) : 0;
    if (admin->poll_ms <= 0)
        admin->poll_ms = POLL_MS;
    if (pthread_create(&admin->thread, NULL, run, admin) != 0)
        return err_set(err, ERR_NOMEM, "no thread for Kafka's administrator");
    admin->has_thread = true;
    return 0;
}

int kafka_admin_new(struct kafka_admin **out, const struct kafka_settings *settings,
                    const char *const *topics, uint32_t topic_count, const struct kafka_admin_events *events,
                    struct log *log, struct err *err)
{
    struct kafka_admin *admin = calloc(1, sizeof(*admin));
    pthread_condattr_t attributes;

    if (!admin)
        return err_set(err, ERR_NOMEM, "out of memory setting up Kafka");
    (void)pthread_mutex_init(&admin->mutex, NULL);
    (void)pthread_condattr_init(&attributes);
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&admin->wake, &attributes);
    (void)pthread_condattr_destroy(&attributes);
    if (events)
        admin->events = *events;
    int rc = copy_settings(admin, settings);
    if (rc < 0)
        (void)err_set(err, rc, "out of memory setting up Kafka");
    else
        rc = admin_start(admin, topics, topic_count, log, err);
    if (rc < 0) {
        kafka_admin_free(admin);
        return rc;
    }
    *out = admin;
    return 0;
}

static void free_copies(struct kafka_admin *admin)
{
    for (uint32_t i = 0; i < admin->settings.property_count && admin->properties; i++) {
        char *value = admin->properties[i].value;
        if (value)
            explicit_bzero(value, strlen(value)); /* it may be a password */
        free(value);
        free(admin->properties[i].name);
    }
    free(admin->properties);
    free(admin->client_id);
    free(admin->topics);
    free(admin->report);
}

void kafka_admin_free(struct kafka_admin *admin)
{
    if (!admin)
        return;
    int64_t deadline_ms = now_ms() + CLOSE_MS;
    if (admin->has_thread) {
        (void)pthread_mutex_lock(&admin->mutex);
        admin->stopping = true;
        (void)pthread_cond_signal(&admin->wake);
        (void)pthread_mutex_unlock(&admin->mutex);
        (void)pthread_join(admin->thread, NULL);
    }
    kafka_dead_letters_free(admin->letters, left_of(deadline_ms));
    for (uint32_t i = 0; i < admin->topic_count; i++) {
        if (admin->topics[i].rkt)
            rd_kafka_topic_destroy(admin->topics[i].rkt);
        free(admin->topics[i].name);
    }
    kafka_handle_free(admin->handle, left_of(deadline_ms) + CLOSE_LEAST_MS);
    free_copies(admin);
    (void)pthread_cond_destroy(&admin->wake);
    (void)pthread_mutex_destroy(&admin->mutex);
    free(admin);
}

/* ---- queries ------------------------------------------------------------------------------------------- */

static bool is_passing(rd_kafka_resp_err_t code)
{
    return code == RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE ||
           code == RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION || code == RD_KAFKA_RESP_ERR__TRANSPORT ||
           code == RD_KAFKA_RESP_ERR__WAIT_COORD || code == RD_KAFKA_RESP_ERR_OFFSET_NOT_AVAILABLE;
}

static int query_failed(struct err *err, const char *what, const char *topic, int32_t partition,
                        rd_kafka_resp_err_t code)
{
    int our_code = ERR_TEMPORARY;
    if (code == RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION || code == RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC ||
        code == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART)
        our_code = ERR_NOT_FOUND;
    else if (code == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED ||
             code == RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED)
        our_code = ERR_CONFIG;
    return err_set(err, our_code, "%s of %s [%d] cannot be asked for: %s", what, topic, (int)partition,
                   rd_kafka_err2str(code));
}

static bool wait_to_retry(rd_kafka_resp_err_t code, int64_t deadline_ms)
{
    struct timespec pause = {0, QUERY_RETRY_MS * 1000000L};
    if (!is_passing(code) || left_of(deadline_ms) <= QUERY_RETRY_MS)
        return false;
    (void)nanosleep(&pause, NULL);
    return true;
}

int kafka_admin_offsets(struct kafka_admin *admin, const char *topic, int32_t partition, int timeout_ms,
                        int64_t *out_low, int64_t *out_high, struct err *err)
{
    int64_t deadline_ms = now_ms() + timeout_ms, low = 0, high = 0;
    rd_kafka_resp_err_t code;

    /* Under read_committed "high" is the LSO: seen with an open transaction, 6 where the high watermark is 7.
     */
    do
        code = rd_kafka_query_watermark_offsets(kafka_handle_rk(admin->handle), topic, partition, &low, &high,
                                                left_of(deadline_ms));
    while (code != RD_KAFKA_RESP_ERR_NO_ERROR && wait_to_retry(code, deadline_ms));
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
        return query_failed(err, "the offsets", topic, partition, code);
    *out_low = low;
    *out_high = high;
    return 0;
}

static rd_kafka_resp_err_t ask_for_time(struct kafka_admin *admin, const char *topic, int32_t partition,
                                        int64_t ts_ms, int timeout_ms, int64_t *out_offset)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);

    rd_kafka_topic_partition_list_add(list, topic, partition)->offset = ts_ms;
    rd_kafka_resp_err_t code = rd_kafka_offsets_for_times(kafka_handle_rk(admin->handle), list, timeout_ms);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
        code = list->elems[0].err;
    *out_offset = list->elems[0].offset;
    rd_kafka_topic_partition_list_destroy(list);
    return code;
}

int kafka_admin_offset_for_time(struct kafka_admin *admin, const char *topic, int32_t partition,
                                int64_t ts_ms, int timeout_ms, int64_t *out_offset, struct err *err)
{
    int64_t deadline_ms = now_ms() + timeout_ms, offset = 0, low = 0;
    rd_kafka_resp_err_t code;

    if (ts_ms < 0) /* negative means something else to the broker, and no record is older */
        ts_ms = 0;
    do
        code = ask_for_time(admin, topic, partition, ts_ms, left_of(deadline_ms), &offset);
    while (code != RD_KAFKA_RESP_ERR_NO_ERROR && wait_to_retry(code, deadline_ms));
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
        return query_failed(err, "the offset for a time", topic, partition, code);
    if (offset < 0) /* no record is that young */
        return kafka_admin_offsets(admin, topic, partition, left_of(deadline_ms), &low, out_offset, err);
    *out_offset = offset;
    return 0;
}

int kafka_admin_group_is_free(struct kafka_admin *admin, int timeout_ms, struct err *err)
{
    const char *group = kafka_property(&admin->settings, "group.id");
    const struct rd_kafka_group_list *list = NULL;
    int members = 0;

    if (!group || !*group)
        return 0;
    rd_kafka_resp_err_t code = rd_kafka_list_groups(kafka_handle_rk(admin->handle), group, &list, timeout_ms);
    for (int i = 0; list && i < list->group_cnt; i++)
        if (strcmp(list->groups[i].group, group) == 0)
            members += list->groups[i].member_cnt;
    if (list)
        rd_kafka_group_list_destroy(list);
    if (members > 0)
        return err_set(
            err, ERR_BUSY,
            "kafka.group.id %s has %d active members: another consumer uses this group; stop it or "
            "give driftd a group of its own",
            group, members);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
        return err_set(err, ERR_TEMPORARY, "the members of group %s cannot be asked for: %s", group,
                       rd_kafka_err2str(code));
    return 0;
}

/* ---- dead letters -------------------------------------------------------------------------------------- */

int kafka_admin_dead_letter(struct kafka_admin *admin, const char *topic, const struct record *record,
                            const char *reason, const char *detail)
{
    return kafka_dead_letters_put(admin->letters, topic, record, reason, detail);
}

void kafka_admin_dead_letter_counts(const struct kafka_admin *admin, uint64_t *out_delivered,
                                    uint64_t *out_failed)
{
    kafka_dead_letters_counts(admin->letters, out_delivered, out_failed);
}
