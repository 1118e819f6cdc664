"""The manuals against the program: its metrics, its views, the queries and configurations that they show, their links.

`python tests/system/test_manual.py` writes the list of metrics in detectors/README.md anew.
"""

import pathlib
import re
import sys
import tempfile

import driftd

MANUAL = driftd.ROOT / "detectors" / "README.md"
BEGIN, END = "<!-- metrics: begin -->\n", "<!-- metrics: end -->\n"
MANUALS = [driftd.ROOT / place / "README.md" for place in (".", "agent", "alerting", "collectors", "conf", "detectors", "tests", "tests/bench", "tests/data")]


def empty_store(directory):
    events, path = directory / "no.ndjson", directory / "no.db"
    events.write_text("")
    driftd.run("replay", "-q", "--store", path, events)
    return path


def number(value):
    return "" if value is None else f"{value:g}"


def list_of_metrics(store):
    """What the program says of its metrics, as the manual prints it."""
    rows = driftd.query(store, "SELECT monitor, name, kinds, p_slot >= 0, floor_slot >= 0, low_slot >= 0, has_minimum_n, warning, critical, method, summary"
                               " FROM metric ORDER BY monitor, family, slot, name")
    out = ["| monitor | metric | bands | has | method | is |\n", "|---|---|---|---|---|---|\n"]
    for monitor, name, kinds, p, floor, interval, minimum, warning, critical, method, summary in rows:
        bands = "" if warning is None and critical is None else f"{number(warning)} / {number(critical)}"
        has = "".join(letter for letter, there in zip("pfim", (p, floor, interval, minimum)) if there)
        only = {1: " (numbers only)", 2: " (categories only)"}.get(kinds, "")
        summary = summary.replace("|", "\\|")
        out.append(f"| {monitor} | `{name}` | {bands} | {has} | {method or ''} | {summary}{only} |\n")
    return "".join(out)


def between_marks(text):
    before, rest = text.split(BEGIN)
    inside, after = rest.split(END)
    return before, inside, after


def blocks(path, language):
    return re.findall(rf"^```{language}\n(.*?)^```", path.read_text(encoding="utf-8"), re.M | re.S)


def test_every_metric_is_in_the_manual(tmp_path):
    _, inside, _ = between_marks(MANUAL.read_text(encoding="utf-8"))
    assert inside == list_of_metrics(empty_store(tmp_path)), "old: python tests/system/test_manual.py"


def test_every_view_is_in_the_manual(tmp_path):
    views = driftd.query(empty_store(tmp_path), "SELECT name FROM sqlite_master WHERE type = 'view'")
    text = (driftd.ROOT / "agent" / "README.md").read_text(encoding="utf-8")
    assert views
    assert [name for name, in views if f"`{name}`" not in text] == []


def test_queries_that_the_manuals_show_run(tmp_path):
    store = empty_store(tmp_path)
    ran = 0
    for path in MANUALS:
        for block in blocks(path, "sql"):
            for statement in re.sub(r"^--.*$", "", block, flags=re.M).split(";"):
                if statement.strip():
                    driftd.query(store, statement)
                    ran += 1
    assert ran >= 7


def test_configurations_that_the_manuals_show_are_good(tmp_path):
    """Those that stand alone; files they name are made."""
    shown = [block for path in MANUALS for block in blocks(path, "yaml") if block.startswith("api_version:")]
    assert shown
    for i, block in enumerate(shown):
        for name in re.findall(r"reference: \{file: ([^}]+)\}", block):
            (tmp_path / name).write_text("{}")
        path = tmp_path / f"{i}.yaml"
        path.write_text(re.sub(r"secrets_file: [^,}]+", 'secrets: ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"]', block))
        driftd.run("check", "-q", "-c", path)


def test_links_lead_somewhere():
    dead = [f"{path.relative_to(driftd.ROOT)}: {link}" for path in MANUALS
            for link in re.findall(r"\]\(([^)#\s]+)[^)]*\)", path.read_text(encoding="utf-8"))
            if "://" not in link and not (path.parent / link).exists()]
    assert dead == []


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as directory:
        before, _, after = between_marks(MANUAL.read_text(encoding="utf-8"))
        MANUAL.write_text(before + BEGIN + list_of_metrics(empty_store(pathlib.Path(directory))) + END + after, encoding="utf-8")
    sys.exit(0)
