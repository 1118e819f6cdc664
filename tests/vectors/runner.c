/*
 * runner DIR      runs every suite *.json of a directory and says which cases fail, with got and want
 * runner --eval   reads one case ({"fn", "input"}) per line on standard input and prints what it computes,
 * one object a line Exit 0 when all passed, 1 when a case failed or could not be run, 2 on usage.
 */
#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/vectors/vectors.h"

static const struct vector_handler *const tables[] = {
    binning_handlers,     continuous_handlers,   distances_handlers, special_handlers,   intervals_handlers,
    performance_handlers, calibration_handlers,  cbpe_handlers,      fairness_handlers,  attribution_handlers,
    quality_handlers,     multivariate_handlers, detectors_handlers, edetector_handlers,
};

static const struct vector_handler *find_handler(const char *fn)
{
    for (size_t t = 0; fn && t < ARRAY_LEN(tables); t++)
        for (const struct vector_handler *h = tables[t]; h->fn; h++)
            if (strcmp(h->fn, fn) == 0)
                return h;
    return NULL;
}

/* Computes vc->output; the caller deletes it. */
static void run_case(struct vector_case *vc, const cJSON *suite, const cJSON *item, const cJSON *expect)
{
    memset(vc, 0, sizeof *vc);
    vc->suite = suite;
    vc->expect = expect;
    vc->input = cJSON_GetObjectItemCaseSensitive(item, "input");
    vc->output = cJSON_CreateObject();
    const char *fn = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(item, "fn"));
    const struct vector_handler *handler = find_handler(fn);
    if (!vc->output)
        case_fail(vc, "out of memory");
    else if (!handler)
        case_fail(vc, "no handler for fn \"%s\"", fn ? fn : "(none)");
    else if (!cJSON_IsObject(vc->input))
        case_fail(vc, "no input object");
    else
        handler->run(vc);
    for (size_t i = 0; i < vc->allocation_count; i++)
        free(vc->allocations[i]);
    vc->allocation_count = 0;
}

struct tolerance {
    double rtol, atol;
};

struct comparison {
    const char *case_id;
    struct tolerance tolerance;
    unsigned mismatches;
};

static void mismatch(struct comparison *cmp, const char *path, const cJSON *got, const cJSON *want)
{
    char *got_text = got ? cJSON_PrintUnformatted(got) : NULL;
    char *want_text = cJSON_PrintUnformatted(want);
    printf("  FAIL %s: %s: got %s, want %s\n", cmp->case_id, path, got_text ? got_text : "(not computed)",
           want_text ? want_text : "?");
    cJSON_free(got_text);
    cJSON_free(want_text);
    cmp->mismatches++;
}

static bool is_numeric(const cJSON *item, double *out)
{
    struct vector_case scratch = {.problem = ""};
    if (!item || (!cJSON_IsNumber(item) && !cJSON_IsString(item)))
        return false;
    *out = case_value(&scratch, item);
    return scratch.problem[0] == '\0';
}

static bool number_agrees(double got, double want, struct tolerance tolerance)
{
    if (isnan(want) || isnan(got))
        return isnan(want) && isnan(got);
    if (isinf(want) || isinf(got))
        return want == got;
    return fabs(got - want) <= tolerance.atol + tolerance.rtol * fabs(want);
}

static void compare(struct comparison *cmp, const char *path, const cJSON *got, const cJSON *want);

/* The ends of a confidence interval are centre ± half: near zero an end has fewer correct digits than the
 * two, so both are compared on the scale of the larger. */
static double interval_scale(const char *path, const cJSON *want)
{
    double low, high;
    if (!strstr(path, "_ci9") || !cJSON_IsArray(want) || cJSON_GetArraySize(want) != 2 ||
        !is_numeric(want->child, &low) || !is_numeric(want->child->next, &high))
        return 0;
    double scale = fmax(fabs(low), fabs(high));
    return isfinite(scale) ? scale : 0;
}

static void compare_members(struct comparison *cmp, const char *path, const cJSON *got, const cJSON *want)
{
    const cJSON *member;
    int index = 0;
    char deeper[256];
    if (cJSON_IsArray(want) && cJSON_GetArraySize(got) != cJSON_GetArraySize(want)) {
        mismatch(cmp, path, got, want);
        return;
    }
    const cJSON *other = got ? got->child : NULL;
    double atol = cmp->tolerance.atol;
    cmp->tolerance.atol += cmp->tolerance.rtol * interval_scale(path, want);
    cJSON_ArrayForEach(member, want)
    {
        if (cJSON_IsArray(want)) {
            snprintf(deeper, sizeof deeper, "%s[%d]", path, index++);
            compare(cmp, deeper, other, member);
            other = other->next;
        } else {
            snprintf(deeper, sizeof deeper, "%s%s%s", path, *path ? "." : "", member->string);
            compare(cmp, deeper, cJSON_GetObjectItemCaseSensitive(got, member->string), member);
        }
    }
    cmp->tolerance.atol = atol;
}

