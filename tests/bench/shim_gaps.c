/*
 * Loaded into driftd with LD_PRELOAD: watches from outside when its worker asks for records, gets them and
 * begins with one. A gap is the time between two such signs of life, but for the wait for records itself.
 * What the thread waited for a CPU is taken off (/proc/thread-self/schedstat), because it belongs to the
 * machine's other users. At exit one line of JSON goes to the file that BENCH_GAPS names. With
 * BENCH_RECORDS=1 every record is looked at, which costs some 30 ns; without, only calls, and gaps mean
 * nothing.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

struct rd_kafka_queue_s;
struct rd_kafka_message_s;
ssize_t rd_kafka_consume_batch_queue(struct rd_kafka_queue_s *queue, int timeout_ms,
                                     struct rd_kafka_message_s **messages, size_t size);

int64_t rd_kafka_message_timestamp(const struct rd_kafka_message_s *message, int *out_type);

typedef int64_t (*timestamp_fn)(const struct rd_kafka_message_s *, int *);
typedef ssize_t (*consume_fn)(struct rd_kafka_queue_s *, int, struct rd_kafka_message_s **, size_t);

/* One consuming thread is watched: the benchmark runs one worker. */
static struct {
    consume_fn next;
    timestamp_fn next_timestamp;
    bool records_too;
    double loaded_s, first_call_s, first_record_s, last_record_s;
    double alive_s, waited_s; /* at the last sign of life; of waiting, when it was last looked at */
    int schedstat_fd;
    double longest_ms, longest_running_ms;
    uint64_t calls, records, above_1_ms, above_5_ms;
} watch = {.schedstat_fd = -1};

static double seconds_now(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

/* Seconds that this thread was ready to run and had no CPU. */
static double waited_for_cpu(void)
{
    char text[128];
    unsigned long long ran, waited;
    ssize_t got = watch.schedstat_fd >= 0 ? pread(watch.schedstat_fd, text, sizeof(text) - 1, 0) : -1;
    if (got <= 0)
        return 0;
    text[got] = '\0';
    return sscanf(text, "%llu %llu", &ran, &waited) == 2 ? (double)waited * 1e-9 : 0;
}

__attribute__((constructor)) static void load(void)
{
    watch.loaded_s = seconds_now();
    watch.records_too = getenv("BENCH_RECORDS") != NULL;
    *(void **)(void *)&watch.next = dlsym(RTLD_NEXT, "rd_kafka_consume_batch_queue");
    *(void **)(void *)&watch.next_timestamp = dlsym(RTLD_NEXT, "rd_kafka_message_timestamp");
}

static void sign_of_life(double now_s)
{
    double gap_ms = (now_s - watch.alive_s) * 1000;
    watch.alive_s = now_s;
    if (gap_ms < 0.2)
        return;
    double waited_s = waited_for_cpu();
    double running_ms = gap_ms - (waited_s - watch.waited_s) * 1000;
    watch.waited_s = waited_s;
    watch.longest_ms = gap_ms > watch.longest_ms ? gap_ms : watch.longest_ms;
    watch.longest_running_ms = running_ms > watch.longest_running_ms ? running_ms : watch.longest_running_ms;
    watch.above_1_ms += running_ms > 1;
    watch.above_5_ms += running_ms > 5;
}

/* What the worker asks of each record first. */
int64_t rd_kafka_message_timestamp(const struct rd_kafka_message_s *message, int *out_type)
{
    if (watch.records_too && watch.records > 0)
        sign_of_life(seconds_now());
    return watch.next_timestamp(message, out_type);
}

ssize_t rd_kafka_consume_batch_queue(struct rd_kafka_queue_s *queue, int timeout_ms,
                                     struct rd_kafka_message_s **messages, size_t size)
{
    double now_s = seconds_now();
    if (watch.calls == 0) {
        watch.first_call_s = now_s;
        watch.schedstat_fd = open("/proc/thread-self/schedstat", O_RDONLY | O_CLOEXEC);
    }
    if (watch.records > 0)
        sign_of_life(now_s);
    ssize_t count = watch.next(queue, timeout_ms, messages, size);
    watch.alive_s = seconds_now();
    watch.waited_s = waited_for_cpu();
    watch.calls++;
    if (count > 0 && watch.records == 0)
        watch.first_record_s = watch.alive_s;
    if (count > 0) {
        watch.records += (uint64_t)count;
        watch.last_record_s = watch.alive_s;
    }
    return count;
}

__attribute__((destructor)) static void finish(void)
{
    const char *path = getenv("BENCH_GAPS");
    FILE *file = path ? fopen(path, "we") : NULL;
    if (!file)
        return;
    (void)fprintf(
        file,
        "{\"calls\":%llu,\"records\":%llu,\"first_call_ms\":%.1f,\"first_record_ms\":%.1f,\"reading_ms\":%."
        "1f,"
        "\"longest_gap_ms\":%.3f,\"longest_gap_running_ms\":%.3f,\"gaps_above_1_ms\":%llu,"
        "\"gaps_above_5_ms\":%llu}\n",
        (unsigned long long)watch.calls, (unsigned long long)watch.records,
        (watch.first_call_s - watch.loaded_s) * 1000, (watch.first_record_s - watch.loaded_s) * 1000,
        (watch.last_record_s - watch.first_record_s) * 1000, watch.longest_ms, watch.longest_running_ms,
        (unsigned long long)watch.above_1_ms, (unsigned long long)watch.above_5_ms);
    (void)fclose(file);
}
