#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>

#include "agent/base/compiler.h"
#include "agent/config.h"

static int parse(struct config **out, const char *text, struct strbuf *messages)
{
    strbuf_init(messages, 1 << 20);
    *out = NULL;
    return config_parse(out, text, strlen(text), "c.yaml", messages);
}

static struct config *parse_good(const char *text)
{
    struct strbuf messages;
    struct config *config = NULL;
    if (parse(&config, text, &messages) != 0 || messages.len)
        fail_msg("%s", messages.bytes);
    strbuf_release(&messages);
    return config;
}

struct wrong_case {
    const char *text; /* after the line `api_version: 1` */
    const char *messages;
};

static void expect_wrong(const struct wrong_case *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct strbuf text, messages;
        struct config *config;
        strbuf_init(&text, 1 << 20);
        strbuf_addf(&text, "api_version: 1\n%s\n", cases[i].text);
        assert_int_equal(parse(&config, text.bytes, &messages), ERR_CONFIG);
        assert_null(config);
        if (strcmp(messages.bytes, cases[i].messages) != 0)
            fail_msg("%s\ngave\n%sinstead of\n%s", text.bytes, messages.bytes, cases[i].messages);
        strbuf_release(&text);
        strbuf_release(&messages);
    }
}

static void test_wrong_values(void **state)
{
    (void)state;
    static const struct wrong_case cases[] = {
        {"pipeline:", "c.yaml:2:10: `pipeline` has no value; leave the line out for its default\n"},
        {"pipeline: [a]", "c.yaml:2:11: `pipeline` must be a single value, not a list\n"},
        {"pipeline: ''", "c.yaml:2:11: `pipeline` must not be empty\n"},
        {"time: {lateness: 60}",
         "c.yaml:2:18: `lateness`: `60` has no unit; write 60ms, 60s, 60m, 60h or 60d\n"},
        {"time: {lateness: 1 minute}",
         "c.yaml:2:18: `lateness`: `1 minute` is not a duration such as 250ms, 30s, 5m, 24h or 7d\n"},
        {"time: {lateness: -5s}",
         "c.yaml:2:18: `lateness`: `-5s` is not a duration such as 250ms, 30s, 5m, 24h or 7d\n"},
        {"time: {lateness: 31d}", "c.yaml:2:18: `lateness`: `31d` is above the maximum of 30d\n"},
        {"time: {idle_timeout: 0}", "c.yaml:2:22: `idle_timeout`: `0` is below the minimum of 1s\n"},
        {"time: {origin: monday}",
         "c.yaml:2:16: `origin`: `monday` is not a time such as 2026-03-01T00:00:00Z\n"},
        {"time: 5m", "c.yaml:2:7: `time` must be a mapping, not a text\n"},
        {"limits: {event_bytes: 65536}",
         "c.yaml:2:23: `event_bytes`: `65536` has no unit; write 65536B, 65536KiB or 65536MiB\n"},
        {"limits: {event_bytes: 64kb}",
         "c.yaml:2:23: `event_bytes`: `64kb` is not a size such as 512B, 64KiB, 16MiB or 1GiB\n"},
        {"limits: {event_bytes: 99999999999TiB}",
         "c.yaml:2:23: `event_bytes`: `99999999999TiB` is not a size such as 512B, 64KiB, 16MiB or 1GiB\n"},
        {"limits: {event_bytes: 1GiB}", "c.yaml:2:23: `event_bytes`: `1GiB` is above the maximum of 16MiB\n"},
        {"limits: {event_bytes: 1B}", "c.yaml:2:23: `event_bytes`: `1B` is below the minimum of 64B\n"},
        {"limits: {models: 1.5}", "c.yaml:2:18: `models`: `1.5` is not a whole number\n"},
        {"limits: {models: 0}", "c.yaml:2:18: `models`: `0` is outside 1 to 100000\n"},
        {"limits: {models: 99999999999999999999}",
         "c.yaml:2:18: `models`: `99999999999999999999` is not a whole number\n"},
        {"dedup: yes", "c.yaml:2:8: `dedup`: `yes` is neither true nor false\n"},
        {"dedup: True", "c.yaml:2:8: `dedup`: `True` is neither true nor false\n"},
        {"log: {level: warn}", "c.yaml:2:14: `level`: `warn` is none of debug, info, warning, error\n"},
        {"log: {level: eror}",
         "c.yaml:2:14: `level`: `eror` is none of debug, info, warning, error; did you mean `error`?\n"},
        {"workers: many", "c.yaml:2:10: `workers`: `many` is not a whole number\n"},
        {"workers: 0", "c.yaml:2:10: `workers`: `0` is outside 1 to 256\n"},
        {"max_alert_age: ever",
         "c.yaml:2:16: `max_alert_age`: `ever` is not a duration such as 250ms, 30s, 5m, 24h or 7d\n"},
        {"start: now", "c.yaml:2:8: `start`: `now` is neither earliest, latest nor a time such as "
                       "2026-03-01T00:00:00Z\n"},
        {"inputs: {topic: x}", "c.yaml:2:9: `inputs` must be a list, not a mapping\n"},
        {"models: [credit]", "c.yaml:2:10: an entry of `models` must be a mapping, not a text\n"},
        {"models: [{name: a, segments: channel}]", "c.yaml:2:30: `segments` must be a list: [channel]\n"},
        {"models: [{name: a, segments: [x, y, x]}]", "c.yaml:2:37: `x` is twice in `segments`\n"},
        {"models: [{name: a, segments: [x, '']}]", "c.yaml:2:34: an empty entry in `segments`\n"},
    };
    expect_wrong(cases, ARRAY_LEN(cases));
}

