/*
 * Writes benchmark events as NDJSON to standard output.
 *
 *   tool_events COUNT [--style tight|spaced|digits|shuffled|ragged] [--seed N] [--models N] [--features N]
 *               [--start-ms T] [--rate EVENTS_PER_SECOND] [--first N] [--shift X]
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/bench/events.h"

static int parse(int argc, char **argv, struct event_options *options)
{
    static const char *const styles[STYLE_COUNT] = {"tight", "spaced", "digits", "shuffled", "ragged"};
    static const struct option longs[] = {{"style", required_argument, NULL, 'y'},
                                          {"seed", required_argument, NULL, 's'},
                                          {"models", required_argument, NULL, 'm'},
                                          {"features", required_argument, NULL, 'f'},
                                          {"start-ms", required_argument, NULL, 't'},
                                          {"rate", required_argument, NULL, 'r'},
                                          {"first", required_argument, NULL, 'n'},
                                          {"shift", required_argument, NULL, 'x'},
                                          {NULL, 0, NULL, 0}};
    for (int option; (option = getopt_long(argc, argv, "", longs, NULL)) != -1;) {
        if (option == 'y') {
            int style = 0;
            while (style < STYLE_COUNT && strcmp(styles[style], optarg) != 0)
                style++;
            if (style == STYLE_COUNT)
                return -1;
            options->style = (enum event_style)style;
        } else if (option == 's') {
            options->seed = strtoull(optarg, NULL, 10);
        } else if (option == 'm') {
            options->models = (uint32_t)strtoul(optarg, NULL, 10);
        } else if (option == 'f') {
            options->features = (uint32_t)strtoul(optarg, NULL, 10);
        } else if (option == 't') {
            options->start_ms = strtoll(optarg, NULL, 10);
        } else if (option == 'r') {
            options->rate_per_s = strtod(optarg, NULL);
        } else if (option == 'n') {
            options->first = strtoull(optarg, NULL, 10);
        } else if (option == 'x') {
            options->shift = strtod(optarg, NULL);
        } else {
            return -1;
        }
    }
    return optind + 1 == argc ? 0 : -1;
}

int main(int argc, char **argv)
{
    struct event_options options = {.start_ms = INT64_C(1772323200000), .rate_per_s = 10000};
    if (parse(argc, argv, &options) != 0) {
        (void)fputs("usage: tool_events COUNT [--style NAME] [--seed N] [--models N] [--features N]\n"
                    "                   [--start-ms T] [--rate R] [--first N] [--shift X]\n",
                    stderr);
        return 2;
    }
    struct event_stream stream;
    events_begin(&stream, &options);
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
