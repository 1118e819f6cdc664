"""A webhook endpoint of ours that lets the `standardwebhooks` package judge every request."""

import http.server
import json
import threading

from standardwebhooks.webhooks import Webhook, WebhookVerificationError

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


class Receiver:
    """Answers 200, or 500 to the requests numbered in `refused`. `arrived`: [(webhook-id, body as text, answered)]."""

    def __init__(self, refused=()):
        self.arrived, self.bad, self.lock = [], [], threading.Lock()
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"])).decode()
                try:
                    Webhook(SECRET).verify(body, dict(self.headers))
                    json.loads(body)
                except (WebhookVerificationError, ValueError) as error:
                    receiver.bad.append(str(error))
                with receiver.lock:
                    status = 500 if len(receiver.arrived) in refused else 200
                    receiver.arrived.append((self.headers["webhook-id"], body, status))
                self.send_response(status)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def sink(self):
        return (f"sinks: [{{name: ops, url: \"http://127.0.0.1:{self.server.server_port}/hook\", allow_http: true, "
                f"allow_private: true, secrets: [\"{SECRET}\"]}}]\n")

    def accepted(self):
        with self.lock:
            return {id for id, _, status in self.arrived if status == 200}

    def bodies(self):
        """{id: the set of bodies that came under it}"""
        out = {}
        with self.lock:
            for id, body, _ in self.arrived:
                out.setdefault(id, set()).add(body)
        return out

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()
