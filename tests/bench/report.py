"""From measurements to the table that people read. Targets are ratios of one run; absolute numbers are this machine's."""

import re
import statistics


def _median(rows, key):
    return statistics.median(row[key] for row in rows)


def summary(rows):
    """Medians, and how far the middle of the rounds was spread."""
    out = {key: _median(rows, key) if isinstance(value, (int, float)) else value for key, value in rows[0].items()}
    values = sorted(row["cpu_ns"] for row in rows)
    out["cpu_ns_range"] = [values[0], values[-1]]
    out["rounds"] = len(rows)
    return out


def side_by_side(counts, agents):
    """Each round's ratio is of neighbours in time; the median of the ratios is what is compared with a target."""
    return {
        "count": summary(counts), "driftd": summary(agents),
        "cpu_ratio": statistics.median(agent["cpu_ns"] / count["cpu_ns"] for count, agent in zip(counts, agents)),
        "rate_ratio": statistics.median(agent["rate"] / count["rate"] for count, agent in zip(counts, agents)),
    }


def parse_store(line):
    found = re.search(r"([\d.]+) h: file ([\d.]+) MB, written ([\d.]+) MB = ([\d.]+) B/event, commit mean ([\d.]+) ms "
                      r"worst ([\d.]+) ms, cpu ([\d.]+) s", line)
    names = ("hours", "file_mb", "written_mb", "written_per_event", "commit_mean_ms", "commit_worst_ms", "cpu_s")
    return dict(zip(names, map(float, found.groups())))


def rounded(value):
    if isinstance(value, float):
        return float(f"{value:.4g}")
    if isinstance(value, dict):
        return {key: rounded(each) for key, each in value.items()}
    if isinstance(value, list):
        return [rounded(each) for each in value]
    return value


