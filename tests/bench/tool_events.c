/*
 * Writes benchmark events as NDJSON to standard output.
 *
 *   tool_events COUNT [--style tight|spaced|digits|shuffled|ragged] [--seed N] [--models N] [--versions N]
 *               [--features N] [--start-ms T] [--rate EVENTS_PER_SECOND] [--first N] [--shift X]
 */
#include <stdio.h>

#include "tests/bench/options.h"

int main(int argc, char **argv)
{
    struct bench_options options = {.events = {.start_ms = INT64_C(1772323200000), .rate_per_s = 10000}};
    if (bench_options_parse(argc, argv, &options) != 1) {
        (void)fputs(
            "usage: tool_events COUNT [--style NAME] [--seed N] [--models N] [--versions N] [--features N]\n"
            "                   [--start-ms T] [--rate R] [--first N] [--shift X]\n",
            stderr);
        return 2;
    }
    struct event_stream stream;
    events_begin(&stream, &options.events);
    char line[EVENT_BYTES_MAX + 1];
    for (uint64_t left = strtoull(argv[optind], NULL, 10); left > 0; left--) {
        size_t len = events_next(&stream, line);
        line[len++] = '\n';
        if (fwrite(line, 1, len, stdout) != len) {
            perror("tool_events");
            return 1;
        }
    }
    return fflush(stdout) == 0 ? 0 : 1;
}
