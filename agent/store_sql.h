#ifndef DRIFTD_AGENT_STORE_SQL_H
#define DRIFTD_AGENT_STORE_SQL_H
/* SQL has lines of its own. */
/* clang-format off */
/*
 * All SQL text of the store, and nothing else. Tables are private and change with user_version; the views
 * v1_* are the contract with everybody outside (agent/README.md) and are made anew whenever their text
 * changes. Values are always bound, never printed into SQL.
 *
 * Times are integer milliseconds UTC in tables, seconds and ISO 8601 text in views. NULL means "not defined".
 */

/* One column per slot of a report row (detectors/report.h); NULL is an undefined metric. */
#define SLOT_NAMES \
    "s00, s01, s02, s03, s04, s05, s06, s07, s08, s09, s10, s11, s12, s13, s14, s15, s16, s17" \
    ", s18, s19, s20, s21, s22, s23, s24, s25, s26, s27, s28, s29, s30, s31, s32, s33, s34, s35" \
    ", s36, s37, s38, s39"
#define SLOT_DEFINITIONS \
    "s00 REAL, s01 REAL, s02 REAL, s03 REAL, s04 REAL, s05 REAL, s06 REAL, s07 REAL, s08 REAL" \
    ", s09 REAL, s10 REAL, s11 REAL, s12 REAL, s13 REAL, s14 REAL, s15 REAL, s16 REAL, s17 REAL" \
    ", s18 REAL, s19 REAL, s20 REAL, s21 REAL, s22 REAL, s23 REAL, s24 REAL, s25 REAL, s26 REAL" \
    ", s27 REAL, s28 REAL, s29 REAL, s30 REAL, s31 REAL, s32 REAL, s33 REAL, s34 REAL, s35 REAL" \
    ", s36 REAL, s37 REAL, s38 REAL, s39 REAL"
#define SLOT_PARAMETERS \
    "?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23, ?24, ?25, ?26, ?27, ?28, ?29, ?30, ?31" \
    ", ?32, ?33, ?34, ?35, ?36, ?37, ?38, ?39, ?40, ?41, ?42, ?43, ?44, ?45, ?46, ?47, ?48, ?49" \
    ", ?50, ?51, ?52, ?53"
#define SLOT_UPDATES \
    "s00=excluded.s00, s01=excluded.s01, s02=excluded.s02, s03=excluded.s03, s04=excluded.s04" \
    ", s05=excluded.s05, s06=excluded.s06, s07=excluded.s07, s08=excluded.s08, s09=excluded.s09" \
    ", s10=excluded.s10, s11=excluded.s11, s12=excluded.s12, s13=excluded.s13, s14=excluded.s14" \
    ", s15=excluded.s15, s16=excluded.s16, s17=excluded.s17, s18=excluded.s18, s19=excluded.s19" \
    ", s20=excluded.s20, s21=excluded.s21, s22=excluded.s22, s23=excluded.s23, s24=excluded.s24" \
    ", s25=excluded.s25, s26=excluded.s26, s27=excluded.s27, s28=excluded.s28, s29=excluded.s29" \
    ", s30=excluded.s30, s31=excluded.s31, s32=excluded.s32, s33=excluded.s33, s34=excluded.s34" \
    ", s35=excluded.s35, s36=excluded.s36, s37=excluded.s37, s38=excluded.s38, s39=excluded.s39"
#define SLOT_RESULT \
    "result.s00, result.s01, result.s02, result.s03, result.s04, result.s05" \
    ", result.s06, result.s07, result.s08, result.s09, result.s10, result.s11" \
    ", result.s12, result.s13, result.s14, result.s15, result.s16, result.s17" \
    ", result.s18, result.s19, result.s20, result.s21, result.s22, result.s23" \
    ", result.s24, result.s25, result.s26, result.s27, result.s28, result.s29" \
    ", result.s30, result.s31, result.s32, result.s33, result.s34, result.s35" \
    ", result.s36, result.s37, result.s38, result.s39"
#define SLOT_EXCLUDED \
    "excluded.s00, excluded.s01, excluded.s02, excluded.s03, excluded.s04, excluded.s05" \
    ", excluded.s06, excluded.s07, excluded.s08, excluded.s09, excluded.s10, excluded.s11" \
    ", excluded.s12, excluded.s13, excluded.s14, excluded.s15, excluded.s16, excluded.s17" \
    ", excluded.s18, excluded.s19, excluded.s20, excluded.s21, excluded.s22, excluded.s23" \
    ", excluded.s24, excluded.s25, excluded.s26, excluded.s27, excluded.s28, excluded.s29" \
    ", excluded.s30, excluded.s31, excluded.s32, excluded.s33, excluded.s34, excluded.s35" \
    ", excluded.s36, excluded.s37, excluded.s38, excluded.s39"
