#ifndef DRIFTD_DETECTORS_REPORT_H
#define DRIFTD_DETECTORS_REPORT_H
/*
 * What detectors/ reports: one row per (feature or other subject) and window with all its metrics in numbered
 * slots, and the table that says what each slot means. Types and constant tables only. A new family adds rows
 * to the table, never columns to anything.
 */
#include <stdint.h>

#include "agent/base/text.h"

enum family {
    FAMILY_FEATURES,
    FAMILY_PERFORMANCE, /* of a binary model's labelled predictions */
    FAMILY_REGRESSION,
    FAMILY_CALIBRATION,
    FAMILY_FAIRNESS,              /* of an attribute: differences between its groups */
    FAMILY_GROUPS,                /* of one group, "attribute=value" */
    FAMILY_LATENCY,               /* of latency_ms */
    FAMILY_CAUSE,                 /* of a segment: its part in the drift of a feature of the whole model */
    FAMILY_ATTRIBUTION,           /* of all attributions together */
    FAMILY_ATTRIBUTED,            /* of one feature: its part of them */
    FAMILY_KPI,                   /* of a business KPI */
    FAMILY_QUALITY,               /* of a feature's values, beside drift */
    FAMILY_FIELDS,                /* "@fields": which fields events have */
    FAMILY_OUTLIERS,              /* "@outliers" */
    FAMILY_PREDICTIONS,           /* of all predictions, labelled or not */
    FAMILY_ESTIMATED,             /* performance without labels */
    FAMILY_ESTIMATE_ERROR,        /* how far it was off */
    FAMILY_COMPARISON,            /* performance against the labelled reference */
    FAMILY_REGRESSION_COMPARISON, /* the same of regression */
    FAMILY_VERSIONS,              /* of two versions, "a vs b" */
    FAMILY_MULTIVARIATE,          /* of all features together */
    FAMILY_EMBEDDINGS,            /* of an array-valued feature */
    FAMILY_THROUGHPUT,            /* "@events": how many there were */
    FAMILY_ACTIVITY,              /* "@activity": how many events come */
    FAMILY_DETECTOR,              /* of a change detector, "<input>:<method>" */
    FAMILY_SEASONAL,    /* of a feature against the same hours of earlier weeks; slots as FAMILY_FEATURES */
    FAMILY_ROLLING,     /* of a feature against a stretch before the window; slots as FAMILY_FEATURES */
    FAMILY_RATES,       /* of a binary model: further rates with their intervals */
    FAMILY_RELIABILITY, /* of one bin of scores: the reliability diagram */
    FAMILY_PARITY,      /* of an attribute: aggregates over its groups */
    FAMILY_FACETS,      /* of a disadvantaged group against the advantaged one */
    FAMILY_MULTICLASS,  /* of a model with several classes */
    FAMILY_CLASSES,     /* of one class, "class=name" */
    FAMILY_RANKING,     /* of queries with the relevance of what was ranked */
    FAMILY_LABEL_DRIFT, /* of labels, and of what a score means, against the labelled reference */
    FAMILY_DUPLICATES,  /* "@events": how many came again */
    FAMILY_EVIDENCE,    /* of a feature, or of a score of all features: the e-detector */
    FAMILY_EVIDENCE_FIXED, /* the same with a wider tolerance, where the model looks at its past too */
    FAMILY_CARDINALITY,    /* of a feature: how many different values it has */
    FAMILY_LAG,            /* "@lag_ms": how long after their time events were in the log */
    FAMILY_KPI_TAILS,      /* of a business KPI whose tails are held */
    FAMILY_GAPS,           /* of an attribute: differences between its groups against the reference's */
    FAMILY_COUNT
}; /* numbers are stored: never change them */

/* "drift", "performance" …: the monitor that views and alerts name. */
const char *family_monitor(enum family family);

enum { REPORT_SLOTS = 40 };

enum metric_status { STATUS_OK, STATUS_INSUFFICIENT, STATUS_UNDEFINED };
enum metric_kind { METRIC_NUMERIC = 1, METRIC_CATEGORICAL = 2 }; /* which subjects have it */

struct metric {
    const char *name;
    enum family family;
    uint8_t kinds;
    uint8_t slot;
    int8_t p_slot, floor_slot, low_slot, high_slot; /* −1: none */
    double floor_scale; /* floor = slots[floor_slot] · floor_scale: what noise alone exceeds with probability
                           0.001 */
    uint8_t has_minimum_n;    /* below n_min the status is insufficient; tests have none */
    double warning, critical; /* bands of METHODS §15; NaN: no default */
    const char *summary;      /* one line for people */
};

extern const struct metric metric_table[];
extern const uint32_t metric_count;
/* NULL when there is none of that name. */
const struct metric *metric_find(const char *name);
/* How its interval and p-value come about; NULL: it has neither. */
const char *metric_method(const struct metric *metric);

enum report_flag {
    REPORT_INSUFFICIENT = 1 << 0, /* n below the minimum: metrics with has_minimum_n never alert */
    REPORT_INCOMPLETE = 1 << 1,   /* a partition was absent or returned from idle */
    REPORT_CAPPED = 1 << 2,       /* the model met a cap */
    REPORT_GRID_MISMATCH = 1 << 3,
    REPORT_CATEGORICAL = 1 << 4,
    REPORT_NO_REFERENCE = 1 << 5 /* compared with something else than a stored reference */
};

enum { CAUSES_SHOWN = 5 };
/* What a segment adds to the drift of a feature of the whole model, for people. */
struct cause_share {
    struct text segment; /* "key=value" */
    double share;        /* of the PSI; 1 is all of it */
    double mix, within;  /* more or fewer of its events; other values inside it */
};

struct report_row {
    enum family family;
    uint32_t subject;        /* index of the feature in the grid */
    uint64_t n, reference_n; /* valid values */
    uint32_t flags;
    double slots[REPORT_SLOTS]; /* NaN: undefined */
};

/* Every slot NaN: what a report fills from. */
void report_row_undefine(struct report_row *row);

#endif
