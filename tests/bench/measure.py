"""Runs programs and says what they used: CPU and memory of the process itself, from the kernel."""

import os
import pathlib
import platform
import re
import sqlite3
import statistics
import subprocess
import sys
import threading
import time
from dataclasses import dataclass

TICKS = os.sysconf("SC_CLK_TCK")
PAGE_MB = os.sysconf("SC_PAGE_SIZE") / 1e6


class Failed(Exception):
    """A program did not do what the benchmark needs; the message says which."""


def log(text):
    print(f"  {text}", file=sys.stderr, flush=True)


def median(values):
    return statistics.median(values)


def command(arguments, stdout=subprocess.PIPE, timeout=600, **options):
    arguments = [str(each) for each in arguments]
    done = subprocess.run(arguments, stdout=stdout, stderr=subprocess.PIPE, text=stdout is subprocess.PIPE, check=False,
                          timeout=timeout, **options)
    if done.returncode != 0:
        error = done.stderr if isinstance(done.stderr, str) else done.stderr.decode(errors="replace")
        raise Failed(f"{' '.join(arguments[:3])}: exit {done.returncode}: {error[-2000:]}")
    return done


@dataclass
class Used:
    cpu_s: float
    wall_s: float
    peak_mb: float
    written_bytes: int
    stdout: str
    stderr: str


class Running:
    """A program in the background. Its peak memory is VmHWM of its own address space, sampled while it runs: the
    kernel's maximum of a child would contain this interpreter's."""

    def __init__(self, arguments, cpu=None, environment=None, stdin=subprocess.DEVNULL):
        arguments = [str(each) for each in arguments]
        if cpu is not None:
            arguments = ["taskset", "-c", str(cpu), *arguments]
        self._arguments = arguments
        self._out = os.memfd_create("out")
        self._err = os.memfd_create("err")
        self._begin = time.monotonic()
        self.process = subprocess.Popen(arguments, stdout=self._out, stderr=self._err, stdin=stdin,
                                        env={**os.environ, **(environment or {})})
        self._peak_mb, self._written = 0.0, 0
        self.used = None

    def _proc(self, name):
        return pathlib.Path(f"/proc/{self.process.pid}/{name}").read_text()

    def sample(self):
        try:
            found = re.search(r"VmHWM:\s+(\d+) kB", self._proc("status"))
            self._peak_mb = max(self._peak_mb, int(found.group(1)) * 1024 / 1e6) if found else self._peak_mb
            found = re.search(r"^write_bytes: (\d+)", self._proc("io"), re.M)
            self._written = int(found.group(1)) if found else self._written
        except OSError:
            pass

    def cpu_s(self):
        fields = self._proc("stat").rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def resident_mb(self):
        return int(self._proc("statm").split()[1]) * PAGE_MB

    def anonymous_mb(self):
        """Without the pages of shared libraries."""
        found = re.search(r"RssAnon:\s+(\d+) kB", self._proc("status"))
        return int(found.group(1)) * 1024 / 1e6 if found else 0.0

    def wait(self, timeout=600):
        deadline = time.monotonic() + timeout
        while True:
            pid, status, usage = os.wait4(self.process.pid, os.WNOHANG)
            if pid:
                break
            self.sample()
            if time.monotonic() > deadline:
                self.process.kill()
                os.wait4(self.process.pid, 0)
                raise Failed(f"{self._arguments[0]} did not end within {timeout} s")
            time.sleep(0.01)
        wall = time.monotonic() - self._begin
        out, err = (os.pread(fd, 1 << 22, 0).decode(errors="replace") for fd in (self._out, self._err))
        os.close(self._out)
        os.close(self._err)
        self.process.returncode = os.waitstatus_to_exitcode(status)
        if self.process.returncode != 0:
            raise Failed(f"{' '.join(self._arguments[:3])}: exit {self.process.returncode}: {(err or out)[-2000:]}")
        self.used = Used(usage.ru_utime + usage.ru_stime, wall, self._peak_mb, self._written, out, err)
        return self.used

    def wait_sampling(self, timeout=600, every_s=0.1):
        """As wait; also resident memory in MB, sampled all along."""
        samples, stop = [], threading.Event()

        def sample():
            while not stop.wait(every_s):
                try:
                    samples.append(self.resident_mb())
                except OSError:
                    return

        thread = threading.Thread(target=sample)
        thread.start()
        try:
            return self.wait(timeout), samples
        finally:
            stop.set()
            thread.join()

    def stop(self, timeout=30):
        self.sample()
        self.process.terminate()
        return self.wait(timeout)


