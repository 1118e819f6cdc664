#include "detectors/unseen_names.h"

#include "detectors/features_private.h"

int unseen_names_add(const struct grid *grid, const struct feature_row *row, struct name_sketch *into)
{
    int code = 0;
    for (uint32_t i = 0; code == 0 && i < row->odd_count; i++) {
        const struct odd_value *odd = &row->odd[i];
        char buffer[CATEGORY_TEXT_MAX];
        struct text name;
        if (odd->feature == FEATURE_UNKNOWN) {
            code = name_sketch_add(into, text_of(UNSEEN_FIELDS), odd->name, 1);
            continue;
        }
        const struct feature_grid *feature = &grid->features[odd->feature];
        if (feature->type == FEATURE_CATEGORICAL && row->slot[odd->feature] == feature_slot_unseen(feature) &&
            feature_category(odd->value, buffer, &name))
            code = name_sketch_add(into, text_of(feature->name), name, 1);
    }
    return code;
}