/* The slot whose number the SQL expression `slot` gives; in two steps of ten, since CASE is linear. */
#define SLOT_VALUE(slot) \
    "CASE " slot " / 10" \
    " WHEN 0 THEN CASE " slot \
    " WHEN 0 THEN r.s00 WHEN 1 THEN r.s01 WHEN 2 THEN r.s02 WHEN 3 THEN r.s03 WHEN 4 THEN r.s04" \
    " WHEN 5 THEN r.s05 WHEN 6 THEN r.s06 WHEN 7 THEN r.s07 WHEN 8 THEN r.s08 WHEN 9 THEN r.s09 END" \
    " WHEN 1 THEN CASE " slot \
    " WHEN 10 THEN r.s10 WHEN 11 THEN r.s11 WHEN 12 THEN r.s12 WHEN 13 THEN r.s13 WHEN 14 THEN r.s14" \
    " WHEN 15 THEN r.s15 WHEN 16 THEN r.s16 WHEN 17 THEN r.s17 WHEN 18 THEN r.s18 WHEN 19 THEN r.s19 END" \
    " WHEN 2 THEN CASE " slot \
    " WHEN 20 THEN r.s20 WHEN 21 THEN r.s21 WHEN 22 THEN r.s22 WHEN 23 THEN r.s23 WHEN 24 THEN r.s24" \
    " WHEN 25 THEN r.s25 WHEN 26 THEN r.s26 WHEN 27 THEN r.s27 WHEN 28 THEN r.s28 WHEN 29 THEN r.s29 END" \
    " WHEN 3 THEN CASE " slot \
    " WHEN 30 THEN r.s30 WHEN 31 THEN r.s31 WHEN 32 THEN r.s32 WHEN 33 THEN r.s33 WHEN 34 THEN r.s34" \
    " WHEN 35 THEN r.s35 WHEN 36 THEN r.s36 WHEN 37 THEN r.s37 WHEN 38 THEN r.s38 WHEN 39 THEN r.s39 END" \
    " END"

/* ---- schema 1: pieces, to be joined ---- */

#define SQL_SCHEMA_1 \
    "CREATE TABLE meta(" \
    "  key TEXT NOT NULL PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;", \
    "CREATE TABLE series(" \
    "  series INTEGER PRIMARY KEY, model TEXT NOT NULL, version TEXT NOT NULL, segment TEXT NOT NULL," \
    "  UNIQUE(model, version, segment)) STRICT;", \
    "CREATE TABLE subject(" \
    "  subject INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;", \
    "CREATE TABLE grid(" \
    "  grid INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE) STRICT;", \
    "CREATE TABLE reference(" \
    "  reference INTEGER PRIMARY KEY, grid INTEGER NOT NULL, name TEXT NOT NULL, model TEXT NOT NULL," \
    "  version TEXT NOT NULL, source TEXT NOT NULL, hash TEXT NOT NULL, from_ms INTEGER NOT NULL," \
    "  to_ms INTEGER NOT NULL, created_ms INTEGER NOT NULL, effective_from_ms INTEGER NOT NULL," \
    "  rows INTEGER NOT NULL, json TEXT NOT NULL) STRICT;", \
    "CREATE TABLE pane(" \
    "  pane INTEGER PRIMARY KEY, tier INTEGER NOT NULL, start_ms INTEGER NOT NULL, series INTEGER NOT " \
        "NULL," \
    "  family INTEGER NOT NULL, grid INTEGER NOT NULL, part INTEGER NOT NULL, bytes BLOB NOT NULL) " \
        "STRICT;", \
    "CREATE UNIQUE INDEX pane_key ON pane(tier, start_ms, series, family, grid, part);", \
    "CREATE TABLE capture(" \
    "  capture INTEGER PRIMARY KEY, series INTEGER NOT NULL, pane_start_ms INTEGER NOT NULL," \
    "  bytes BLOB NOT NULL, UNIQUE(series, pane_start_ms)) STRICT;", \
    "CREATE TABLE result(" \
    "  result INTEGER PRIMARY KEY, window_end_s INTEGER NOT NULL, window_end_ms INTEGER NOT NULL," \
    "  window_ms INTEGER NOT NULL, series INTEGER NOT NULL, subject INTEGER NOT NULL," \
    "  family INTEGER NOT NULL, revision INTEGER NOT NULL, reference INTEGER NOT NULL, n INTEGER NOT " \
        "NULL," \
    "  reference_n INTEGER NOT NULL, flags INTEGER NOT NULL, closed_wall_ms INTEGER NOT NULL," \
    "  bins BLOB, " SLOT_DEFINITIONS ") STRICT;", \
    "CREATE UNIQUE INDEX result_key" \
    "  ON result(series, window_end_s, window_end_ms, window_ms, subject, family);", \
    "CREATE INDEX result_time ON result(window_end_s);", \
    "CREATE TABLE latest(" \
    "  series INTEGER NOT NULL, family INTEGER NOT NULL, window_ms INTEGER NOT NULL," \
    "  window_end_ms INTEGER NOT NULL, window_end_s INTEGER NOT NULL," \
    "  PRIMARY KEY(series, family, window_ms)) STRICT, WITHOUT ROWID;", \
    "CREATE TABLE partition_offset(" \
    "  topic TEXT NOT NULL, partition INTEGER NOT NULL, fingerprint INTEGER NOT NULL," \
    "  next_offset INTEGER NOT NULL, dedup_offset INTEGER NOT NULL, data_clock_ms INTEGER NOT NULL," \
    "  label_clock_ms INTEGER NOT NULL, records INTEGER NOT NULL, log_end INTEGER NOT NULL," \
    "  PRIMARY KEY(topic, partition, fingerprint)) STRICT, WITHOUT ROWID;", \
    "CREATE TABLE event_count(" \
    "  topic TEXT NOT NULL, fate TEXT NOT NULL, reason TEXT NOT NULL, total INTEGER NOT NULL," \
    "  PRIMARY KEY(topic, fate, reason)) STRICT, WITHOUT ROWID;", \
    "CREATE TABLE alert(" \
    "  key TEXT NOT NULL PRIMARY KEY, rule TEXT NOT NULL, metric TEXT NOT NULL, model TEXT NOT NULL," \
    "  version TEXT NOT NULL, segment TEXT NOT NULL, feature TEXT NOT NULL, window_ms INTEGER NOT NULL," \
    "  state INTEGER NOT NULL, severity INTEGER NOT NULL, since_ms INTEGER, fired_ms INTEGER," \
    "  resolved_ms INTEGER, last_window_end_ms INTEGER, clear_run INTEGER NOT NULL, value REAL," \
    "  threshold REAL, peak_value REAL, peak_ms INTEGER) STRICT, WITHOUT ROWID;", \
    "CREATE INDEX alert_open ON alert(model, since_ms) WHERE state IN (1, 2);", \
    "CREATE TABLE alert_event(" \
    "  event INTEGER PRIMARY KEY, key TEXT NOT NULL, from_state INTEGER NOT NULL," \
    "  to_state INTEGER NOT NULL, severity INTEGER NOT NULL, window_end_ms INTEGER NOT NULL," \
    "  value REAL, threshold REAL) STRICT;", \
    "CREATE INDEX alert_event_key ON alert_event(key, window_end_ms);", \
    "CREATE INDEX alert_event_time ON alert_event(window_end_ms);", \
    "CREATE TABLE outbox(" \
    "  item INTEGER PRIMARY KEY, id TEXT NOT NULL, sink TEXT NOT NULL, kind TEXT NOT NULL," \
    "  entity_key TEXT NOT NULL, body TEXT NOT NULL, window_end_ms INTEGER NOT NULL," \
    "  created_ms INTEGER NOT NULL, state INTEGER NOT NULL, next_ms INTEGER NOT NULL," \
    "  attempts INTEGER NOT NULL, status INTEGER NOT NULL, error TEXT, UNIQUE(id, sink)) STRICT;", \
    "CREATE INDEX outbox_pending ON outbox(item) WHERE state = 0;", \
    "CREATE INDEX outbox_done ON outbox(created_ms) WHERE state IN (1, 3);", \
    "CREATE TABLE audit(" \
    "  seq INTEGER PRIMARY KEY, ts_ms INTEGER NOT NULL, actor TEXT NOT NULL, action TEXT NOT NULL," \
    "  subject TEXT NOT NULL, details TEXT NOT NULL, prev_hash BLOB NOT NULL, hash BLOB NOT NULL) " \
        "STRICT;", \
    "CREATE TRIGGER audit_no_update BEFORE UPDATE ON audit" \
    "  BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;", \
    "CREATE TRIGGER audit_no_delete BEFORE DELETE ON audit" \
    "  BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;", /* Filled from metric_table at \
                                                                              * open. \
                                                                              */ \
    "CREATE TABLE metric(" \
    "  name TEXT NOT NULL, family INTEGER NOT NULL, monitor TEXT NOT NULL, kinds INTEGER NOT NULL," \
    "  slot INTEGER NOT NULL, p_slot INTEGER NOT NULL, floor_slot INTEGER NOT NULL," \
    "  floor_scale REAL NOT NULL, low_slot INTEGER NOT NULL, high_slot INTEGER NOT NULL," \
    "  has_minimum_n INTEGER NOT NULL, warning REAL, critical REAL, summary TEXT NOT NULL," \
    "  PRIMARY KEY(name, family)) STRICT, WITHOUT ROWID;", \
    "CREATE TABLE bin_number(bin INTEGER PRIMARY KEY) STRICT;", \
        "INSERT INTO bin_number WITH RECURSIVE b(bin) AS" \
    "  (SELECT 0 UNION ALL SELECT bin + 1 FROM b WHERE bin < 31) SELECT bin FROM b;"

