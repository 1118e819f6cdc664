#ifndef DRIFTD_BENCH_OPTIONS_H
#define DRIFTD_BENCH_OPTIONS_H
/* Options of the tools that make events. */
#include <getopt.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "tests/bench/events.h"

struct bench_options {
    struct event_options events;
    double live_rate; /* 0: as fast as it goes */
    const char *codec;
};

/* The number of arguments from optind on, or -1. */
static inline int bench_options_parse(int argc, char **argv, struct bench_options *options)
{
    static const char *const styles[STYLE_COUNT] = {"tight", "spaced", "digits", "shuffled", "ragged"};
    static const struct option longs[] = {
        {"style", required_argument, NULL, 'y'},    {"seed", required_argument, NULL, 's'},
        {"models", required_argument, NULL, 'm'},   {"features", required_argument, NULL, 'f'},
        {"start-ms", required_argument, NULL, 't'}, {"rate", required_argument, NULL, 'r'},
        {"first", required_argument, NULL, 'n'},    {"shift", required_argument, NULL, 'x'},
        {"live", required_argument, NULL, 'l'},     {"codec", required_argument, NULL, 'c'},
        {"versions", required_argument, NULL, 'v'}, {NULL, 0, NULL, 0}};
    struct event_options *events = &options->events;
    for (int option, style = 0; (option = getopt_long(argc, argv, "", longs, NULL)) != -1;) {
        switch (option) {
        case 'y':
            for (style = 0; style < STYLE_COUNT && strcmp(styles[style], optarg) != 0;)
                style++;
            if (style == STYLE_COUNT)
                return -1;
            events->style = (enum event_style)style;
            break;
        case 's':
            events->seed = strtoull(optarg, NULL, 10);
            break;
        case 'm':
            events->models = (uint32_t)strtoul(optarg, NULL, 10);
            break;
        case 'v':
            events->versions = (uint32_t)strtoul(optarg, NULL, 10);
            break;
        case 'f':
            events->features = (uint32_t)strtoul(optarg, NULL, 10);
            break;
        case 't':
            events->start_ms = strtoll(optarg, NULL, 10);
            break;
        case 'r':
            events->rate_per_s = strtod(optarg, NULL);
            break;
        case 'n':
            events->first = strtoull(optarg, NULL, 10);
            break;
        case 'x':
            events->shift = strtod(optarg, NULL);
            break;
        case 'l':
            options->live_rate = strtod(optarg, NULL);
            break;
        case 'c':
            options->codec = optarg;
            break;
        default:
            return -1;
        }
    }
    return argc - optind;
}

#endif