def process(arguments, cpu=None, environment=None, timeout=600):
    return Running(arguments, cpu, environment).wait(timeout)


def query(store, sql):
    connection = sqlite3.connect(f"file:{store}?mode=ro", uri=True, timeout=10)
    try:
        return connection.execute(sql).fetchone()[0]
    finally:
        connection.close()


def applied(store, events):
    """The store says that all events were counted: a benchmark of less would be worth nothing."""
    got = query(store, "SELECT coalesce(sum(total), 0) FROM v1_events WHERE fate = 'applied'")
    if got != events:
        raise Failed(f"{got} of {events} events were applied")


def configuration(path, brokers, topic, reference=None, hourly=False, commit_interval="10s", task="none"):
    """A configuration in the benchmark's directory; store run.db beside it. Without brokers for files only. The stream has
    no labels, which `task: none` says; with any other task every prediction is kept for the label it may get."""
    lines = ["api_version: 1", "pipeline: bench",
             f"store: {{path: {path.parent}/run.db, commit_interval: {commit_interval}}}", "workers: 1"]
    if brokers:
        lines += [f'kafka: {{bootstrap.servers: "{brokers}"}}', "start: earliest"]
    if hourly:
        lines += ["time: {tiers: [1h]}", "windows: [{length: 1h, slide: 1h}]"]
    else:
        lines += ["time: {tiers: [5m, 1h]}", "windows: [{length: 1h, slide: 5m}, {length: 24h, slide: 1h}]"]
    lines += ["inputs:", "  - name: predictions", "    kind: prediction"]
    if topic:
        lines.append(f"    topic: {topic}")
    if reference:
        lines += ["models:", '  - name: "*"', f"    task: {task}", f"    reference: {{file: {reference}}}"]
    path.write_text("\n".join(lines) + "\n")
    return path


def _first(pattern, text, otherwise="unknown"):
    found = re.search(pattern, text, re.M)
    return found.group(1).strip() if found else otherwise


def _version(arguments, pattern=r"(\d+[\w.]*)"):
    try:
        done = subprocess.run(arguments, capture_output=True, text=True, check=False)
        return _first(pattern, done.stdout + done.stderr)
    except OSError:
        return "not installed"


def machine():
    cpu = pathlib.Path("/proc/cpuinfo").read_text()
    memory = pathlib.Path("/proc/meminfo").read_text()
    return {
        "cpu": _first(r"^model name\s*:\s*(.*)$", cpu),
        "family_model_stepping": "/".join(_first(rf"^{name}\s*:\s*(\d+)$", cpu) for name in ("cpu family", "model", "stepping")),
        "cores": os.cpu_count(),
        "memory_gb": round(int(_first(r"^MemTotal:\s+(\d+)", memory, "0")) / 1e6),
        "kernel": platform.release().split("-")[0],
        "compiler": _version(["cc", "--version"], r"(\d+\.\d+\.\d+)"),
        "librdkafka": _version(["dpkg-query", "-W", "-f", "${Version}", "librdkafka1"]),
        "cjson": _version(["dpkg-query", "-W", "-f", "${Version}", "libcjson1"]),
        "load_before": round(os.getloadavg()[0], 2),
    }
