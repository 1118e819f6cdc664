"""Files, stores and command lines that nobody should give us: a clear sentence, the documented exit status, nothing lost silently."""

import gzip
import json
import os
import pathlib
import resource
import subprocess

import pytest

import driftd
import streams
from streams import MINUTE, START

LINES = [json.dumps(streams.prediction(START + i * MINUTE, i, {"x": i % 7 + 0.5})) for i in range(300)]
TEXT = "\n".join(LINES).encode()
COMMANDS = ("run", "check", "demo", "replay", "compare", "reference", "status", "results", "alerts", "outbox", "audit", "store", "map")


def replay(tmp_path, content, name="e.ndjson", status=0):
    path = tmp_path / name
    path.write_bytes(content)
    done = driftd.run("replay", "-s", tmp_path / "s.db", path, check=False, timeout=30)
    assert done.returncode == status, done.stderr
    assert "Sanitizer" not in done.stderr
    return streams.fates(tmp_path / "s.db"), done.stderr


@pytest.mark.parametrize("content", [TEXT, TEXT + b"\n", TEXT.replace(b"\n", b"\r\n") + b"\r\n", b"\xef\xbb\xbf" + TEXT, b"\n\n" + TEXT + b"\n\n",
                                     gzip.compress(TEXT)], ids=["no newline at the end", "plain", "CRLF", "BOM", "empty lines", "gzip"])
def test_all_of_these_are_the_same_300_events(tmp_path, content):
    assert replay(tmp_path, content)[0] == {("applied", ""): 300}


def test_an_empty_file(tmp_path):
    fates, message = replay(tmp_path, b"")
    assert fates == {} and "nothing new" in message


def test_a_line_of_100_megabytes(tmp_path):
    path = tmp_path / "e.ndjson"
    with open(path, "wb") as file:
        file.write(TEXT + b'\n{"a":"')
        for _ in range(100):
            file.write(b"x" * 1_000_000)
        file.write(b'"}\n' + LINES[299].replace('"m/1/299"', '"one more"').encode())
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    driftd.run("replay", "-q", "-s", tmp_path / "s.db", path)
    assert streams.fates(tmp_path / "s.db") == {("applied", ""): 301, ("rejected", "too_large"): 1}
    assert max(before, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss) < 1_000_000 or before > 500_000  # kB


def test_bytes_that_are_no_events(tmp_path):
    import random
    content = random.Random(1).randbytes(200_000)
    fates, _ = replay(tmp_path, content + b"\n" + TEXT)
    assert fates["applied", ""] == 300 and set(fate for fate, _ in fates) == {"applied", "rejected"}


def test_gzip_that_is_cut_off(tmp_path):
    _, message = replay(tmp_path, gzip.compress(TEXT, 0)[:20_000], "e.gz", status=1)
    assert "cut off" in message and "e.gz" in message
    assert replay(tmp_path, gzip.compress(TEXT, 0), "e.gz")[0] == {("applied", ""): 300}


def test_csv_that_is_broken(tmp_path):
    config = streams.config(tmp_path / "c.yaml", tmp_path / "s.db", "").read_text()
    config = config.replace("{name: events}", "{name: events, format: csv, kind: prediction, fields: {model: {const: m}, time: /ts, features: {object: \"\"}}}")
    (tmp_path / "c.yaml").write_text(config)
    rows = ["ts,x,c"] + [f"{START + i * MINUTE},{i},a" for i in range(100)]
    rows[10] += ",extra"
    rows[20] = str(START)
    rows[30] = f'{START + 29 * MINUTE},29,"never closed'
    rows[25] = f'{START + 24 * MINUTE},24,"a ""quoted"" one"'
    (tmp_path / "e.csv").write_text("\n".join(rows) + "\n")
    driftd.run("replay", "-q", "-c", tmp_path / "c.yaml", tmp_path / "e.csv")
    assert streams.fates(tmp_path / "s.db") == {("applied", ""): 97, ("rejected", "csv"): 3}


@pytest.mark.parametrize("path, words", [("/does/not/exist", "No such file"), ("/tmp", "directory")])
def test_what_cannot_be_read(tmp_path, path, words):
    done = driftd.run("replay", "-s", tmp_path / "s.db", path, check=False, timeout=10)
    assert done.returncode == 1 and words in done.stderr and path in done.stderr


