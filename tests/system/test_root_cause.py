"""Where a drift comes from: the PSI of a feature split by the segments of a key, against numpy on the raw values."""

import json

import numpy
import pytest

import driftd
import streams
from streams import START
from webhook_receiver import Receiver

DAY_MS = 86_400_000
CHANNELS = ["app", "branch", "web"]

BODY = """time: {tiers: [1h, 1d], lateness: 1h}
windows: [{length: 1d, slide: 1d}]
models: [{name: m, task: none, reference: {file: "REFERENCE"}}]
rules: [{name: drift, metric: psi, warning: 0.1}]
"""


def draw(rng, n, shares, shift):
    """(channel, income): `shift` by channel."""
    channels = rng.choice(CHANNELS, n, p=shares)
    return [(channel, float(rng.normal(10 + shift.get(channel, 0), 2))) for channel in channels]


def events(rows, start_ms):
    step = DAY_MS // len(rows)
    return [{"type": "prediction", "model": "m", "version": "1", "id": f"{start_ms}-{i}", "ts": start_ms + i * step,
             "features": {"income": income}, "segments": {"channel": channel, "half": "am" if i * 2 < len(rows) else "pm"}}
            for i, (channel, income) in enumerate(rows)]


def split(reference, current, edges, groups):
    """METHODS §14 from its formula: {channel: (mix, within)} and the PSI, half a count added to every cell."""
    psi_bin = numpy.repeat(numpy.arange(len(groups)), groups)

    def counts(rows):
        out = numpy.full((len(CHANNELS) + 1, len(groups)), 0.5)
        for channel, income in rows:
            fine = numpy.clip(numpy.searchsorted(edges, income, side="left"), 1, len(edges) - 1) - 1
            out[CHANNELS.index(channel), psi_bin[fine]] += 1
        return out

    m, n = counts(reference), counts(current)
    p, q = m.sum(0) / m.sum(), n.sum(0) / n.sum()
    ratio = numpy.log(q / p)
    centred = ratio - (0.5 * (p + q) * ratio).sum()
    v, w = m.sum(1) / m.sum(), n.sum(1) / n.sum()
    p_s, q_s = m / m.sum(1, keepdims=True), n / n.sum(1, keepdims=True)
    mix = (w - v) * (centred * 0.5 * (p_s + q_s)).sum(1)
    within = 0.5 * (w + v) * (centred * (q_s - p_s)).sum(1)
    psi = ((q - p) * ratio).sum()
    assert mix.sum() + within.sum() == pytest.approx(psi, rel=1e-9)
    return {channel: (mix[i], within[i]) for i, channel in enumerate(CHANNELS)}, psi


def run(directory, reference, files, workers=1):
    """A replay whose alerts are delivered; the configuration is said to be the same, whatever the port."""
    with Receiver() as receiver:
        store = streams.replay(directory, "m", BODY.replace("REFERENCE", str(reference)) + receiver.sink(), files, workers)
        assert not receiver.bad
    return store


SCENARIOS = {  # shares and shifts of the window; what must be found
    "inside_one": ([0.3, 0.2, 0.5], {"web": 2.5}, "web", "within"),
    "shares": ([0.05, 0.05, 0.9], {}, None, "mix"),
    "a_segment_is_gone": ([0.4, 0.0, 0.6], {"app": 2.0}, "app", "within"),
}


@pytest.fixture(scope="module", params=SCENARIOS)
def case(request, tmp_path_factory):
    shares, shift, _, _ = SCENARIOS[request.param]
    directory = tmp_path_factory.mktemp(request.param)
    rng = numpy.random.default_rng(7)
    base = {"web": 3.0} if request.param == "shares" else {}
    reference = draw(rng, 8000, [0.3, 0.2, 0.5], base)
    current = draw(rng, 6000, shares, {**base, **shift})
    driftd.run("reference", "build", streams.write(directory / "reference.ndjson", events(reference, START - 30 * DAY_MS)),
               "--model", "m", "-o", directory / "reference.json")
    store = run(directory, directory / "reference.json", [streams.write(directory / "events.ndjson", events(current, START))])
    return request.param, directory, store, reference, current


def rows(store, metric):
    return dict(driftd.query(store, "SELECT segment, value FROM v1_results WHERE metric = ? AND feature = 'income' AND segment LIKE 'channel=%'", metric))


