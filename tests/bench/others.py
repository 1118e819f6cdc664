"""What a user would otherwise run on the same NDJSON for the same statistics: tests/bench/others/with_*.py, each in an
environment of its own under tests/.cache/bench, and a Java consumer. `make bench FULL=1` installs what is missing; the
default uses DuckDB if it is there already. What cannot be had is skipped by name."""

import json
import pathlib
import shutil
import subprocess
import sys

import measure
from measure import Failed, log

HERE = pathlib.Path(__file__).resolve().parent
SCRIPTS = HERE / "others"
ENVIRONMENTS = HERE.parent / ".cache" / "bench"
INSTALL_TIMEOUT_S = 900

# Name, what the table calls it, further arguments, events it is given (slow ones get fewer), rounds.
TOOLS = (
    ("duckdb", "DuckDB, one thread, the same bins", (), None, 5),
    ("duckdb-deciles", "DuckDB, one thread, deciles only", ("deciles",), None, 3),
    ("chdb", "ClickHouse (chDB), one thread, deciles", (), None, 3),
    ("river", "river, ADWIN on 16 features", (), 20_000, 1),
    ("whylogs", "whylogs, a profile per hour", (), 20_000, 1),
    ("nannyml", "NannyML, JS and KS per hour", (), 20_000, 1),
    ("evidently", "Evidently, drift preset per hour", (), 20_000, 1),
)

_skipped = {}


def skipped():
    return dict(_skipped)


class Tool:
    def __init__(self, name, label, python, arguments, events, rounds):
        self.name, self.label, self.events, self.rounds = name, label, events, rounds
        self._command = [python, SCRIPTS / f"with_{name.split('-')[0]}.py", *arguments]

    def run(self):
        """CPU of the work alone: imports and opening are not counted for them, as they are for driftd."""
        used = measure.process(self._command, timeout=900, environment={"OMP_NUM_THREADS": "1", "DO_NOT_TRACK": "1"})
        done = json.loads(used.stdout.strip().splitlines()[-1])
        if done["events"] != self.events:
            raise Failed(f"{self.name} saw {done['events']} of {self.events} events")
        return {"cpu_ns": done["cpu_s"] * 1e9 / self.events, "peak_mb": used.peak_mb, "rate": self.events / used.wall_s,
                "label": self.label}


def _python(name, install):
    """The interpreter of the tool's environment, or None and a reason."""
    home = ENVIRONMENTS / name
    python = home / "bin" / "python"
    if (home / ".done").exists():
        return python
    if not install:
        _skipped[name] = "make bench FULL=1 installs it"
        return None
    log(f"installing {name}")
    try:
        subprocess.run([sys.executable, "-m", "venv", "--clear", home], check=True, capture_output=True, timeout=120)
        subprocess.run([home / "bin" / "pip", "install", "-q", "--disable-pip-version-check", "-r",
                        SCRIPTS / f"requirements-{name}.txt"], check=True, capture_output=True, timeout=INSTALL_TIMEOUT_S)
    except (subprocess.SubprocessError, OSError) as error:
        _skipped[name] = "it could not be installed"
        log(f"{name}: {error}")
        return None
    (home / ".done").touch()
    return python


def available(work, path, events, reference, full):
    """The tools that can run here, ready to run on (a part of) the file."""
    out = []
    for name, label, more, limit, rounds in TOOLS:
        if not full and not name.startswith("duckdb"):
            continue
        python = _python(name.split("-")[0], full)
        if python is None:
            continue
        count, source = events, path
        if limit and limit < events:
            count, source = limit, work / "day-short.ndjson"
            if not source.exists():
                _thin(path, source, events // limit)
        out.append(Tool(name, label, python, (source, reference, *more), count, rounds))
    return out


def _thin(path, out, every):
    """Every so manieth line: the same hours with fewer events."""
    with open(path, "rb") as lines, open(out, "wb") as kept:
        kept.writelines(line for number, line in enumerate(lines) if number % every == 0)


def java_consumer(build, jars):
    """The command of the Java consumer, compiled, or None."""
    if not shutil.which("javac"):
        _skipped["Java"] = "there is no javac (Debian: default-jdk-headless)"
        return None
    classes = pathlib.Path(build) / "bench" / "java"
    classes.mkdir(parents=True, exist_ok=True)
    measure.command(["javac", "-cp", f"{jars}/*", "-d", classes, SCRIPTS / "BenchConsumer.java"])
    return ["java", "-XX:+UseSerialGC", "-Xmx512m", "-Dorg.slf4j.simpleLogger.defaultLogLevel=error", "-cp", f"{classes}:{jars}/*",
            "BenchConsumer"]