/* ---- schema 2: labels wait, metrics name their methods, histograms have more than 32 bins ---- */

#define SQL_SCHEMA_2 \
    "CREATE TABLE waiting(" \
    "  waiting INTEGER PRIMARY KEY, expire_ms INTEGER NOT NULL, bytes BLOB NOT NULL) STRICT;", \
    "CREATE INDEX waiting_expire ON waiting(expire_ms);", \
    "ALTER TABLE metric ADD COLUMN method TEXT;", \
    "INSERT INTO bin_number WITH RECURSIVE b(bin) AS" \
    "  (SELECT 32 UNION ALL SELECT bin + 1 FROM b WHERE bin < 255) SELECT bin FROM b;"

/* ---- the views: version 1 of the contract; pieces, to be joined ---- */

#define SQL_PIPELINE     "(SELECT value FROM meta WHERE key = 'pipeline') AS pipeline"
#define SQL_ISO(seconds) "strftime('%Y-%m-%dT%H:%M:%SZ', " seconds ", 'unixepoch')"
/* INT64_MIN and INT64_MAX stand for "never" and "finished" in clocks. */
#define SQL_CLOCK(column) \
    "CASE WHEN " column " NOT IN (-9223372036854775807 - 1, 9223372036854775807) THEN " column " END"
#define SQL_SEVERITY(column) "CASE " column " WHEN 0 THEN 'warning' WHEN 1 THEN 'critical' END"
#define SQL_ALERT_STATE(column) \
    "CASE " column " WHEN 0 THEN 'ok' WHEN 1 THEN 'pending' WHEN 2 THEN 'firing' WHEN 3 THEN 'resolved' END"