class Table:
    def __init__(self):
        self.rows = []

    def add(self, what, value, target="", met=None):
        self.rows.append((what, value, target, "" if met is None else "yes" if met else "**no**"))

    def text(self):
        head = ("what", "measured", "target", "met")
        lines = [head, *self.rows]
        widths = [max(len(row[i]) for row in lines) for i in range(4)]
        cells = ["| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths)) + " |" for row in lines]
        return "\n".join([cells[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *cells[1:]])


def _decode(table, results):
    styles = {row["style"]: row for row in results["decode"]}
    for style, row in styles.items():
        ratio = row["padded_ns"] / row["cjson_ns"]
        target, met = {"tight": ("≤ 1/10", ratio <= 1 / 10), "shuffled keys": ("≤ 1/7", ratio <= 1 / 7)}.get(style, ("", None))
        table.add(f"decode ÷ cJSON, {style}, {row['bytes']} B", f"1/{1 / ratio:.1f} ({row['padded_ns']:.0f} ÷ {row['cjson_ns']:.0f} ns)",
                  target, met)
    worst = max(row["fallback_share"] for row in styles.values())
    table.add("events that take the slow path", f"{worst:.4%}", "≤ 0.1 %", worst <= 0.001)


def _statistics(table, results):
    row = results["statistics"]
    ratio = row["statistics_ns"] / row["decode_ns"]
    table.add("all per-event statistics ÷ decode", f"{ratio:.2f} ({row['statistics_ns']:.0f} ÷ {row['decode_ns']:.0f} ns)",
              "≤ 0.35", ratio <= 0.35)
    table.add("record to delta, without Kafka", f"{row['ingest_ns']:.0f} ns ({row['ingest_no_dedup_ns']:.0f} without dedup)")


def _families(table, results):
    for row in results["families"]:
        if row["count_ns"] == 0 and row["state_bytes"] == 0:
            continue  # has to be switched on
        report = f", {row['report_us']:.0f} µs a report" if row["report_us"] else ""
        state = f", {row['state_bytes'] / 1000:.1f} kB a pane" if row["state_bytes"] else ""
        table.add(f"family {row['name']}", f"{row['count_ns']:.0f} ns an event{report}{state}")


def _kafka(table, results):
    free, core = results["kafka"]["free"], results["kafka"]["one_core"]
    table.add("CPU per event ÷ counting consumer", f"{free['cpu_ratio']:.2f} ({free['driftd']['cpu_ns']:.0f} ÷ {free['count']['cpu_ns']:.0f} ns)",
              "≤ 2.1", free["cpu_ratio"] <= 2.1)
    table.add("events/s ÷ counting consumer, one core",
              f"{core['rate_ratio']:.2f} ({core['driftd']['rate'] / 1e3:.0f} k ÷ {core['count']['rate'] / 1e3:.0f} k)", "≥ 0.7",
              core["rate_ratio"] >= 0.7)
    table.add("events/s, cores shared with the broker", f"{free['driftd']['rate'] / 1e3:.0f} k (counting {free['count']['rate'] / 1e3:.0f} k)")
    waiting = results["kafka"]["waiting"]
    table.add("… predictions kept for labels (default task)", f"{waiting['cpu_ns'] / free['count']['cpu_ns']:.2f} ({waiting['cpu_ns']:.0f} ns, "
              f"{waiting['peak_mb']:.0f} MB)")
    table.add("peak memory catching up", f"{free['driftd']['peak_mb']:.0f} MB (counting {free['count']['peak_mb']:.0f} MB)")


def _backlog(table, results):
    count, own = results["backlog"]["count"], results["backlog"]["driftd"]
    table.add("a backlog of 10 million events", f"{own['rate'] / 1e3:.0f} k/s, {own['cpu_ns']:.0f} ns an event, peak {own['peak_mb']:.0f} MB (counting "
              f"{count['rate'] / 1e3:.0f} k/s, {count['cpu_ns']:.0f} ns, {count['peak_mb']:.0f} MB)")
    gap = own["longest_gap_running_ms"]
    table.add("… longest gap in consuming, a commit every 2 s", f"{gap:.1f} ms ({own['longest_gap_ms']:.1f} with waits for a CPU)", "≤ 5 ms", gap <= 5)


def _live(table, results):
    live = results["live"]
    for name, limit in (("1x20", 20), ("20x50", 64)):
        models, features = name.split("x")
        row = live[name]
        table.add(f"resident at 10 k/s, {models} × {features}", f"{row['resident_mb']:.1f} MB (peak {row['peak_mb']:.1f}, without libraries {row['anonymous_mb']:.1f})",
                  f"≤ {limit} MB", row["resident_mb"] <= limit)
    alone = live["libraries"]
    table.add("… of it the libraries alone, doing nothing", f"{alone['trimmed_kb'] * 1024 / 1e6:.1f} MB ({alone['resident_kb'] * 1024 / 1e6:.1f} before "
              "pages that only the start needed are let go)")
    one = live["1x20"]
    table.add("CPU at 10 k/s, 1 × 20", f"{one['cpu_share']:.1%} of a core (counting {live['count']['cpu_share']:.1%}, "
              f"{live['count']['resident_mb']:.1f} MB)")
    for name in ("1x20", "20x50"):
        gap = live[name]["longest_gap_running_ms"]
        table.add(f"longest gap in consuming, {name.replace('x', ' × ')}",
                  f"{gap:.1f} ms ({live[name]['longest_gap_ms']:.1f} with waits for a CPU)", "≤ 5 ms", gap <= 5)


def _replay(table, results):
    replay = results["replay"]
    own = replay["driftd"]
    table.add("replay of a file with store, one worker", f"{own['cpu_ns']:.0f} ns/event, {own['rate'] / 1e3:.0f} k/s, peak {own['peak_mb']:.0f} MB")
    for name, row in replay.items():
        if not isinstance(row, dict) or name == "driftd":
            continue
        ratio = row["cpu_ns"] / own["cpu_ns"]
        target, met = ("≥ 4", ratio >= 4) if name == "duckdb" else ("", None)
        table.add(f"{row.get('label', name)} ÷ driftd, same file", f"{ratio:.1f} ({row['cpu_ns']:.0f} ns, {row['peak_mb']:.0f} MB)", target, met)


def _java(table, results):
    java, own = results["java"]["java"], results["java"]["driftd"]
    ratio = java["cpu_ns"] / own["cpu_ns"]
    table.add("Java consumer ÷ driftd, from Kafka", f"{ratio:.1f} ({java['cpu_ns']:.0f} ÷ {own['cpu_ns']:.0f} ns)", "≥ 4", ratio >= 4)


def _store_day(table, results):
    row = results["store_day"]
    table.add("a day of 20 × 50 at 10 k/s: store", f"{row['file_mb']:.0f} MB")
    table.add("… written, generated panes", f"{row['written_per_event']:.1f} B/event, commit {row['commit_mean_ms']:.1f} ms, "
              f"{row['cpu_s'] / row['hours'] / 36:.2f} % of a core")


def _pipeline(table, results):
    row = results["pipeline"]
    table.add(f"whole program, 20 × 50, {row['event_hours']} h at 100/s", f"{row['written_mb']:.0f} MB written, file {row['file_mb']:.0f} MB, "
              f"{row['cpu_ns']:.0f} ns/event, peak {row['peak_mb']:.0f} MB")


def _hour(table, results):
    row = results["hour"]
    first, second, last = row["resident_mb_at_thirds"]
    grows = last > second * 1.02 + 0.5
    table.add("resident, 20 × 50, an hour of events: ⅓, ⅔, end", f"{first:.1f}, {second:.1f}, {last:.1f} MB (peak {row['peak_mb']:.1f})",
              "≤ 64 MB, level", row["peak_mb"] <= 64 and not grows)


def _start(table, results):
    row = results["start"]
    table.add(f"start with {row['series']} series to consuming", f"{row['first_record_ms']:.0f} ms (first request {row['first_poll_ms']:.0f})",
              "≤ 300 ms", row["first_record_ms"] <= 300)


def _size(table, results):
    size = results["size"]["stripped_bytes"]
    table.add("stripped binary", f"{size / 1e6:.2f} MB", "≤ 1.5 MB", size <= 1_500_000)


SECTIONS = {"kafka": _kafka, "decode": _decode, "statistics": _statistics, "families": _families, "replay": _replay, "java": _java, "backlog": _backlog, "live": _live,
            "start": _start, "hour": _hour, "size": _size, "store_day": _store_day, "pipeline": _pipeline}


def table(results):
    out = Table()
    for name, section in SECTIONS.items():
        if name in results:
            section(out, results)
    for name, why in results.get("skipped", {}).items():
        out.add(f"{name} ÷ driftd", f"not run: {why}")
    machine = results["machine"]
    head = (f"{results['date']}; {machine['cpu']} (family/model/stepping {machine['family_model_stepping']}), {machine['cores']} cores, "
            f"{machine['memory_gb']} GB, Linux {machine['kernel']}, compiler {machine['compiler']}, librdkafka {machine['librdkafka']}, "
            f"cJSON {machine['cjson']}; load before {machine['load_before']}; {results['seconds']} s")
    return head + "\n\n" + out.text()


BEGIN, END = "<!-- results -->", "<!-- end of results -->"


def write_readme(path, text, results):
    del results
    old = path.read_text()
    before, rest = old.split(BEGIN, 1)
    after = rest.split(END, 1)[1]
    path.write_text(before + BEGIN + "\n" + text + "\n" + END + after)