static void test_wrong_keys(void **state)
{
    (void)state;
    static const struct wrong_case cases[] = {
        {"sinkz: []", "c.yaml:2:1: unknown key `sinkz`; did you mean `sinks`?\n"},
        {"store: {retention: {pane: 1d}}", "c.yaml:2:21: unknown key `pane`; did you mean `panes`?\n"},
        {"something_else: 1", "c.yaml:2:1: unknown key `something_else`\n"},
        {"dedup: true\ndedup: true", "c.yaml:3:1: duplicate key `dedup`; it is also on line 2\n"},
        {"models: [{}]",
         "c.yaml:2:10: `name` is missing. The model as events name it; `*` is the template of "
         "all that are not listed.\n"},
        {"windows: [{length: 1h}]",
         "c.yaml:2:11: `slide` is missing. How often it is evaluated: the length of "
         "one of `time.tiers`.\n"},
    };
    expect_wrong(cases, ARRAY_LEN(cases));
}

static void test_wrong_documents(void **state)
{
    (void)state;
    static const struct wrong_case cases[] = {
        {"", "c.yaml:1:1: `api_version` is missing. Version of this format, always 1.\n"},
        {"[a]", "c.yaml:1:1: a configuration is a mapping of options, not a list\n"},
        {"hello", "c.yaml:1:1: a configuration is a mapping of options, not a text\n"},
        {"api_version: 2", "c.yaml:1:14: `api_version`: this driftd reads version 1 only\n"},
        {"api_version: 1\nlog: {level: [}\n",
         "c.yaml:2:15: not valid YAML: did not find expected node content\n"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct strbuf messages;
        struct config *config;
        assert_int_equal(parse(&config, cases[i].text, &messages), ERR_CONFIG);
        assert_string_equal(messages.bytes, cases[i].messages);
        strbuf_release(&messages);
    }
}

static void test_wrong_time(void **state)
{
    (void)state;
    static const struct wrong_case cases[] = {
        {"time: {tiers: 5m}",
         "c.yaml:2:15: `tiers` must be a list of 1 to 4 durations, such as [5m, 1h, 1d]\n"},
        {"time: {tiers: [5m, 7m]}",
         "c.yaml:2:20: `tiers`: `7m` is not a whole multiple of the tier before it (5m)\n"},
        {"time: {tiers: [5m, 5m]}",
         "c.yaml:2:20: `tiers`: `5m` is not a whole multiple of the tier before it (5m)\n"},
        {"time: {tiers: [5m, x, 1h]}",
         "c.yaml:2:20: `tiers`: `x` is not a duration such as 250ms, 30s, 5m, 24h or 7d\n"},
        {"time: {tiers: [7m]}", "c.yaml:2:15: no default window fits these tiers; give `windows`\n"},
        {"time: {lateness: 2h, horizon: 1h}", "c.yaml:2:31: `horizon` is shorter than `lateness`\n"},
        {"windows: [{length: 1h, slide: 10m}]",
         "c.yaml:2:31: `slide`: 10m is not the length of one of `time.tiers`\n"},
        {"windows: [{length: 7m, slide: 5m}]",
         "c.yaml:2:20: `length` is not a whole multiple of `slide` (5m)\n"},
        {"windows: [{length: 1h, slide: 5m}, {length: 1h, slide: 1h}]",
         "c.yaml:2:45: there is a window of this length already\n"},
        {"windows: []", "c.yaml:2:10: `windows` must not be empty\n"},
        {"windows: [{length: 2000d, slide: 1d}]",
         "c.yaml:1:1: `panes` is shorter than the longest window (2000d)\n"},
        {"store: {retention: {panes: 20d}}",
         "c.yaml:2:28: `panes` is shorter than the longest window (30d)\n"},
        {"store: {merge_interval: 20s}", "c.yaml:2:25: `merge_interval` is longer than `commit_interval`\n"},
        {"shard: {index: 2, count: 2}", "c.yaml:2:16: `index` must be below `count` (2)\n"},
    };
    expect_wrong(cases, ARRAY_LEN(cases));
}

static void test_wrong_inputs(void **state)
{
    (void)state;
    static const struct wrong_case cases[] = {
        {"inputs: [{format: json}]",
         "c.yaml:2:10: an input needs a `topic`, or a `name` when it is only for replay\n"},
        {"inputs: [{topic: t}]", "c.yaml:2:18: topics are read, but `kafka` names no `bootstrap.servers`\n"},
        {"inputs: [{name: n}, {name: n}]", "c.yaml:2:28: the input on line 2 has the name `n` already\n"},
        {"kafka: {bootstrap.servers: h}\ninputs: [{topic: t}, {topic: t, name: u}]",
         "c.yaml:3:30: the topic `t` is read already, by the input on line 3\n"},
        {"kafka: {bootstrap.servers: h}\ninputs: [{topic: t, dead_letter: t}]",
         "c.yaml:3:34: `dead_letter` is an input itself: a rejected event would go round for ever\n"},
        {"inputs: [{name: n, kind: lable}]", "c.yaml:2:26: `kind`: `lable` is none of prediction, label, "
                                             "features, kpi; did you mean `label`?\n"},
        {"inputs: [{name: n, select: {pointer: x, equals: y}}]",
         "c.yaml:2:38: `pointer`: `x` is not a JSON Pointer such as /a/b (RFC 6901)\n"},
        {"inputs: [{name: n, csv_delimiter: ';;'}]",
         "c.yaml:2:35: `csv_delimiter` must be one ASCII character other than a quote or a line end\n"},
        {"inputs: [{name: n, fields: {id: request_id}}]",
         "c.yaml:2:33: `id`: `request_id` does not say where to look; use /json/pointer, header:NAME, key:, "
         "meta:timestamp, meta:topic, meta:partition, meta:offset or {const: X}\n"},
        {"inputs: [{name: n, fields: {id: /a~2}}]",
         "c.yaml:2:33: `id`: `/a~2` does not say where to look; use /json/pointer, header:NAME, key:, "
         "meta:timestamp, meta:topic, meta:partition, meta:offset or {const: X}\n"},
        {"inputs: [{name: n, fields: {id: [/a, /b, /c, /d, /e]}}]",
         "c.yaml:2:33: `id` needs 1 to 4 places to look, tried in their order\n"},
        {"inputs: [{name: n, time_unit: s, fields: {time: {from: /t, unit: ms}}}]",
         "c.yaml:2:66: the unit of the time is given twice, here and as `time_unit`\n"},
        {"inputs: [{name: n, fields: {time: {from: /t, units: ms}}}]",
         "c.yaml:2:53: unknown key `units`; a time is {from: PLACE, unit: UNIT}\n"},
        {"inputs: [{name: n, fields: {features: {object: /f, exlude: [raw_*]}}}]",
         "c.yaml:2:52: unknown key `exlude`; did you mean `exclude`?\n"},
        {"inputs: [{name: n, fields: {features: [a]}}]",
         "c.yaml:2:39: `features` must be a JSON Pointer or a mapping, not a list\n"},
        {"inputs: [{name: n, fields: {features: f}}]",
         "c.yaml:2:39: `features`: `f` is not a JSON Pointer such as /a/b (RFC 6901)\n"},
        {"inputs: [{name: n, fields: {features: {x: /a, named: {x: /b}}}}]",
         "c.yaml:2:43: `x` is given twice in `features`\n"},
    };
    expect_wrong(cases, ARRAY_LEN(cases));
}

static void test_wrong_kafka(void **state)
{
    (void)state;
    static const struct wrong_case cases[] = {
        {"kafka: [a]", "c.yaml:2:8: `kafka` must be a mapping of at most 256 names to values\n"},
        {"kafka: {a: [b]}", "c.yaml:2:12: `a` must be a single value, not a list\n"},
        {"inputs: [{topic: t}]\n"
         "kafka:\n"
         "  bootstrap.servers: h\n"
         "  log.queue: true\n"
         "  enable.auto.commit: true\n",
         "c.yaml:5:14: kafka.log.queue cannot be set: driftd writes the library's log itself\n"
         "c.yaml:6:23: kafka.enable.auto.commit cannot be set: driftd commits to the group what its store "
         "holds, and nothing before\n"},
    };
    expect_wrong(cases, ARRAY_LEN(cases));
    /* Without a topic nothing of it is used: `driftd replay` must not fail for a broker's sake. */
    config_free(parse_good("api_version: 1\ninputs: [{name: n}]\nkafka: {socket.timeout.mss: 5}\n"));
}

static void test_wrong_models(void **state)
{
    (void)state;
    static const struct wrong_case cases[] = {
        {"models: [{name: a}, {name: a}]", "c.yaml:2:28: the model `a` is listed twice\n"},
        {"models: [{name: fraud_*}]",
         "c.yaml:2:17: `name` is a model's exact name, or `*` alone for all that are not listed\n"},
        {"models: [{name: a, reference: {}}]", "c.yaml:2:31: `reference` must be one of {file: PATH}, {name: "
                                               "NAME}, {capture: {...}} or none\n"},
        {"models: [{name: a, reference: no}]", "c.yaml:2:31: `reference` must be one of {file: PATH}, {name: "
                                               "NAME}, {capture: {...}} or none\n"},
        {"models: [{name: a, reference: {file: none.json}}]",
         "c.yaml:2:38: `file`: cannot read none.json: No such file or directory\n"},
        {"models: [{name: a, reference: {file: .}}]", "c.yaml:2:38: `file`: . is not a file\n"},
        {"models: [{name: a, versions: [{version: 1, reference: none}, {version: 1, reference: none}]}]",
         "c.yaml:2:62: the version `1` is listed twice\n"},
        {"models: [{name: a, types: {categorical: [x], numeric: [x]}}]",
         "c.yaml:2:27: the feature `x` is both categorical and numeric\n"},
    };
    expect_wrong(cases, ARRAY_LEN(cases));
}

static void test_wrong_rules_and_sinks(void **state)
{
    (void)state;
    static const struct wrong_case cases[] = {
        {"rules: [{name: r, metric: helinger, warning: 1}]",
         "c.yaml:2:27: there is no metric `helinger`; did you mean `hellinger`?\n"},
        {"rules: [{name: r, metric: nonsense, warning: 1}]", "c.yaml:2:27: there is no metric `nonsense`\n"},
        {"rules: [{name: r, metric: js, warning: 1, max_p: 0.1}]",
         "c.yaml:2:50: `max_p`: the metric `js` has no p-value\n"},
        {"rules: [{name: r, metric: psi}]", "c.yaml:2:9: a rule needs `warning`, `critical` or both\n"},
        {"rules: [{name: r, metric: psi, warning: abc}]", "c.yaml:2:41: `warning`: `abc` is not a number\n"},
        {"rules: [{name: r, metric: psi, warning: nan}]", "c.yaml:2:41: `warning`: `nan` is not a number\n"},
        {"rules: [{name: r, metric: psi, warning: 0x1}]", "c.yaml:2:41: `warning`: `0x1` is not a number\n"},
        {"rules: [{name: r, metric: psi, warning: 1e999}]",
         "c.yaml:2:41: `warning`: `1e999` is not a number\n"},
        {"rules: [{name: r, metric: psi, warning: 0.3, critical: 0.2}]",
         "c.yaml:2:56: `critical` is below `warning`; a rule on small values needs `below: true`\n"},
        {"rules: [{name: r, metric: psi, below: true, warning: 0.2, critical: 0.3}]",
         "c.yaml:2:69: `critical` is above `warning`, but the rule fires below its threshold\n"},
        {"rules: [{name: r, metric: psi, warning: 1, window: 2h}]",
         "c.yaml:2:52: `window` is not the length of one of `windows`\n"},
        {"rules: [{name: r, metric: psi, warning: 1, clear_ratio: 2}]",
         "c.yaml:2:57: `clear_ratio`: `2` is outside 0.01 to 1\n"},
        {"rules: [{name: r, metric: psi, warning: 1, sinks: [opps]}]\n"
         "sinks: [{name: ops, url: 'https://h/'}]",
         "c.yaml:2:52: there is no sink `opps`; did you mean `ops`?\n"},
        {"rules: [{name: r, metric: psi, warning: 1}, {name: r, metric: psi, warning: 1}]",
         "c.yaml:2:52: there are two rules `r`\n"},
        {"sinks: [{name: s, url: 'https://h/'}, {name: s, url: 'https://h/'}]",
         "c.yaml:2:46: there are two sinks `s`\n"},
        {"sinks: [{name: s, url: 'http://h/'}]",
         "c.yaml:2:24: `url` is not https; say `allow_http: true` if that is meant\n"},
        {"sinks: [{name: s, url: 'https://u:p@h/hidden'}]",
         "c.yaml:2:24: `url` is not an https:// address with a host and without user name, spaces or "
         "non-ASCII\n"},
        {"sinks: [{name: s, url: 'file:///etc/passwd'}]",
         "c.yaml:2:24: `url` is not an https:// address with a host and without user name, spaces or "
         "non-ASCII\n"},
    };
    expect_wrong(cases, ARRAY_LEN(cases));
}

static void test_everything_at_once(void **state)
{
    (void)state;
    static const struct wrong_case cases[] = {
        {"sinkz: []\n"
         "dedup: maybe\n"
         "time: {lateness: 5, horizn: 1h}\n"
         "limits: {depth: 1}\n"
         "dedup: true",
         "c.yaml:2:1: unknown key `sinkz`; did you mean `sinks`?\n"
         "c.yaml:3:8: `dedup`: `maybe` is neither true nor false\n"
         "c.yaml:4:18: `lateness`: `5` has no unit; write 5ms, 5s, 5m, 5h or 5d\n"
         "c.yaml:4:21: unknown key `horizn`; did you mean `horizon`?\n"
         "c.yaml:5:17: `depth`: `1` is outside 2 to 100\n"
         "c.yaml:6:1: duplicate key `dedup`; it is also on line 3\n"},
    };
    expect_wrong(cases, ARRAY_LEN(cases));
}

static void test_variables(void **state)
{
    (void)state;
    assert_int_equal(setenv("T_CONFIG_NAME", "blue: {x}", 1), 0);
    assert_int_equal(setenv("T_CONFIG_EMPTY", "", 1), 0);
    assert_int_equal(unsetenv("T_CONFIG_NONE"), 0);
    struct config *config = parse_good("api_version: 1\n"
                                       "pipeline: a-${T_CONFIG_NAME}-$$-$x-${T_CONFIG_NONE:-d:-e}\n"
                                       "client_id: \"${T_CONFIG_EMPTY:-other}\"\n"
                                       "dedup: ${T_CONFIG_NONE:-false}\n"
                                       "time: {lateness: \"${T_CONFIG_NONE:-90s}\"}\n");
    assert_string_equal(config->pipeline, "a-blue: {x}-$-$x-d:-e");
    assert_string_equal(config->client_id, "other");
    assert_false(config->dedup);
    assert_int_equal(config->lateness_ms, 90000);
    config_free(config);
    static const struct wrong_case cases[] = {
        {"pipeline: ${T_CONFIG_NONE}",
         "c.yaml:2:11: the environment variable `T_CONFIG_NONE` is not set; set it, "
         "or write ${T_CONFIG_NONE:-default}\n"},
        {"pipeline: '${}'",
         "c.yaml:2:11: a variable is written ${NAME} or ${NAME:-default}; a plain $ before { "
         "is $$\n"},
        {"pipeline: '${A'",
         "c.yaml:2:11: a variable is written ${NAME} or ${NAME:-default}; a plain $ before { "
         "is $$\n"},
        {"pipeline: '${1A}'",
         "c.yaml:2:11: a variable is written ${NAME} or ${NAME:-default}; a plain $ before { "
         "is $$\n"},
        {"pipeline: '${T_CONFIG_EMPTY}'", "c.yaml:2:11: `pipeline` must not be empty\n"},
        /* What the variable holds is not shown: it may be a secret. */
        {"dedup: ${T_CONFIG_NAME}", "c.yaml:2:8: `dedup`: `${T_CONFIG_NAME}` is neither true nor false\n"},
    };
    expect_wrong(cases, ARRAY_LEN(cases));
}

static void test_defaults(void **state)
{
    (void)state;
    struct config *config = NULL;
    assert_int_equal(config_default(&config), 0);
    assert_string_equal(config->pipeline, "driftd");
    assert_string_equal(config->store_path, "driftd.db");
    assert_int_equal(config->commit_interval_ms, 10000);
    assert_int_equal(config->merge_interval_ms, 1000);
    assert_int_equal(config->tier_count, 3);
    assert_int_equal(config->window_count, 3);
    assert_int_equal(config->windows[2].length_ms, INT64_C(30) * 86400000);
    assert_int_equal(config->windows[2].tier, 2);
    assert_int_equal(config->lateness_ms, 60000);
    assert_int_equal(config->horizon_ms, 6 * 3600000);
    assert_true(config->dedup);
    assert_int_equal(config->workers, 1);
    assert_int_equal(config->max_alert_age_ms, 86400000);
    assert_int_equal(config->limits.decode.event_bytes, 65536);
    assert_int_equal(config->limits.open_pane_bytes, 64 << 20);
    assert_int_equal(config->log_level, LOG_INFO);
    assert_int_equal(config->start, START_EARLIEST);
    assert_int_equal(config->shard_count, 1);
    assert_int_equal(config->input_count, 0);
    assert_true(config->accept_unknown_models);
    assert_int_equal(strlen(config->hash), 64);
    const struct model_config *model = config_model(config, text_of("any"));
    assert_ptr_equal(model, &config->model_template);
    assert_int_equal(model->reference.kind, REFERENCE_CAPTURE);
    assert_int_equal(model->reference.capture_ms, 86400000);
    assert_int_equal(model->reference.capture_min_events, 1000);
    assert_int_equal(model->reference.sample, 10000);
    assert_int_equal(model->options.n_min, 200);
    assert_null(model->segments);
    config_free(config);
    config_free(NULL);
}

static void test_a_whole_configuration(void **state)
{
    (void)state;
    struct config *config = parse_good(
        "api_version: 1\n"
        "kafka: {bootstrap.servers: 'h:1', socket.timeout.ms: 5000}\n"
        "start: 2026-03-01T00:00:00Z\n"
        "on_offset_gap: latest\n"
        "workers: auto\n"
        "max_alert_age: never\n"
        "time: {tiers: [1m, 1h], lateness: 0}\n"
        "inputs:\n"
        "  - topic: p\n"
        "    kind: prediction\n"
        "    select: {pointer: /type, equals: score}\n"
        "    fields:\n"
        "      id: 'header:x-id'\n"
        "      time: {from: [/ts, 'meta:timestamp'], unit: us}\n"
        "      version: [/v, {const: 0}]\n"
        "      features: {object: /f, include: [a*, b], exclude: [ab], named: {object: /o}, extra: /x}\n"
        "      segments: /s\n"
        "windows: [{length: 10m, slide: 1m}, {length: 5h, slide: 1h}]\n"
        "models:\n"
        "  - {name: '*', minimum_n: 50, reference: none}\n"
        "  - name: credit\n"
        "    reference: {capture: {minimum_events: 7}}\n"
        "    versions: [{version: 1.10, reference: {name: credit-1}}]\n"
        "    types: {categorical: [zip]}\n"
        "rules:\n"
        "  - {name: r, metric: psi, warning: .1, window: 5h, for: 2h, sinks: []}\n"
        "sinks:\n"
        "  - {name: s, url: 'http://h/x', allow_http: true, headers: {X-Team: risk}, secrets: "
        "[whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz]}\n");
    assert_int_equal(config->kafka_count, 2);
    assert_string_equal(config->kafka[1].value, "5000");
    assert_int_equal(config->start, START_TIMESTAMP);
    assert_int_equal(config->start_ms, INT64_C(1772323200000));
    assert_int_equal(config->on_offset_gap, OFFSET_GAP_LATEST);
    assert_int_equal(config->workers, 0);
    assert_true(config->max_alert_age_ms == INT64_MAX);
    assert_int_equal(config->lateness_ms, 0);
    assert_int_equal(config->windows[1].tier, 1);

    const struct input_config *input = &config->inputs[0];
    assert_string_equal(input->name, "p");
    assert_int_equal(input->line, 9);
    const struct mapping_spec *mapping = &input->mapping;
    assert_true(mapping->has_kind && mapping->kind == EVENT_PREDICTION);
    assert_string_equal(mapping->select.equals, "score");
    assert_int_equal(mapping->id.accessors[0].type, ACCESS_HEADER);
    assert_string_equal(mapping->id.accessors[0].argument, "x-id");
    assert_int_equal(mapping->time.count, 2);
    assert_int_equal(mapping->time.accessors[1].type, ACCESS_META);
    assert_int_equal(mapping->time_unit, TIME_US);
    assert_int_equal(mapping->version.accessors[1].type, ACCESS_CONST);
    assert_string_equal(mapping->version.accessors[1].argument, "0");
    assert_int_equal(mapping->model.count, 0);
    assert_true(mapping->features.set);
    assert_string_equal(mapping->features.include[1], "b");
    assert_null(mapping->features.include[2]);
    assert_int_equal(mapping->features.named_count, 2);
    assert_string_equal(mapping->features.names[0], "object");
    assert_string_equal(mapping->segments.object, "/s");
    assert_false(mapping->groups.set);

    const struct model_config *credit = config_model(config, text_of("credit"));
    assert_string_equal(credit->name, "credit");
    assert_int_equal(credit->options.n_min, 200);
    assert_int_equal(credit->reference.capture_min_events, 7);
    assert_string_equal(credit->categorical[0], "zip");
    const struct reference_config *reference = config_reference(credit, text_of("1.10"));
    assert_int_equal(reference->kind, REFERENCE_NAME);
    assert_string_equal(reference->name, "credit-1");
    assert_ptr_equal(config_reference(credit, text_of("2")), &credit->reference);
    assert_int_equal(config_model(config, text_of("other"))->options.n_min, 50);
    assert_int_equal(config_model(config, text_of("other"))->reference.kind, REFERENCE_NONE);

    const struct rule_spec *rule = &config->rules[0];
    assert_true(rule->warning == 0.1 && isnan(rule->critical) && isnan(rule->max_p));
    assert_int_equal(rule->for_ms, 7200000);
    assert_string_equal(rule->model, "*");
    assert_string_equal(rule->segment, "");
    assert_non_null(rule->sinks);
    assert_null(rule->sinks[0]);
    const struct sink_spec *sink = &config->sinks[0];
    assert_string_equal(sink->headers[0], "X-Team: risk");
    assert_null(sink->headers[1]);
    assert_string_equal(sink->secrets[0], "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz");
    assert_int_equal(sink->ttl_ms, 86400000);
    config_free(config);
}

/* Default windows that the tiers cannot serve are left out. */
static void test_windows_follow_the_tiers(void **state)
{
    (void)state;
    struct config *config = parse_good("api_version: 1\ntime: {tiers: [10m, 1h]}\n");
    assert_int_equal(config->window_count, 1);
    assert_int_equal(config->windows[0].length_ms, 86400000);
    assert_int_equal(config->windows[0].tier, 1);
    config_free(config);
}

static void hash_of(const char *text, char out[65])
{
    struct config *config = parse_good(text);
    memcpy(out, config->hash, 65);
    config_free(config);
}

static void test_the_hash(void **state)
{
    (void)state;
    char base[65], same[65], other[65];
    hash_of("api_version: 1\n", base);
    hash_of("# comment\ntime: {lateness: 1m}\napi_version: '1'\n", same);
    assert_string_equal(base, same);
    hash_of("api_version: 1\ntime: {lateness: 61s}\n", other);
    assert_string_not_equal(base, other);
    /* Secrets do not count, properties do. */
    hash_of("api_version: 1\nkafka: {sasl.password: a, client.rack: x}\n", base);
    hash_of("api_version: 1\nkafka: {sasl.password: b, client.rack: x}\n", same);
    assert_string_equal(base, same);
    hash_of("api_version: 1\nkafka: {sasl.password: b, client.rack: y}\n", other);
    assert_string_not_equal(base, other);
    hash_of("api_version: 1\nsinks: [{name: s, url: 'https://h/a', headers: {A: b}}]\n", base);
    hash_of("api_version: 1\nsinks: [{name: s, url: 'https://h/b', headers: {A: c}}]\n", same);
    assert_string_equal(base, same);
    hash_of("api_version: 1\nsinks: [{name: s, url: 'https://i/a', headers: {A: b}}]\n", other);
    assert_string_not_equal(base, other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wrong_values),
        cmocka_unit_test(test_wrong_keys),
        cmocka_unit_test(test_wrong_documents),
        cmocka_unit_test(test_wrong_time),
        cmocka_unit_test(test_wrong_inputs),
        cmocka_unit_test(test_wrong_kafka),
        cmocka_unit_test(test_wrong_models),
        cmocka_unit_test(test_wrong_rules_and_sinks),
        cmocka_unit_test(test_everything_at_once),
        cmocka_unit_test(test_variables),
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_a_whole_configuration),
        cmocka_unit_test(test_windows_follow_the_tiers),
        cmocka_unit_test(test_the_hash),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