def test_two_files_of_one_name(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    (tmp_path / "a" / "e.ndjson").write_bytes(TEXT)
    (tmp_path / "b" / "e.ndjson").write_bytes(TEXT.replace(b'"model": "m"', b'"model": "other"'))
    driftd.run("replay", "-q", "-s", tmp_path / "s.db", tmp_path / "a" / "e.ndjson", tmp_path / "b" / "e.ndjson")
    assert streams.fates(tmp_path / "s.db") == {("applied", ""): 600}
    again = driftd.run("replay", "-s", tmp_path / "t.db", tmp_path / "a" / "e.ndjson", tmp_path / "a" / "e.ndjson")
    assert "skipped" in again.stderr and streams.fates(tmp_path / "t.db") == {("applied", ""): 300}


def test_a_file_that_grew(tmp_path):
    assert replay(tmp_path, TEXT + b"\n")[0] == {("applied", ""): 300}
    more = [json.dumps(streams.prediction(START + 2 * 86_400_000 + i * MINUTE, f"n{i}", {"x": 1.0})) for i in range(50)]
    assert replay(tmp_path, TEXT + b"\n" + "\n".join(more).encode())[0] == {("applied", ""): 350}
    fates, message = replay(tmp_path, TEXT + b"\n" + "\n".join(more).encode())
    assert fates == {("applied", ""): 350} and "nothing new" in message


def test_standard_input_is_always_new(tmp_path):
    """A pipe has no name: what came through an earlier one says nothing about this one."""
    for model in ("m", "n"):
        driftd.run("replay", "-q", "-s", tmp_path / "s.db", "-", input=TEXT.decode().replace('"model": "m"', f'"model": "{model}"'))
    assert sum(streams.fates(tmp_path / "s.db").values()) == 600
    assert {row[0] for row in driftd.query(tmp_path / "s.db", "SELECT model FROM series")} == {"m", "n"}


def test_stores_that_cannot_be(tmp_path):
    events = tmp_path / "e.ndjson"
    events.write_bytes(TEXT)
    for path in (tmp_path / "missing" / "s.db", tmp_path, events):
        before = events.read_bytes()
        done = driftd.run("replay", "-s", path, events, check=False, timeout=10)
        assert done.returncode == 78 and str(path) in done.stderr, done.stderr
        assert events.read_bytes() == before


def test_a_store_that_is_full(tmp_path):
    """Commits fail at a size limit: it says so, stops when told with 75, and a later run has everything."""
    file = streams.write(tmp_path / "e.ndjson", streams.stream(4000, MINUTE))
    config = streams.config(tmp_path / "c.yaml", tmp_path / "s.db", "", commit="100ms")
    log = open(tmp_path / "log", "wb")
    process = subprocess.Popen([driftd.BINARY, "replay", "-c", config, file], stderr=log,
                               preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000)))
    try:
        driftd.wait_for(lambda: b"cannot commit" in (tmp_path / "log").read_bytes(), timeout=20)
        process.terminate()
        assert process.wait(15) == 75
    finally:
        process.kill()
        log.close()
    driftd.run("replay", "-q", "-c", config, file)
    assert streams.fates(tmp_path / "s.db") == {("applied", ""): 4000}
    whole = streams.replay(tmp_path, "whole", "", [file])
    assert driftd.difference(driftd.canonical(whole), driftd.canonical(tmp_path / "s.db")) == ""


# ---- limits ----


def test_100000_models(tmp_path):
    """Beyond limits.models every event is refused and counted; memory stays where it was."""
    file = tmp_path / "e.ndjson"
    with open(file, "w") as out:
        for i in range(100_000):
            out.write(f'{{"type":"prediction","model":"model-{i}","id":"{i}","ts":{START + i},"features":{{"x":1}},"score":0.5}}\n')
    done = subprocess.run(["/usr/bin/env", "bash", "-c", '"$0" replay -q -s "$1" "$2" & pid=$!; peak=0; while kill -0 $pid 2>/dev/null; do '
                           'now=$(awk "/VmHWM/{print \\$2}" /proc/$pid/status 2>/dev/null); peak=${now:-$peak}; sleep 0.01; done; wait $pid; echo $peak',
                           driftd.BINARY, tmp_path / "s.db", file], capture_output=True, text=True, check=True)
    assert 0 < int(done.stdout) < 60_000  # kB
    assert streams.fates(tmp_path / "s.db") == {("applied", ""): 100, ("rejected", "limit"): 99_900}


def test_versions_and_segments_beyond_the_caps(tmp_path):
    body = "limits: {versions: 3, segments: 4}\n"
    events = [streams.prediction(START + i * 1000, i, {"x": 1.0}, version=str(i % 5), segments={"city": f"c{i % 10}", "os": "linux"}) for i in range(5000)]
    store = streams.replay(tmp_path, "s", body, [streams.write(tmp_path / "e.ndjson", events)])
    assert streams.fates(store) == {("applied", ""): 3000, ("rejected", "limit"): 2000}
    segments = {}
    for version, segment in driftd.query(store, "SELECT version, segment FROM series"):
        segments.setdefault(version, set()).add(segment)
    assert set(segments) == {"0", "1", "2"}
    for found in segments.values():
        assert "" in found and "city=(other)" in found or len(found) <= 5
    # Only two cities per version come (i % 10 given i % 5), so nothing is refused there; many cities are:
    events = [streams.prediction(START + i * 1000, i, {"x": 1.0}, segments={"city": f"c{i % 50}"}) for i in range(5000)]
    store = streams.replay(tmp_path, "t", body, [streams.write(tmp_path / "t.ndjson", events)])
    assert {row[0] for row in driftd.query(store, "SELECT segment FROM series")} == {"", "city=c0", "city=c1", "city=c2", "city=c3", "city=(other)"}


