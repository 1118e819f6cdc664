"""The command line speaks with one voice: help, exit statuses, complaints of one line, suggestions, default store."""

import gzip
import json
import re
import shutil

import pytest

import driftd

COMMANDS = ("run", "replay", "demo", "check", "map", "reference", "results", "explain", "compare", "status", "alerts", "outbox", "audit", "store",
            "version")
#: What reaches a store, each complete but for the choice of the store.
READERS = ("status", "results", "explain m", "alerts list", "outbox list", "outbox drop --all", "audit list", "audit verify", "store info",
           "store verify", "store migrate", "store backup {new}", "store export --to {new}", "reference list", "reference show r",
           "compare --model m --from 2d --to 1d")


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    directory = tmp_path_factory.mktemp("cli")
    events = directory / "events.json"
    events.write_text("".join(
        json.dumps({"type": "prediction", "model": "m", "ts": 1772323200000 + 60000 * i, "features": {"a": i % 7}}) + "\n" for i in range(4500)))
    done = driftd.run("replay", "--store", directory / "driftd.db", "-q", events, cwd=directory)
    assert done.stdout == "" and done.stderr == ""
    return directory / "driftd.db"


def refused(*args, status=2, **kwargs):
    """The one line that a wrong command line gives."""
    done = driftd.run(*args, check=False, timeout=20, **kwargs)
    assert done.returncode == status, (args, done.returncode, done.stdout, done.stderr)
    assert done.stdout == "", (args, done.stdout)
    lines = done.stderr.splitlines()
    assert len(lines) == 1, (args, done.stderr)
    return lines[0]


def test_help_of_all():
    first = driftd.run("--help")
    assert first.stderr == "" and first.stdout.startswith("usage: driftd COMMAND")
    assert [line.split()[0] for line in first.stdout.split("commands:\n")[1].split("\n\n")[0].splitlines()] == list(COMMANDS)
    assert driftd.run("-h").stdout == driftd.run("help").stdout == first.stdout
    bare = driftd.run(check=False)
    assert bare.returncode == 2 and bare.stdout == "" and bare.stderr == first.stdout


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_each(command):
    done = driftd.run(command, "--help")
    assert done.stderr == "" and done.stdout.startswith(f"usage: driftd {command}")
    assert driftd.run(command, "-h").stdout == driftd.run("help", command).stdout == done.stdout
    assert command == "version" or "-h, --help" in done.stdout
    assert all(len(line) <= 120 for line in done.stdout.splitlines())
    # Whatever else is asked for, help does only that.
    assert driftd.run(command, *(["test"] if command == "map" else []), "--help", "--nonsense").stdout == done.stdout


@pytest.mark.parametrize("command", ("reference build", "reference list", "reference show", "map test", "alerts list", "outbox retry",
                                     "audit verify", "store backup"))
def test_help_of_actions(command):
    assert driftd.run(*command.split(), "--help").stdout == driftd.run(command.split()[0], "--help").stdout


@pytest.mark.parametrize("command", ("run", "replay", "demo", "check", "map test", "reference build", "reference list", "reference show",
                                     "results", "explain", "compare", "status", "alerts", "outbox", "audit", "store", "version"))
@pytest.mark.parametrize("word, says", (("--nonsense", "there is no option --nonsense"), ("-Z", "there is no option -Z"),
                                        ("--nonsense=1", "there is no option --nonsense")))
def test_unknown_options(command, word, says):
    assert refused(*command.split(), word) == f"driftd {command}: {says}; see `driftd {command} --help`"


def options_of(command):
    return set(re.findall(r"--([a-z][a-z-]+)", driftd.run(command, "--help").stdout)) - {"help", "read"}


@pytest.mark.parametrize("command", [command for command in COMMANDS if command != "version"])
def test_options_that_help_names_exist(command, tmp_path):
    """An option of the help is an option, whatever is said of its value: never "there is no option"."""
    actions = {"map": ["test"], "reference": ["build", "list"]}.get(command, [None])
    for option in options_of(command):
        said = [driftd.run(*filter(None, (command, action)), f"--{option}=1", "--help", check=False, cwd=tmp_path) for action in actions]
        assert any("there is no option" not in done.stderr for done in said), (command, option)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("line, guess", (
    ("statsu", "status"), ("replya", "replay"), ("help outbx", "outbox"), ("hlep", "help"),
    ("results --modle m", "--model"), ("status --jsn", "--json"), ("replay --worker 2 x", "--workers"), ("run --untilend", "--until-end"),
    ("alerts lst", "list"), ("outbox rety", "retry"), ("audit verfy", "verify"), ("store bakup", "backup"), ("reference bild x", "build"),
    ("map tst", "test")))
def test_suggestions(line, guess):
    said = refused(*line.split())
    assert f"(did you mean `{guess}`?)" in said and said.startswith("driftd") and "--help`" in said


