"""What we send, read by somebody else's code: the `standardwebhooks` package verifies, Python's TLS server judges."""

import datetime
import http.server
import json
import os
import pathlib
import ssl
import subprocess
import threading
import time

import pytest
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

ROOT = pathlib.Path(__file__).resolve().parents[2]
TOOLS = pathlib.Path(os.environ.get("DRIFTD_TOOLS", ROOT / "build" / "release" / "tools"))
GOLDEN = sorted((ROOT / "tests" / "golden").glob("alert_*.json"))

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OTHER = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
ID = "0123456789abcdef0123456789abcdef"


def sign(body, timestamp, *secrets):
    done = subprocess.run([TOOLS / "tool_sign", ID, str(timestamp), *secrets], input=body, capture_output=True, check=True)
    return done.stdout.decode().strip()


def headers(timestamp, signature):
    return {"webhook-id": ID, "webhook-timestamp": str(timestamp), "webhook-signature": signature}


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_bodies_verify(path):
    body, now = path.read_bytes().rstrip(b"\n"), int(time.time())
    assert Webhook(SECRET).verify(body, headers(now, sign(body, now, SECRET))) == json.loads(body)


def test_odd_bodies_verify():
    for body in (b'{"a":"\xc3\xa4\xf0\x9f\x90\xa2"}', b'{"dots":"a.b.c"}', b"{}", json.dumps({"x": "y" * 19000}).encode()):
        now = int(time.time())
        Webhook(SECRET).verify(body, headers(now, sign(body, now, SECRET)))


def test_both_secrets_verify_during_rotation():
    now = int(time.time())
    signature = sign(b"{}", now, SECRET, OTHER)
    Webhook(SECRET).verify(b"{}", headers(now, signature))
    Webhook(OTHER).verify(b"{}", headers(now, signature))


def test_tampering_is_seen():
    now = int(time.time())
    good = headers(now, sign(b'{"a":1}', now, SECRET))
    for body, changed in (
        (b'{"a":2}', {}),
        (b'{"a":1}', {"webhook-id": "another"}),
        (b'{"a":1}', {"webhook-timestamp": str(now + 1)}),
    ):
        with pytest.raises(WebhookVerificationError):
            Webhook(SECRET).verify(body, {**good, **changed})
    with pytest.raises(WebhookVerificationError):
        Webhook(OTHER).verify(b'{"a":1}', good)


def test_a_replay_after_five_minutes_is_refused():
    old = int(time.time()) - 301
    with pytest.raises(WebhookVerificationError, match="old"):
        Webhook(SECRET).verify(b"{}", headers(old, sign(b"{}", old, SECRET)))


# ---- on the wire ----


class Receiver(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.seen.append((dict(self.headers), body))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_):
        pass


def certificate(directory, name, days):
    """Self-signed for `name`; `days` < 0: expired that long ago."""
    key, crt = directory / f"{name}.key", directory / f"{name}.crt"
    alternative = f"IP:{name}" if name[0].isdigit() else f"DNS:{name}"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-subj", "/CN=driftd test"]
    command += ["-addext", f"subjectAltName={alternative}", "-days", str(max(days, 1)), "-out", crt]
    subprocess.run(command, check=True, capture_output=True)
    if days < 0:
        # openssl 3.0's req cannot set the dates; its ca command can.
        (directory / "index.txt").write_text("")
        (directory / "ca.cnf").write_text(
            f"[ca]\ndefault_ca=d\n[d]\ndatabase={directory}/index.txt\nnew_certs_dir={directory}\nrand_serial=yes\n"
            "default_md=sha256\npolicy=p\ncopy_extensions=copy\n[p]\ncommonName=supplied\n"
        )
        csr, expired = directory / "expired.csr", directory / "expired.crt"
        subject = ["-subj", "/CN=driftd test", "-addext", f"subjectAltName={alternative}"]
        subprocess.run(["openssl", "req", "-new", "-key", key, *subject, "-out", csr], check=True, capture_output=True)
        now = datetime.datetime.now(datetime.timezone.utc)
        ends = (now + datetime.timedelta(days=days)).strftime("%Y%m%d%H%M%SZ")
        begins = (now + datetime.timedelta(days=days - 10)).strftime("%Y%m%d%H%M%SZ")
        command = ["openssl", "ca", "-batch", "-config", directory / "ca.cnf", "-selfsign", "-keyfile", key, "-in", csr]
        command += ["-out", expired, "-startdate", begins, "-enddate", ends, "-notext"]
        subprocess.run(command, check=True, capture_output=True)
        crt = expired
    return key, crt


class Server:
    def __init__(self, key=None, crt=None, newest=None):
        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
        self.http.seen = []
        self.http.handle_error = lambda *_: None  # refused handshakes are what we want
        if key:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(crt, key)
            if newest:
                context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
                context.maximum_version = newest
                context.set_ciphers("ALL:@SECLEVEL=0")
            self.http.socket = context.wrap_socket(self.http.socket, server_side=True, do_handshake_on_connect=False)
        self.url = f"http{'s' if key else ''}://127.0.0.1:{self.http.server_port}/hook"

    def __enter__(self):
        self.thread = threading.Thread(target=self.http.serve_forever, args=(0.05,))
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.http.shutdown()
        self.thread.join()
        self.http.server_close()


def send(url, *options):
    return subprocess.run(
        [TOOLS / "tool_send", url, SECRET, *options], input=b'{"a":1}', capture_output=True, timeout=60
    )


def test_what_arrives_verifies():
    with Server() as server:
        done = send(server.url)
        assert done.returncode == 0, done.stdout
        seen, body = server.http.seen[0]
    assert Webhook(SECRET).verify(body, {name.lower(): value for name, value in seen.items()}) == {"a": 1}
    assert seen["Idempotency-Key"] == ID


def test_private_addresses_need_permission():
    with Server() as server:
        done = send(server.url, "--public")
        assert done.returncode == 1 and b"allow_private" in done.stdout
        assert server.http.seen == []


def test_certificates(tmp_path):
    key, crt = certificate(tmp_path, "127.0.0.1", 2)
    with Server(key, crt) as server:
        refused = send(server.url)
        assert refused.returncode == 1 and server.http.seen == []
        assert b"certificate" in refused.stdout and b"/hook" not in refused.stdout
        assert send(server.url, "--ca", crt).returncode == 0
        assert send(server.url, "--insecure").returncode == 0
        assert len(server.http.seen) == 2
    key, crt = certificate(tmp_path, "other.example", 2)
    with Server(key, crt) as server:
        assert send(server.url, "--ca", crt).returncode == 1  # the wrong host
        assert server.http.seen == []
    key, crt = certificate(tmp_path, "127.0.0.1", -5)
    with Server(key, crt) as server:
        refused = send(server.url, "--ca", crt)
        assert refused.returncode == 1 and b"expired" in refused.stdout
        assert server.http.seen == []


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_old_protocols_are_refused(tmp_path):
    key, crt = certificate(tmp_path, "127.0.0.1", 2)
    with Server(key, crt, newest=ssl.TLSVersion.TLSv1_1) as server:
        assert send(server.url, "--ca", crt).returncode == 1
        assert server.http.seen == []
    with Server(key, crt, newest=ssl.TLSVersion.TLSv1_2) as server:
        assert send(server.url, "--ca", crt).returncode == 0