def test_a_capped_model_says_so(tmp_path):
    reference = tmp_path / "r.json"
    driftd.run("reference", "build", "-o", reference, "-n", "t", "-m", "m", streams.write(tmp_path / "t.ndjson", streams.stream(2000, MINUTE, seed=4)))
    body = f"limits: {{segments: 2}}\ntime: {{tiers: [1h]}}\nwindows: [{{length: 1h, slide: 1h}}]\nmodels: [{{name: m, reference: {{file: {reference}}}}}]\n"
    events = streams.stream(600, MINUTE, segments=lambda i: {"city": f"c{i % 5}"})
    store = streams.replay(tmp_path, "s", body, [streams.write(tmp_path / "e.ndjson", events)])
    assert driftd.query(store, "SELECT DISTINCT capped FROM v1_results") == [(1,)]
    sums = dict(driftd.query(store, "SELECT segment, SUM(n) FROM v1_results WHERE metric = 'psi' AND feature = 'x' GROUP BY 1"))
    assert sums == {"": 600, "city=c0": 120, "city=c1": 120, "city=(other)": 360}


def test_control_characters_stay_away_from_terminals(tmp_path):
    events = [streams.prediction(START + i * MINUTE, i, {"c": f"\x1b]0;title\x07{i % 3}", "x": i % 7}) for i in range(3000)]
    events += [streams.prediction(START + i * MINUTE, f"e{i}", {"x\x1b[2J": 1.0}, model="evil\x1b[31m") for i in range(10)]
    store = streams.replay(tmp_path, "s", "", [streams.write(tmp_path / "e.ndjson", events)])
    fates = streams.fates(store)
    assert fates["applied", ""] == 3000 and sum(fates.values()) == 3010
    name, = driftd.query(store, "SELECT reference FROM v1_baselines")[0]
    for args in (["status", "--store", store], ["results", "--store", store], ["reference", "list", "--store", store],
                 ["reference", "show", "--store", store, name], ["compare", "--store", store, "-m", "m", "--from", "2026-03-02T00:05:00Z", "--to", "2026-03-03"]):
        out = driftd.run(*args).stdout
        assert out and not any(character < " " and character != "\n" or character == "\x7f" for character in out), args


# ---- the command line ----


@pytest.mark.parametrize("command", COMMANDS)
def test_help(command):
    done = driftd.run(command, "--help")
    assert done.stdout.startswith("usage: driftd") and done.stderr == ""
    wrong = driftd.run(command, "--no-such-option", check=False)
    assert wrong.returncode == 2 and wrong.stderr and wrong.stdout == ""


def test_unknown_names(tmp_path):
    store = streams.replay(tmp_path, "s", "", [streams.write(tmp_path / "e.ndjson", streams.stream(10, MINUTE))])
    for status, *args in ((2, "no-such-command"), (2,), (2, "replay"), (2, "reference", "no-such"), (2, "compare", "-m", "m"), (2, "replay", "--workers", "0", "x"),
                          (1, "compare", "--store", store, "-m", "nobody", "--from", "2026-03-01", "--to", "2026-03-02"),
                          (2, "compare", "--store", store, "-m", "m", "--from", "2026-03-02", "--to", "2026-03-01"),
                          (2, "compare", "--store", store, "-m", "m", "--from", "yesterday-ish", "--to", "2026-03-01"),
                          (2, "compare", "--store", store, "-m", "m", "--from", "2026-03-01", "--to", "2026-03-02", "--metric", "no_such"),
                          (1, "reference", "show", "--store", store, "nobody"), (78, "status", "--store", tmp_path / "missing.db"),
                          (2, "replay", "-s", store, "-i", "nobody", "x"), (78, "replay", "-c", tmp_path / "missing.yaml", "x")):
        done = driftd.run(*args, check=False, timeout=10)
        assert done.returncode == status and done.stderr, (args, done.returncode, done.stderr)


@pytest.mark.parametrize("path", sorted((driftd.ROOT / "conf").glob("*.yaml")), ids=lambda path: path.name)
def test_samples_are_valid(path, tmp_path):
    done = driftd.run("check", "-c", path, cwd=tmp_path, env={**os.environ, "DRIFTD_SECRET": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}, check=False)
    assert done.returncode == 0, done.stderr


def test_machine_formats(tmp_path):
    import csv
    import io
    store = streams.replay(tmp_path, "s", "", [streams.write(tmp_path / "e.ndjson", streams.stream(3000, MINUTE))])
    for args in (["results", "--store", store], ["reference", "list", "--store", store],
                 ["compare", "--store", store, "-m", "m", "--from", "2026-03-02T00:05:00Z", "--to", "2026-03-03"]):
        document = json.loads(driftd.run(*args, "--json").stdout)
        rows = list(csv.DictReader(io.StringIO(driftd.run(*args, "--csv").stdout)))
        if isinstance(document, dict):
            document = next(value for value in document.values() if isinstance(value, list))
        assert len(document) == len(rows) > 0, args
    json.loads(driftd.run("status", "--store", store, "--json").stdout)
    assert pathlib.Path(store).exists()