/* Every value that is wanted must be there and agree; computing more is no error. */
static void compare(struct comparison *cmp, const char *path, const cJSON *got, const cJSON *want)
{
    double got_number, want_number;
    if (cJSON_IsObject(want) || cJSON_IsArray(want)) {
        if (got && (got->type & 0xff) == (want->type & 0xff))
            compare_members(cmp, path, got, want);
        else
            mismatch(cmp, path, got, want);
    } else if (is_numeric(want, &want_number)) {
        if (!is_numeric(got, &got_number) || !number_agrees(got_number, want_number, cmp->tolerance))
            mismatch(cmp, path, got, want);
    } else if (!cJSON_Compare(got, want, true)) {
        mismatch(cmp, path, got, want);
    }
}

static double tolerance_of(const cJSON *item, const char *key)
{
    const cJSON *tolerance = cJSON_GetObjectItemCaseSensitive(item, key);
    return cJSON_IsNumber(tolerance) ? tolerance->valuedouble : 0;
}

static bool check_case(const cJSON *suite, const cJSON *item)
{
    const char *id = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(item, "id"));
    const cJSON *want = cJSON_GetObjectItemCaseSensitive(item, "expect");
    struct comparison cmp = {.case_id = id ? id : "(no id)"};
    cmp.tolerance = (struct tolerance){tolerance_of(item, "rtol"), tolerance_of(item, "atol")};
    struct vector_case vc;
    run_case(&vc, suite, item, want);
    if (!cJSON_IsObject(want) || !want->child)
        case_fail(&vc, "nothing is expected");
    if (vc.problem[0]) {
        printf("  FAIL %s: %s\n", cmp.case_id, vc.problem);
        cmp.mismatches++;
    } else {
        compare(&cmp, "", vc.output, want);
    }
    cJSON_Delete(vc.output);
    return cmp.mismatches == 0;
}

static char *read_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (!file)
        return NULL;
    size_t len = 0, capacity = 1 << 16;
    char *bytes = malloc(capacity);
    while (bytes) {
        size_t got = fread(bytes + len, 1, capacity - len - 1, file);
        len += got;
        if (got == 0)
            break;
        if (capacity - len - 1 == 0) {
            char *larger = realloc(bytes, capacity *= 2);
            if (!larger)
                free(bytes);
            bytes = larger;
        }
    }
    if (bytes)
        bytes[len] = '\0';
    if (ferror(file)) {
        free(bytes);
        bytes = NULL;
    }
    fclose(file);
    return bytes;
}

/* Adds to the totals; a file that is no suite counts as one failure. */
static void run_suite(const char *dir, const char *file_name, unsigned *passed, unsigned *failed)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", dir, file_name);
    char *bytes = read_file(path);
    cJSON *suite = bytes ? cJSON_Parse(bytes) : NULL;
    free(bytes);
    const cJSON *cases = cJSON_GetObjectItemCaseSensitive(suite, "cases"), *item;
    unsigned good = 0, bad = 0;
    printf("%s\n", file_name);
    cJSON_ArrayForEach(item, cases)
    {
        if (check_case(suite, item))
            good++;
        else
            bad++;
    }
    if (good + bad == 0) {
        printf("  FAIL %s: unreadable, or has no cases\n", path);
        bad = 1;
    }
    printf("  %u passed, %u failed\n", good, bad);
    *passed += good;
    *failed += bad;
    cJSON_Delete(suite);
}

static int is_suite(const struct dirent *entry)
{
    const char *dot = strrchr(entry->d_name, '.');
    return dot && dot != entry->d_name && strcmp(dot, ".json") == 0;
}

static int run_directory(const char *dir)
{
    struct dirent **entries;
    int count = scandir(dir, &entries, is_suite, alphasort);
    unsigned passed = 0, failed = 0;
    if (count <= 0) {
        printf("FAIL %s: %s\n", dir, count < 0 ? "cannot be read" : "holds no suite (*.json)");
        if (count == 0)
            free(entries);
        return 1;
    }
    for (int i = 0; i < count; i++) {
        run_suite(dir, entries[i]->d_name, &passed, &failed);
        free(entries[i]);
    }
    free(entries);
    printf("vectors: %u passed, %u failed\n", passed, failed);
    return failed ? 1 : 0;
}

static int evaluate_lines(void)
{
    char *line = NULL;
    size_t capacity = 0;
    int status = 0;
    while (getline(&line, &capacity, stdin) > 0) {
        cJSON *item = cJSON_Parse(line);
        struct vector_case vc;
        run_case(&vc, NULL, item, NULL);
        if (vc.problem[0]) {
            cJSON_Delete(vc.output);
            vc.output = cJSON_CreateObject();
            cJSON_AddStringToObject(vc.output, "error", vc.problem);
            status = 1;
        }
        char *text = cJSON_PrintUnformatted(vc.output);
        puts(text ? text : "{\"error\":\"out of memory\"}");
        fflush(stdout);
        cJSON_free(text);
        cJSON_Delete(vc.output);
        cJSON_Delete(item);
    }
    free(line);
    return status;
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: %s DIR | --eval\n", argc ? argv[0] : "runner");
        return 2;
    }
    return strcmp(argv[1], "--eval") == 0 ? evaluate_lines() : run_directory(argv[1]);
}
