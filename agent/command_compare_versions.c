/* `driftd compare --versions`: what labelled windows said of two versions of a model, side by side. */
#include <stdio.h>

#include "agent/cli_store.h"
#include "agent/command_compare.h"
#include "agent/commands.h"

#define LABELLED_WINDOWS(version_)                                                                           \
    "SELECT window_s, window_end_s FROM v1_results WHERE model = ?1 AND version = " version_                 \
    " AND segment = '' AND feature = '@model' AND metric IN ('accuracy', 'mae', 'multiclass_accuracy')"      \
    " AND value IS NOT NULL AND revision > 0 AND window_end_s BETWEEN ?4 AND ?5"

#define SIDE(alias_, version_)                                                                               \
    " JOIN v1_results AS " alias_ " ON " alias_ ".model = ?1 AND " alias_ ".version = " version_             \
    " AND " alias_ ".segment = '' AND " alias_ ".feature = '@model' AND " alias_                             \
    ".window_s = w.window_s AND " alias_ ".window_end_s = w.window_end_s AND " alias_ ".value IS NOT NULL"

#define BOTH_LABELLED LABELLED_WINDOWS("?2") " INTERSECT " LABELLED_WINDOWS("?3")
#define BOTH_SIDES    SIDE("a", "?2") SIDE("b", "?3")

/* Of each length the newest window in which both have labels. Intervals and p are those that were computed
 * when it matured; there the version that was first may have been the other one. */
static const char sql[] =
    "WITH shared AS (SELECT window_s, max(window_end_s) AS window_end_s"
    " FROM (" BOTH_LABELLED ") GROUP BY window_s)"
    " SELECT a.window_end, a.window_s, a.metric, a.value AS first, b.value AS second,"
    " a.value - b.value AS delta,"
    " CASE d.feature WHEN ?2 || ' vs ' || ?3 THEN d.ci_low ELSE -d.ci_high END AS ci_low,"
    " CASE d.feature WHEN ?2 || ' vs ' || ?3 THEN d.ci_high ELSE -d.ci_low END AS ci_high,"
    " d.p_value AS p, a.n AS n_first, b.n AS n_second"
    " FROM shared AS w" BOTH_SIDES " AND b.metric = a.metric"
    " LEFT JOIN v1_results AS d ON d.model = ?1 AND d.segment = '' AND d.window_s = w.window_s"
    " AND d.window_end_s = w.window_end_s AND d.metric = 'versions_' || a.metric || '_delta'"
    " AND d.feature IN (?2 || ' vs ' || ?3, ?3 || ' vs ' || ?2)"
    " WHERE a.metric IN ('accuracy', 'precision', 'recall', 'f1', 'auc', 'brier', 'log_loss', 'mae', 'rmse',"
    " 'r2', 'multiclass_accuracy', 'macro_f1')"
    " ORDER BY a.window_s, a.metric";

int compare_versions(const char *command, const struct cli_source *source,
                     const struct versions_to_compare *wanted)
{
    struct cli_filter filter = {
        .values = {reader_string_cell(wanted->model), reader_string_cell(wanted->first),
                   reader_string_cell(wanted->second),
                   reader_integer_cell(wanted->from_ms == INT64_MIN ? INT64_MIN : wanted->from_ms / 1000),
                   reader_integer_cell(wanted->to_ms == INT64_MIN ? INT64_MAX : wanted->to_ms / 1000)},
        .count = 5};
    const struct cli_query query = {.select = sql,
                                    .filter = &filter,
                                    .format = wanted->format,
                                    .none = "no window in which both versions have labels"};
    return cli_print_source(command, source, &query);
}
