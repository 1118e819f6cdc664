#ifndef DRIFTD_DETECTORS_PERFORMANCE_MULTICLASS_H
#define DRIFTD_DETECTORS_PERFORMANCE_MULTICLASS_H
/*
 * Performance of models with K classes from their K×K confusion counts (METHODS §7.2): rows are the true
 * class, columns the predicted one. O(K²).
 */
#include <stdint.h>

struct class_metrics {
    double precision, recall, f1; /* NaN: 0/0 */
    uint64_t truth, predicted;
};

struct multiclass_average {
    double precision, recall, f1;
};

struct multiclass_metrics {
    uint64_t n;
    double accuracy;
    double balanced_accuracy; /* mean recall of the classes that occur in truth */
    double mcc;               /* Gorodkin; 0 when a margin has one class */
    double kappa;             /* NaN when chance agreement is 1 */
    /* macro: classes that occur in truth or prediction, an undefined precision or recall counts 0; micro: all
     * events; weighted: by truth counts */
    struct multiclass_average macro, micro, weighted;
};

/* counts[truth·classes + predicted]. */
struct class_metrics class_metrics(const uint64_t *counts, uint32_t classes, uint32_t which);
struct multiclass_metrics multiclass_metrics(const uint64_t *counts, uint32_t classes);

#endif