/* CROSS JOIN: metrics after rows, or SQLite builds an index of all rows for each metric.
 * Inner part: one row per (result row, metric). The outer one names and judges: by the bands of METHODS §15,
 * raised to the noise floor; a metric that has a p-value and no floor needs p < 0.001 as well. */
#define SQL_RESULT_VIEW(name, source) \
    "CREATE VIEW " name " AS SELECT pipeline, model, version, monitor, metric, feature, segment," \
    "  window_start_ms / 1000 AS window_start_s, window_end_s, n, value," \
    "  CASE WHEN warning IS NOT NULL THEN max(warning, coalesce(noise_floor, warning)) END AS threshold," \
    "  p_value, ci_low, ci_high," \
    "  CASE WHEN revision = 0 OR short_of_events OR value IS NULL OR coalesce(warning, critical) IS NULL THEN" \
    "    NULL" \
    "    WHEN needs_p AND coalesce(p_value, 1) >= 0.001 THEN 'ok'" \
    "    WHEN value >= max(critical, coalesce(noise_floor, critical)) THEN 'critical'" \
    "    WHEN value >= max(warning, coalesce(noise_floor, warning)) THEN 'warning' ELSE 'ok' END AS state," \
    "  revision, incomplete," \
    "  CASE WHEN revision = 0 THEN 'provisional' WHEN short_of_events THEN 'insufficient'" \
    "    WHEN value IS NULL THEN 'undefined' ELSE 'ok' END" \
    "    AS status," \
    "  noise_floor, warning AS warning_band, critical AS critical_band, reference, reference_hash," \
    "  reference_n, capped, grid_mismatch, window_ms / 1000 AS window_s, window_start_ms, window_end_ms," \
    "  " SQL_ISO("window_start_ms / 1000") " AS window_start," \
    "  " SQL_ISO("window_end_s") " AS window_end, closed_wall_ms / 1000 AS closed_s, method" \
    " FROM (SELECT " SQL_PIPELINE ", s.model, s.version, s.segment, f.name AS feature, m.monitor," \
    "  m.name AS metric, m.method, m.warning, m.critical, r.n, r.revision, r.window_end_s, r.window_end_ms," \
    "  r.window_ms, r.window_end_ms - r.window_ms AS window_start_ms, r.closed_wall_ms, r.reference_n, (", \
    SLOT_VALUE("m.slot"), ") AS value, (", SLOT_VALUE("m.p_slot"), ") AS p_value, (", \
    SLOT_VALUE("m.low_slot"), ") AS ci_low, (", SLOT_VALUE("m.high_slot"), ") AS ci_high, (", \
    SLOT_VALUE("m.floor_slot"), ") * m.floor_scale AS noise_floor," \
    "  m.p_slot >= 0 AND m.floor_slot < 0 AS needs_p, m.has_minimum_n AND r.flags & 1 AS short_of_events," \
    "  r.flags >> 1 & 1 AS incomplete, r.flags >> 2 & 1 AS capped, r.flags >> 3 & 1 AS grid_mismatch," \
    "  b.name AS reference, b.hash AS reference_hash" \
    " FROM " source \
    "  JOIN series s ON s.series = r.series" \
    "  JOIN subject f ON f.subject = r.subject" \
    "  CROSS JOIN metric m ON m.family = r.family AND m.kinds >> (r.flags >> 4 & 1) & 1" \
    "  LEFT JOIN reference b ON b.reference = r.reference);"

#define SQL_HEX_DIGIT(position) \
    "(instr('0123456789ABCDEF', substr(hex(r.bins), 4 * b.bin + " position ", 1)) - 1)"
#define SQL_BIN_SHARE \
    "(" SQL_HEX_DIGIT("1") " * 4096 + " SQL_HEX_DIGIT("2") " * 256 + " SQL_HEX_DIGIT("3") " * 16 + " \
    SQL_HEX_DIGIT("4") ") / 65535.0"

/* Rows of quality have names beside their numbers: {"top":[[name,count],…],"unseen":[…]}, where others have
 * bins. The families are found by their metrics: their numbers are nobody's business here. */
/* json_extract is no function that SQLite lets a view call when it does not trust the file. */
#define SQL_JSON_AT(place) "(SELECT value FROM json_each(e.value, '$[" place "]'))"
#define SQL_NAMES_VIEW(name, expression, list) \
    "CREATE VIEW " name " AS SELECT " SQL_PIPELINE ", s.model, s.version, f.name AS feature, s.segment," \
    "  (r.window_end_ms - r.window_ms) / 1000 AS window_start_s, r.window_end_s, e.key + 1 AS rank," \
    "  " SQL_JSON_AT("0") " AS name, " expression ", r.n, r.revision," \
    "  r.window_ms / 1000 AS window_s, r.window_end_ms, " SQL_ISO("r.window_end_s") " AS window_end" \
    " FROM result r JOIN series s ON s.series = r.series JOIN subject f ON f.subject = r.subject" \
    "  CROSS JOIN json_each(CAST(r.bins AS TEXT), '$." list "') e" \
    " WHERE r.bins IS NOT NULL AND r.family IN" \
    "  (SELECT family FROM metric WHERE name IN ('mode_share', 'unknown_fields'));"
/* Of a value `labels:MODEL` of meta: numbers of 20 digits each (engine_outcomes_models.c). */
#define SQL_LABELS(place) "CAST(substr(value, 1 + 20 * " place ", 20) AS INTEGER)"