@pytest.mark.parametrize("line, part", (
    ("unheard", "there is no command `unheard`"),
    ("run", "say which configuration"), ("check", "say which configuration"), ("run -c", "--config needs a value"),
    ("run -c a b", "unexpected argument `b`"), ("run --until-end=yes -c a", "--until-end takes no value"),
    ("replay", "say which files"), ("replay -w 0 x", "--workers: `0`"), ("replay --workers many x", "`many` is not a whole number"),
    ("demo x", "unexpected argument `x`"), ("version x", "unexpected argument `x`"),
    ("map", "say which action: test"), ("map test a b", "unexpected argument `b`"), ("map test --header x", "`x` is not NAME=VALUE"),
    ("reference", "say which action: build, list or show"), ("reference build", "say which files"),
    ("reference build --sample 1 x", "--sample: `1`"), ("reference show", "say which reference"),
    ("reference show --csv r", "CSV"),
    ("results --from yesterday", "--from: `yesterday` is no time"), ("results --window 1y", "--window: `1y`"),
    ("results --state bad", "--state: `bad` is not ok, warning or critical"), ("results --limit -1", "--limit: `-1`"),
    ("results extra", "unexpected argument `extra`"),
    ("compare", "needs --model"), ("compare --model m --from 1d --to 2d", "a later --to"),
    ("compare --model m --from 2d --to 1d --metric nope", "there is no metric `nope`"),
    ("compare --model m --from 2d --to 1d --against 3d", "--against: `3d`"),
    ("compare --versions 1 2", "two versions and --model"), ("compare --model m --versions 1", "two versions and --model"),
    ("compare --model m --versions 1 2 --metric psi", "--versions takes only"), ("compare --model m x", "unexpected argument `x`"),
    ("compare --model m --from soon --to 1d", "--from: `soon` is no time"),
    ("alerts", "say which action: list"), ("outbox", "say which action: list, retry or drop"),
    ("outbox drop", "either the ID of one delivery or --all"), ("outbox retry a --all", "either the ID"), ("outbox list a", "`a`"),
    ("outbox list --state lost", "--state: `lost`"), ("audit", "say which action"), ("audit verify --expect 1", "--expect: `1`"),
    ("store", "say which action"), ("store dance", "only info, verify, migrate, backup or export"), ("store backup", "say where to"),
    ("store export", "say where to"), ("store info --to x", "only export takes --to"), ("store info x", "unexpected argument `x`")))
def test_wrong_usage(line, part, tmp_path):
    said = refused(*line.split(), cwd=tmp_path)
    command = line.split()[0]
    assert part in said
    assert re.match(rf"driftd( {command}[a-z ]*)?: ", said) and re.search(r"; see `driftd [a-z ]*--help`$", said)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("line", READERS)
def test_missing_store(line, tmp_path):
    words = line.format(new=tmp_path / "new.db").split()
    said = refused(*words, cwd=tmp_path, status=78)
    assert said.startswith(f"driftd {words[0]}") and "there is no store driftd.db in the current directory" in said and "--store PATH" in said
    said = driftd.run(*words, "-c", tmp_path / "no.yaml", check=False)
    assert said.returncode == 78 and "no.yaml: cannot read" in said.stderr and "cannot be used" in said.stderr.splitlines()[-1]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("line", ("status", "results", "alerts list", "outbox list", "audit list", "audit verify", "store verify",
                                  "reference list", "store backup {new}", "store migrate"))
def test_ways_to_name_a_store(line, store, tmp_path):
    """Here, -s, --store, or the configuration: all the same."""
    config = tmp_path / "c.yaml"
    config.write_text(f"api_version: 1\nstore: {{path: {store}}}\n")
    for ways, where in (((), store.parent), (("-s", store), None), ((f"--store={store}",), None), (("-c", config), None),
                        (("-s", store, "-c", tmp_path / "not-read.yaml"), None)):
        new = tmp_path / "new.db"
        assert driftd.run(*line.format(new=new).split(), *ways, cwd=where).stderr == "", ways
        new.unlink(missing_ok=True)


def test_times_in_every_form(store):
    """An instant, a date and how long ago; the same results."""
    forms = (("2026-03-03T00:00:00Z", "2026-03-04T00:00:00Z"), ("2026-03-03", "2026-03-04"), ("2026-03-03T02:00:00+02:00", "2026-03-04"))
    results = {driftd.run("results", "-s", store, "--from", a, "--to", b, "--csv", "--limit", 0).stdout for a, b in forms}
    assert len(results) == 1 and len(results.pop().splitlines()) > 1
    nothing = driftd.run("results", "-s", store, "--from", "1m", "--csv").stdout
    assert nothing == ""
    ago = driftd.run("compare", "-s", store, "-m", "m", "--from", "9000d", "--to", "8999d", check=False)
    assert ago.returncode == 1 and ago.stderr.startswith("driftd compare: ")


def test_files_that_cannot_be_read(tmp_path):
    for words in (("replay", "gone.json"), ("map", "test", "gone.json"), ("reference", "build", "gone.json"),
                  ("reference", "show", "gone.json")):
        said = refused(*words, cwd=tmp_path, status=1)
        assert said.startswith(f"driftd {words[0]}") and "gone.json: No such file or directory" in said
    assert list(tmp_path.iterdir()) == []  # nor was a store made for nothing


def test_reference_by_name_or_by_file(store, tmp_path):
    rows = tmp_path / "rows.csv.gz"
    with gzip.open(rows, "wt") as out:
        out.write("a,b\n" + "".join(f"{i},{'xyz'[i % 3]}\n" for i in range(500)))
    done = driftd.run("reference", "build", "-n", "r", rows, "-o", "r.json", cwd=tmp_path)
    assert "2 features from 500 events" in done.stderr and done.stdout == ""
    assert (tmp_path / "r.json").read_text() == driftd.run("reference", "build", "-n", "r", rows).stdout
    shown = driftd.run("reference", "show", "r.json", cwd=tmp_path).stdout
    assert shown.startswith("name     r\n")
    shutil.copy(store, tmp_path / "driftd.db")
    assert driftd.run("reference", "show", "r.json", cwd=tmp_path).stdout == shown
    assert "r.json" not in [path.name for path in tmp_path.iterdir() if path.name.endswith(".tmp")]
    said = refused("reference", "show", "unknown", cwd=tmp_path, status=1)
    assert said.startswith("driftd reference show: ") and "unknown" in said