def test_the_split_is_that_of_the_raw_values(case):
    name, directory, store, reference, current = case
    grid = json.loads((directory / "reference.json").read_text())["features"]["income"]
    want, psi = split(reference, current, numpy.array(grid["edges"]), grid["psi_bins"])
    mix, within, part = rows(store, "cause_mix"), rows(store, "cause_within"), rows(store, "cause_part")
    assert set(part) == {f"channel={channel}" for channel in CHANNELS}
    for channel in CHANNELS:
        assert mix[f"channel={channel}"] == pytest.approx(want[channel][0], rel=1e-9, abs=1e-12)
        assert within[f"channel={channel}"] == pytest.approx(want[channel][1], rel=1e-9, abs=1e-12)
    assert sum(part.values()) == pytest.approx(psi, rel=0.01)  # the rest is half a count in every bin


def test_the_right_segment_and_the_right_kind(case):
    name, _, store, _, _ = case
    _, _, culprit, kind = SCENARIOS[name]
    share = rows(store, "cause_share")
    if culprit:
        assert max(share, key=share.get) == f"channel={culprit}"
    mix, within = rows(store, "cause_mix"), rows(store, "cause_within")
    if kind == "within":
        assert within[f"channel={culprit}"] > 5 * abs(mix[f"channel={culprit}"])
    else:
        assert sum(mix.values()) > 5 * abs(sum(within.values()))


def test_the_alert_names_the_segments(case):
    name, _, store, _, _ = case
    _, _, culprit, _ = SCENARIOS[name]
    (body,) = driftd.query(store, "SELECT body FROM v1_outbox")[0]
    alerts = [alert for alert in json.loads(body)["data"]["alerts"] if alert["feature"] == "income" and alert["segment"] == ""]
    assert alerts and (not culprit or alerts[0]["segments"][0]["segment"] == f"channel={culprit}")
    assert set(alerts[0]["segments"][0]) == {"segment", "share", "mix", "within"}


def test_the_same_bytes_from_any_order(case, tmp_path):
    _, directory, store, _, current = case
    rng = numpy.random.default_rng(3)
    items = events(current, START)
    items.sort(key=lambda item: item["ts"] + rng.uniform(0, 3_500_000))
    parts = [streams.write(tmp_path / f"part{i}.ndjson", items[i::3]) for i in range(3)]
    other = run(tmp_path, directory / "reference.json", parts, workers=2)
    one, two = driftd.canonical(store), driftd.canonical(other)
    one["outbox"] = [row.replace(str(directory), "") for row in one["outbox"]]  # the body says where the store is
    two["outbox"] = [row.replace(str(tmp_path), "") for row in two["outbox"]]
    assert driftd.difference(one, two) == ""


def test_nothing_is_explained_without_drift(tmp_path):
    rng = numpy.random.default_rng(11)
    reference, current = draw(rng, 8000, [0.3, 0.2, 0.5], {}), draw(rng, 6000, [0.3, 0.2, 0.5], {})
    driftd.run("reference", "build", streams.write(tmp_path / "r.ndjson", events(reference, START - 30 * DAY_MS)), "--model", "m", "-o", tmp_path / "r.json")
    store = run(tmp_path, tmp_path / "r.json", [streams.write(tmp_path / "e.ndjson", events(current, START))])
    assert driftd.query(store, "SELECT count(*) FROM v1_results WHERE monitor = 'cause'") == [(0,)]
    assert driftd.query(store, "SELECT count(*) > 0 FROM v1_results WHERE monitor = 'drift'") == [(1,)]


def test_explain_says_so(case):
    name, _, store, _, _ = case
    _, _, culprit, kind = SCENARIOS[name]
    answer = json.loads(driftd.run("explain", "m", "--json", "-s", store).stdout)
    assert answer["features"][0]["feature"] == "income" and answer["features"][0]["state"] in ("warning", "critical")
    assert answer["bins"] and all(row["psi_term"] > 0 for row in answer["bins"])
    channels = [row for row in answer["segments"] if row["feature"] == "income" and row["segment"].startswith("channel=")]
    assert len(channels) == len(CHANNELS)
    if culprit:
        assert max(channels, key=lambda row: row["share"])["segment"] == f"channel={culprit}"
    text = driftd.run("explain", "m", "-s", store).stdout
    assert "income" in text and "channel=" in text


def test_explain_complains(case):
    _, _, store, _, _ = case
    done = driftd.run("explain", "other", "-s", store, check=False)
    assert done.returncode == 1 and "other" in done.stderr
