#ifndef DRIFTD_DETECTORS_REFERENCE_MULTIVARIATE_H
#define DRIFTD_DETECTORS_REFERENCE_MULTIVARIATE_H
/* How a reference comes to what it knows of features together and of embeddings. Private to detectors/. */
#include "agent/base/json.h"
#include "detectors/embeddings.h"
#include "detectors/multivariate_family.h"
#include "detectors/sample.h"

struct cJSON;

/* From the rows of its sample, once its features are counted: models and baselines of both families. What
 * does not apply (no features, no vectors) stays NULL. Deterministic. ERR_NOMEM. O(rows·128·numbers of a
 * row). */
int reference_build_multivariate(struct reference *reference, const struct sample *sample,
                                 const struct reference_options *options) MUST_USE;
int reference_build_embeddings(struct reference *reference, const struct sample *sample,
                               const struct reference_options *options) MUST_USE;
/* How much its features vary over time. O(rows · features). */
int reference_build_dispersion(struct reference *reference, const struct sample *sample,
                               const struct reference_options *options) MUST_USE;
/* Does the pattern list exclude a feature of that name? */
bool reference_excludes(const char *const *globs, struct text name);

/* Members of the reference's JSON object; nothing when the reference has no model. */
void reference_write_multivariate(struct json *json, const struct reference *reference);
void reference_write_dispersion(struct json *json, const struct reference *reference);
/* `*what` says what is wrong with ERR_INVALID. Call them when features are read. */
int reference_read_multivariate(const struct cJSON *root, struct reference *reference,
                                const char **what) MUST_USE;
int reference_read_dispersion(const struct cJSON *root, struct reference *reference,
                              const char **what) MUST_USE;
int reference_read_embeddings(const struct cJSON *root, struct reference *reference,
                              const char **what) MUST_USE;

#endif