#define SQL_VIEWS \
    SQL_RESULT_VIEW("v1_results", "result r"), \
    /* CROSS JOIN: the few rows of `latest` come first. */ \
    SQL_RESULT_VIEW("v1_latest", \
                    "latest l CROSS JOIN result r ON r.series = l.series AND r.window_end_s = l.window_end_s" \
                    " AND r.window_end_ms = l.window_end_ms AND r.window_ms = l.window_ms" \
                    " AND r.family = l.family"), \
    "CREATE VIEW v1_bins AS SELECT " SQL_PIPELINE ", s.model, s.version, f.name AS feature, s.segment," \
    "  (r.window_end_ms - r.window_ms) / 1000 AS window_start_s, r.window_end_s, b.bin," \
    "  CASE length(r.bins) / 2 - b.bin WHEN 1 THEN 'invalid' WHEN 2 THEN 'missing' ELSE 'bin' END AS kind," \
    "  " SQL_BIN_SHARE " AS share, r.n, r.revision, r.window_ms / 1000 AS window_s, r.window_end_ms," \
    "  (SELECT hash FROM reference WHERE reference = r.reference) AS reference_hash" \
    " FROM result r JOIN series s ON s.series = r.series JOIN subject f ON f.subject = r.subject" \
    "  JOIN bin_number b ON b.bin < length(r.bins) / 2 WHERE r.family = 0;", \
    SQL_NAMES_VIEW("v1_categories", \
                   "CAST(" SQL_JSON_AT("1") " AS REAL) / r.n AS share", "top"), \
    SQL_NAMES_VIEW("v1_unseen", SQL_JSON_AT("1") " AS count", "unseen"), \
    /* What change detectors said; the input is what stands before the last colon of the subject. */ \
    "CREATE VIEW v1_detections AS SELECT " SQL_PIPELINE ", s.model, s.version, s.segment," \
    "  substr(f.name, 1, length(f.name) - length(method) - 1) AS input, method," \
    "  CASE r.s00 WHEN 2 THEN 'drift' WHEN 1 THEN 'warning' ELSE 'ok' END AS state, r.s02 AS statistic," \
    "  CAST(r.s03 AS INTEGER) AS value_index, CAST(r.s04 AS INTEGER) AS since_restart," \
    "  CAST(r.s05 AS INTEGER) AS drifts, r.s01 AS value, r.n, (r.window_end_ms - r.window_ms) / 1000 AS" \
    "  window_start_s, r.window_end_s, r.window_end_ms, " SQL_ISO("r.window_end_s") " AS window_end" \
    " FROM result r JOIN series s ON s.series = r.series JOIN" \
    "  (SELECT subject, name, replace(name, rtrim(name, replace(name, ':', '')), '') AS method FROM subject) f" \
    "  ON f.subject = r.subject" \
    " WHERE r.family = (SELECT family FROM metric WHERE name = 'detector_state') AND r.s00 >= 1" \
    " UNION ALL SELECT " SQL_PIPELINE ", s.model, s.version, s.segment, f.name," \
    "  CASE m.name WHEN 'evidence_state' THEN 'evidence' ELSE 'evidence_fixed' END," \
    "  CASE WHEN r.s00 >= 2 THEN 'drift' ELSE 'notice' END, r.s02, NULL, NULL, CAST(r.s06 AS INTEGER), r.s09," \
    "  r.n, (r.window_end_ms - r.window_ms) / 1000, r.window_end_s, r.window_end_ms, " SQL_ISO("r.window_end_s") \
    " FROM result r JOIN series s ON s.series = r.series JOIN subject f ON f.subject = r.subject" \
    "  JOIN metric m ON m.family = r.family AND m.name IN ('evidence_state', 'evidence_fixed_state')" \
    " WHERE r.s01 = 1;", \
    "CREATE VIEW v1_alerts AS SELECT " SQL_PIPELINE ", key, rule, metric, model, version, segment, feature," \
    "  window_ms / 1000 AS window_s, " SQL_ALERT_STATE("state") " AS state," \
    "  " SQL_SEVERITY("severity") " AS severity, state IN (1, 2) AS open, since_ms / 1000 AS since_s," \
    "  fired_ms / 1000 AS fired_s, resolved_ms / 1000 AS resolved_s," \
    "  last_window_end_ms / 1000 AS last_window_end_s, value, threshold, peak_value," \
    "  peak_ms / 1000 AS peak_s, " SQL_ISO("since_ms / 1000") " AS since," \
    "  " SQL_ISO("fired_ms / 1000") " AS fired, " SQL_ISO("resolved_ms / 1000") " AS resolved" \
    " FROM alert WHERE state <> 0;", \
    "CREATE VIEW v1_alert_events AS SELECT " SQL_PIPELINE ", e.event AS seq, e.key, a.rule, a.metric," \
    "  a.model, a.version, a.segment, a.feature, a.window_ms / 1000 AS window_s," \
    "  " SQL_ALERT_STATE("e.from_state") " AS from_state, " SQL_ALERT_STATE("e.to_state") " AS to_state," \
    "  " SQL_SEVERITY("e.severity") " AS severity, e.window_end_ms / 1000 AS window_end_s, e.value," \
    "  e.threshold, " SQL_ISO("e.window_end_ms / 1000") " AS window_end" \
    " FROM alert_event e LEFT JOIN alert a ON a.key = e.key;", \
    "CREATE VIEW v1_pipelines AS SELECT " SQL_PIPELINE "," \
    "  (SELECT value FROM meta WHERE key = 'config_hash') AS config_hash," \
    "  (SELECT value FROM meta WHERE key = 'app_version') AS app_version," \
    "  (SELECT CAST(value AS INTEGER) / 1000 FROM meta WHERE key = 'created_ms') AS created_s," \
    "  (SELECT CAST(value AS INTEGER) / 1000 FROM meta WHERE key = 'committed_ms') AS committed_s," \
    "  (SELECT count(DISTINCT model) FROM series) AS models," \
    "  (SELECT max(window_end_s) FROM latest) AS last_window_end_s," \
    "  (SELECT count(*) FROM alert WHERE state IN (1, 2)) AS open_alerts," \
    "  (SELECT count(*) FROM outbox WHERE state = 0) AS pending_deliveries;", \
    "CREATE VIEW v1_lag AS SELECT " SQL_PIPELINE ", topic, partition, next_offset, log_end," \
    "  CASE WHEN log_end > next_offset THEN log_end - next_offset WHEN log_end >= 0 THEN 0 END AS lag, records," \
    "  data_clock_ms / 1000 AS data_clock_s, label_clock_ms / 1000 AS label_clock_s, finished," \
    "  committed_ms / 1000 AS committed_s, (committed_ms - data_clock_ms) / 1000 AS behind_s," \
    "  " SQL_ISO("data_clock_ms / 1000") " AS data_clock," \
    "  " SQL_ISO("label_clock_ms / 1000") " AS label_clock" \
    " FROM (SELECT topic, partition, next_offset, records, CASE WHEN log_end >= 0 THEN log_end END AS log_end," \
    "  " SQL_CLOCK("data_clock_ms") " AS data_clock_ms," \
    "  " SQL_CLOCK("label_clock_ms") " AS label_clock_ms," \
    "  data_clock_ms = 9223372036854775807 AS finished," \
    "  (SELECT CAST(value AS INTEGER) FROM meta WHERE key = 'committed_ms') AS committed_ms" \
    "  FROM partition_offset);", \
    "CREATE VIEW v1_reliability AS SELECT pipeline, model, version, segment," \
    "  CAST(substr(feature, 5) AS REAL) AS bin, window_s, window_end_s, max(n) AS n," \
    "  max(CASE metric WHEN 'reliability_score' THEN value END) AS score," \
    "  max(CASE metric WHEN 'reliability_observed' THEN value END) AS observed," \
    "  max(CASE metric WHEN 'reliability_observed' THEN ci_low END) AS bar_low," \
    "  max(CASE metric WHEN 'reliability_observed' THEN ci_high END) AS bar_high," \
    "  max(CASE metric WHEN 'reliability_outside' THEN value END) AS outside, max(revision) AS revision" \
    " FROM v1_results" \
    " WHERE metric IN ('reliability_score', 'reliability_observed', 'reliability_outside')" \
    " GROUP BY pipeline, model, version, segment, feature, window_s, window_end_s;", \
    "CREATE VIEW v1_labels AS SELECT " SQL_PIPELINE ", substr(key, 8) AS model," \
    "  CASE WHEN " SQL_LABELS("8") " THEN 'dormant' WHEN " SQL_LABELS("7") " THEN 'labelled'" \
    "    ELSE 'no label yet' END AS state," \
    "  " SQL_LABELS("0") " - " SQL_LABELS("1") " - " SQL_LABELS("5") " AS waiting," \
    "  " SQL_LABELS("1") " AS joined, " SQL_LABELS("2") " AS duplicates," \
    "  " SQL_LABELS("3") " AS changed, " SQL_LABELS("4") " AS orphans," \
    "  " SQL_LABELS("5") " AS unlabelled, " SQL_LABELS("6") " AS refused" \
    " FROM meta WHERE key >= 'labels:' AND key < 'labels;';", \
    "CREATE VIEW v1_events AS SELECT " SQL_PIPELINE ", topic, fate, reason, total FROM event_count;", \
    "CREATE VIEW v1_baselines AS SELECT " SQL_PIPELINE ", b.name AS reference, b.model, b.version, b.source," \
    "  b.hash AS reference_hash, g.id AS grid, " SQL_CLOCK("b.from_ms") " / 1000 AS from_s," \
    "  " SQL_CLOCK("b.to_ms") " / 1000 AS to_s, b.created_ms / 1000 AS created_s," \
    "  " SQL_CLOCK("b.effective_from_ms") " / 1000 AS effective_from_s, b.rows," \
    "  length(b.json) AS json_length, b.json" \
    " FROM reference b LEFT JOIN grid g ON g.grid = b.grid;", \
    "CREATE VIEW v1_outbox AS SELECT " SQL_PIPELINE ", id, sink, kind, entity_key," \
    "  CASE state WHEN 0 THEN 'pending' WHEN 1 THEN 'delivered' WHEN 2 THEN 'dead' WHEN 3 THEN 'expired'" \
    "    WHEN 4 THEN 'dropped' END AS state," \
    "  window_end_ms / 1000 AS window_end_s, created_ms / 1000 AS created_s, next_ms / 1000 AS next_s," \
    "  attempts, status, error, body FROM outbox;", \
    "CREATE VIEW v1_audit AS SELECT " SQL_PIPELINE ", seq, ts_ms / 1000 AS ts_s," \
    "  " SQL_ISO("ts_ms / 1000") " AS ts, actor, action, subject, details," \
    "  lower(hex(prev_hash)) AS prev_hash, lower(hex(hash)) AS hash, ts_ms FROM audit;", \
    "CREATE VIEW v1_meta AS SELECT" \
    "  (SELECT CAST(value AS INTEGER) FROM meta WHERE key = 'schema') AS schema," \
    "  (SELECT value FROM meta WHERE key = 'app_version') AS app_version," \
    "  (SELECT value FROM meta WHERE key = 'config_hash') AS config_hash, " SQL_PIPELINE "," \
    "  (SELECT value FROM meta WHERE key = 'store') AS store, 'sha256-1' AS audit_algorithm;"

