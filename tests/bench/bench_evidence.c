/*
 * What a finest pane costs a series of evidence: closing it, looking with bounds, looking exactly; and the
 * memory of a series. Months of panes without drift, of 20 events and of 2,000. Microseconds of CPU.
 *
 *   bench_evidence [SERIES [PANES]]
 */
#include <math.h>

#include "detectors/evidence.h"
#include "tests/bench/bench.h"

enum { BINS = 21 };

static double unit_of(uint64_t *state)
{
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (double)(*state >> 11) * 0x1p-53;
}

/* n events over equal bins, by normal noise of each count. */
static void draw(uint64_t *counts, double n, uint64_t *seed)
{
    for (int j = 0; j < BINS; j++) {
        double noise = unit_of(seed) + unit_of(seed) + unit_of(seed) + unit_of(seed) - 2;
        counts[j] = (uint64_t)fmax(0, rint(n / BINS + noise * sqrt(3 * n / BINS)));
    }
}

static void measure(uint32_t series, uint32_t panes, double n)
{
    static const struct evidence_options options = {1, 2592000000LL, 0.5, 0.005, 1};
    struct evidence_settings settings = {.tier_ms = {300000, 3600000, 86400000},
                                         .options = &options,
                                         .series = (double)series * 20,
                                         .tolerance_factor = 1};
    struct evidence **all = calloc(series, sizeof(struct evidence *));
    struct evidence_bins bins;
    struct evidence_limits limits = {0};
    struct evidence_watch watch = evidence_watch_new();
    uint64_t reference[BINS], seed = 7, skipped = 0;
    double close_ns = 0, look_ns = 0, exact_ns = 0, at;
    for (uint32_t i = 0; i < series; i++) {
        draw(reference, 10000, &seed);
        evidence_bins_of_score(reference, BINS, &bins);
        if (!all || !(all[i] = evidence_new(&settings, &bins, reference)))
            bench_fail("no memory");
        limits = evidence_limits_of(all[i], &settings, false);
    }
    uint64_t exact = 0;
    for (uint32_t pane = 0; pane < panes; pane++) {
        uint64_t counts[BINS];
        for (uint32_t i = 0; i < series; i++) {
            draw(counts, n, &seed);
            at = bench_cpu_ns();
            if (evidence_close(all[i], pane * settings.tier_ms[0], counts) != 0)
                bench_fail("no memory");
            close_ns += bench_cpu_ns() - at;
            at = bench_cpu_ns();
            skipped += isnan(evidence_look(all[i], &limits, &watch, false).log_r) ? 1 : 0;
            look_ns += bench_cpu_ns() - at;
            if (pane % 12)
                continue;
            at = bench_cpu_ns();
            (void)evidence_look(all[i], &limits, &watch, true);
            exact_ns += bench_cpu_ns() - at;
            exact++;
        }
    }
    double all_panes = (double)series * panes;
    printf("%6.0f events a pane: close %.2f us, look %.2f us (%.1f %% by bounds alone), exactly %.1f us; "
           "%zu bytes a series\n",
           n, close_ns / all_panes / 1000, look_ns / all_panes / 1000, 100 * (double)skipped / all_panes,
           exact_ns / (double)exact / 1000, evidence_bytes(all[0]));
    for (uint32_t i = 0; i < series; i++)
        evidence_free(all[i]);
    free(all);
}

int main(int argc, char **argv)
{
    uint32_t series = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : 20;
    uint32_t panes = argc > 2 ? (uint32_t)strtoul(argv[2], NULL, 10) : 9000;
    measure(series, panes, 20);
    measure(series, panes, 200);
    measure(series, panes, 2000);
    return 0;
}