/* ---- statements, prepared once each and kept ---- */

#define STORE_STATEMENTS(X) \
    X(BEGIN, "BEGIN IMMEDIATE") \
    X(COMMIT, "COMMIT") \
    X(ROLLBACK, "ROLLBACK") \
    X(PUT_SERIES, "INSERT INTO series(series, model, version, segment) VALUES(?1, ?2, ?3, ?4)" \
                  " ON CONFLICT(series) DO UPDATE SET model = excluded.model, version = excluded.version," \
                  " segment = excluded.segment") \
    X(PUT_SUBJECT, "INSERT INTO subject(subject, name) VALUES(?1, ?2)" \
                   " ON CONFLICT(subject) DO UPDATE SET name = excluded.name") \
    X(PUT_GRID, \
      "INSERT INTO grid(grid, id) VALUES(?1, ?2) ON CONFLICT(grid) DO UPDATE SET id = excluded.id") \
    X(PUT_REFERENCE, "INSERT OR REPLACE INTO reference(reference, grid, name, model, version, source, hash," \
                     " from_ms, to_ms, created_ms, effective_from_ms, rows, json)" \
                     " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)") \
    X(PUT_PANE, "INSERT INTO pane(tier, start_ms, series, family, grid, part, bytes)" \
                " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7)" \
                " ON CONFLICT(tier, start_ms, series, family, grid, part)" \
                " DO UPDATE SET bytes = excluded.bytes") \
    X(PRUNE_PANES, "DELETE FROM pane WHERE pane IN" \
                   " (SELECT pane FROM pane WHERE tier = ?1 AND start_ms < ?2 LIMIT ?3)") \
    X(PUT_RESULT, "INSERT INTO result(window_end_s, window_end_ms, window_ms, series, subject, family," \
                  " revision, reference, n, reference_n, flags, closed_wall_ms, bins, " SLOT_NAMES ")" \
                  " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, " SLOT_PARAMETERS ")" \
                  " ON CONFLICT(series, window_end_s, window_end_ms, window_ms, subject, family)" \
                  " DO UPDATE SET revision = CASE result.revision WHEN 0 THEN excluded.revision" \
                  "  ELSE result.revision + (excluded.revision > 1 AND " \
                  "   (result.reference, result.n, result.reference_n, result.flags, result.bins, " SLOT_RESULT \
                  ") IS NOT (excluded.reference, excluded.n, excluded.reference_n, excluded.flags," \
                  "   excluded.bins, " SLOT_EXCLUDED ")) END," \
                  " reference = excluded.reference," \
                  " n = excluded.n, reference_n = excluded.reference_n, flags = excluded.flags," \
                  " closed_wall_ms = excluded.closed_wall_ms, bins = excluded.bins, " SLOT_UPDATES \
                  " WHERE excluded.revision > 0 OR result.revision = 0") \
    X(DROP_PROVISIONAL, "DELETE FROM result WHERE series = ?1 AND window_end_s BETWEEN ?2 AND ?3" \
                        " AND window_end_ms > ?4 AND window_end_ms <= ?5 AND revision = 0") \
    X(PUT_LATEST, "INSERT INTO latest(series, family, window_ms, window_end_ms, window_end_s)" \
                  " VALUES(?1, ?2, ?3, ?4, ?5) ON CONFLICT(series, family, window_ms) DO UPDATE SET" \
                  " window_end_ms = excluded.window_end_ms, window_end_s = excluded.window_end_s" \
                  " WHERE excluded.window_end_ms > latest.window_end_ms") \
    X(PUT_WAITING, "INSERT INTO waiting(expire_ms, bytes) VALUES(?1, ?2)") \
    X(PRUNE_WAITING, "DELETE FROM waiting WHERE waiting IN" \
                     " (SELECT waiting FROM waiting WHERE expire_ms < ?1 LIMIT ?2)") \
    X(LOAD_WAITING, "SELECT bytes FROM waiting ORDER BY waiting") \
    X(PRUNE_RESULTS, "DELETE FROM result WHERE result IN (SELECT result FROM" \
                     " (SELECT result, window_end_s, closed_wall_ms FROM result ORDER BY result LIMIT ?3)" \
                     " WHERE window_end_s < ?1 AND closed_wall_ms < ?2)") \
    X(PRUNE_ALERT_EVENTS, "DELETE FROM alert_event WHERE event IN" \
                          " (SELECT event FROM alert_event WHERE window_end_ms < ?1 LIMIT ?2)") \
    X(PRUNE_ALERTS, "DELETE FROM alert WHERE key IN (SELECT key FROM alert" \
                    " WHERE state IN (0, 3) AND last_window_end_ms < ?1 LIMIT ?2)") \
    X(PRUNE_OUTBOX, "DELETE FROM outbox WHERE item IN (SELECT item FROM outbox" \
                    " WHERE state IN (1, 3) AND created_ms < ?1 LIMIT ?2)") \
    X(PUT_OFFSET, "INSERT INTO partition_offset(topic, partition, fingerprint, next_offset, dedup_offset," \
                  " data_clock_ms, label_clock_ms, records, log_end) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)" \
                  " ON CONFLICT(topic, partition, fingerprint) DO UPDATE SET" \
                  " next_offset = excluded.next_offset, dedup_offset = excluded.dedup_offset," \
                  " data_clock_ms = excluded.data_clock_ms, label_clock_ms = excluded.label_clock_ms," \
                  " records = excluded.records, log_end = excluded.log_end") \
    X(PUT_COUNT, "INSERT INTO event_count(topic, fate, reason, total) VALUES(?1, ?2, ?3, ?4)" \
                 " ON CONFLICT(topic, fate, reason) DO UPDATE SET total = excluded.total") \
    X(PUT_META, "INSERT INTO meta(key, value) VALUES(?1, ?2)" \
                " ON CONFLICT(key) DO UPDATE SET value = excluded.value WHERE value <> excluded.value") \
    X(PUT_CAPTURE, "INSERT INTO capture(series, pane_start_ms, bytes) VALUES(?1, ?2, ?3)" \
                   " ON CONFLICT(series, pane_start_ms) DO UPDATE SET bytes = excluded.bytes") \
    X(DELETE_CAPTURE, "DELETE FROM capture WHERE series = ?1 AND pane_start_ms = ?2") \
    X(PUT_ALERT, "INSERT OR REPLACE INTO alert(key, rule, metric, model, version, segment, feature," \
                 " window_ms, state, severity, since_ms, fired_ms, resolved_ms, last_window_end_ms," \
                 " clear_run, value, threshold, peak_value, peak_ms) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8," \
                 " ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19)") \
    X(PUT_TRANSITION, "INSERT INTO alert_event(key, from_state, to_state, severity, window_end_ms, value," \
                      " threshold) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7)") \
    X(PUT_OUTBOX, "INSERT INTO outbox(id, sink, kind, entity_key, body, window_end_ms, created_ms, state," \
                  " next_ms, attempts, status) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, 0, 0, 0)" \
                  " ON CONFLICT(id, sink) DO NOTHING") \
    X(PUT_OUTCOME, "UPDATE outbox SET state = ?3, next_ms = ?4, attempts = ?5, status = ?6, error = ?7" \
                   " WHERE id = ?1 AND sink = ?2") \
    X(AUDIT_HEAD, "SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1") \
    X(PUT_AUDIT, "INSERT INTO audit(seq, ts_ms, actor, action, subject, details, prev_hash, hash)" \
                 " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)") \
    X(LOAD_SERIES, "SELECT series, model, version, segment FROM series ORDER BY series") \
    X(LOAD_SUBJECTS, "SELECT subject, name FROM subject ORDER BY subject") \
    X(LOAD_GRIDS, "SELECT grid, id FROM grid ORDER BY grid") \
    X(LOAD_REFERENCES, "SELECT reference, grid, name, model, version, source, hash, from_ms, to_ms," \
                       " created_ms, effective_from_ms, rows, json FROM reference ORDER BY reference") \
    X(LOAD_OFFSETS, "SELECT topic, partition, next_offset, dedup_offset, data_clock_ms, label_clock_ms," \
                    " fingerprint, records, log_end FROM partition_offset ORDER BY topic, partition, fingerprint") \
    X(LOAD_PANES, "SELECT start_ms, series, family, grid, part, bytes FROM pane" \
                  " WHERE tier = ?1 AND start_ms >= ?2 AND start_ms < ?3" \
                  " ORDER BY start_ms, series, family, grid, part") \
    X(LOAD_COUNTS, "SELECT topic, fate, reason, total FROM event_count ORDER BY topic, fate, reason") \
    X(LOAD_CAPTURES, "SELECT series, pane_start_ms, bytes FROM capture ORDER BY series, pane_start_ms") \
    X(LOAD_ALERTS, "SELECT key, rule, metric, model, version, segment, feature, window_ms, state, severity," \
                   " since_ms, fired_ms, resolved_ms, last_window_end_ms, clear_run, value, threshold," \
                   " peak_value, peak_ms FROM alert ORDER BY key") \
    X(LOAD_OUTBOX, "SELECT item, id, sink, entity_key, body, created_ms, next_ms, attempts FROM outbox" \
                   " WHERE state = 0 AND item > ?1 ORDER BY item LIMIT ?2") \
    X(LOAD_META, "SELECT value FROM meta WHERE key = ?1") \
    X(CLEAR_METRICS, "DELETE FROM metric") \
    X(PUT_METRIC, "INSERT INTO metric(name, family, monitor, kinds, slot, p_slot, floor_slot, floor_scale," \
                  " low_slot, high_slot, has_minimum_n, warning, critical, summary, method)" \
                  " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)") \
    X(OUTBOX_SET, "UPDATE outbox SET state = ?3, next_ms = 0," \
                  " attempts = CASE ?3 WHEN 0 THEN 0 ELSE attempts END," \
                  " created_ms = CASE ?3 WHEN 0 THEN ?6 ELSE created_ms END" \
                  " WHERE (?1 IS NULL OR id = ?1) AND (?2 IS NULL OR sink = ?2) AND state IN (?4, ?5)")

enum statement {
#define STATEMENT_NAME(name, sql) STATEMENT_##name,
    STORE_STATEMENTS(STATEMENT_NAME)
#undef STATEMENT_NAME
        STATEMENT_COUNT
};

#endif
