"""A server that was taken over, as an agent meets it: it has the agents' authority, orders what it
likes, and keeps every byte that it is sent."""

import base64
import datetime
import http.server
import ipaddress
import json
import socket
import ssl
import tempfile
import threading

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from freehold_testing import wait_for

PEM = serialization.Encoding.PEM
PIECE = 1 << 16
MOST = 64 << 20  # bytes of a stream without an end, before it only stays open


def _named(text):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


class Authority:
    def __init__(self):
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.certificate = self._builder(_named("authority"), self.key.public_key()).add_extension(
            x509.BasicConstraints(ca=True, path_length=0), True).sign(self.key, hashes.SHA256())

    def _builder(self, subject, public_key):
        now = datetime.datetime.utcnow()
        return (x509.CertificateBuilder().subject_name(subject).issuer_name(_named("authority"))
                .public_key(public_key).serial_number(x509.random_serial_number())
                .not_valid_before(now - datetime.timedelta(hours=1))
                .not_valid_after(now + datetime.timedelta(days=30)))

    @property
    def pem(self):
        return self.certificate.public_bytes(PEM).decode()

    def certify(self, name, public_key):
        made = self._builder(_named(name), public_key).add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False)
        return made.sign(self.key, hashes.SHA256()).public_bytes(PEM).decode()

    def server_context(self):
        key = ec.generate_private_key(ec.SECP256R1())
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        with tempfile.NamedTemporaryFile("w") as file:
            file.write(self.certify("127.0.0.1", key.public_key()) + key.private_bytes(
                PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()).decode())
            file.flush()
            context.load_cert_chain(file.name)
        context.load_verify_locations(cadata=self.pem)
        context.verify_mode = ssl.CERT_OPTIONAL
        return context


class _Listener(http.server.ThreadingHTTPServer):
    daemon_threads = True
    hostile = None

    def finish_request(self, request, client_address):
        # In the connection's own thread: a client that does not trust us holds up nobody.
        try:
            request.settimeout(60)
            context = self.hostile.authority.server_context()
            tls = context.wrap_socket(request, server_side=True)
        except OSError:
            self.hostile.distrusted += 1
            return
        with tls:
            self.RequestHandlerClass(tls, client_address, self)

    def handle_error(self, request, client_address):
        pass  # clients go away as they like


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *words):
        pass

    @property
    def hostile(self):
        return self.server.hostile

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        self.hostile.received.append(str(self.headers).encode() + body)
        answer = {"/agent/v1/join": self.hostile.certified, "/agent/v1/renew": self.hostile.certified,
                  "/agent/v1/report": self.hostile.take_report}[self.path](body)
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(answer)))
        if self.hostile.hangs_up:
            self.send_header("connection", "close")
        self.end_headers()
        self.wfile.write(answer)

    def do_GET(self):
        assert self.path == "/agent/v1/events", self.path
        self.hostile.received.append(str(self.headers).encode())
        self.close_connection = True
        if self.hostile.stream:
            self.hostile.stream(self)


class HostileServer:
    """`order()` sets what it wants of its node; `stream` is how it serves the events."""

    def __init__(self):
        self.authority = Authority()
        self.received = []  # every request as it came: headers and body
        self.reports = []
        self.document = {"epoch": "e1", "revision": 0, "node": "n1", "region": "us-east-1"}
        self.raw = None  # said in the document's place
        self.changed = threading.Condition()
        self.stopping = self.hangs_up = False
        self.distrusted = 0  # connections that came to nothing
        self.stream = self.honest_stream
        self.listener = _Listener(("127.0.0.1", 0), _Handler)
        self.listener.hostile = self
        self.url = "https://127.0.0.1:%d" % self.listener.server_address[1]
        threading.Thread(target=self.listener.serve_forever, daemon=True).start()

    def stop(self):
        self.stopping = True
        with self.changed:
            self.changed.notify_all()
        self.listener.shutdown()
        self.listener.server_close()

    def token(self):
        text = json.dumps({"server": self.url, "authority": self.authority.pem, "id": "t1",
                           "secret": "0" * 64})
        return "fhj_" + base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")

    # ---- what a node asks ----

    def certified(self, body):
        request = x509.load_der_x509_csr(base64.b64decode(json.loads(body)["request"]))
        return json.dumps({"node": "n1", "certificate": self.authority.certify(
            "n1", request.public_key())}).encode()

    def take_report(self, body):
        with self.changed:
            self.reports.append(json.loads(body))
            self.changed.notify_all()
            return self.said()

    def said(self):
        return self.raw if self.raw is not None else json.dumps(self.document).encode()

    def honest_stream(self, handler):
        """Of what it says now and after every change."""
        handler.wfile.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n")
        told = None
        while not self.stopping and self.stream == self.honest_stream:
            with self.changed:
                said = self.said()
                if said == told:
                    self.changed.wait(1)
                    continue
            handler.wfile.write(b"event: desired\ndata: " + said + b"\n\n")
            told = said

    def endless(self, piece, head=b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n"):
        """A stream of `piece` again and again, and open after that. Returns how much went out."""
        sent = []

        def stream(handler):
            handler.wfile.write(head)
            block = piece * max(1, PIECE // len(piece))
            while not self.stopping and self.stream is stream:
                if sum(sent) < MOST:
                    handler.wfile.write(block)
                    sent.append(len(block))
                else:
                    with self.changed:
                        self.changed.wait(1)
        self.stream = stream
        return sent

    # ---- what it orders ----

    def order(self, **fields):
        """Adds to what is wanted; the order's number."""
        with self.changed:
            self.raw = None
            self.document = {**self.document, **fields, "revision": self.document["revision"] + 1}
            self.changed.notify_all()
            return self.document["revision"]

    def say(self, raw):
        with self.changed:
            self.raw = raw
            self.changed.notify_all()

    def wait_report(self, what, condition, seconds=60):
        """The first report from now on that fits."""
        seen = len(self.reports)

        def found():
            return next((report for report in self.reports[seen:] if condition(report)), None)
        try:
            return wait_for(what, found, seconds)
        except AssertionError as failure:
            raise AssertionError(f"{failure}; last said: {self.reports[-1:]}") from None

    def obeyed(self, revision, seconds=60):
        return self.wait_report(f"order {revision} is known",
                                lambda report: report["revision"] == revision, seconds)


class Trap:
    """Listens where only an agent that obeys too much would connect."""

    def __init__(self):
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]

    def was_entered(self):
        self.socket.settimeout(0.2)
        try:
            self.socket.accept()[0].close()
        except TimeoutError:
            return False
        return True


def settle(hostile, reports=3):
    """Some reports later: whatever was to come of an order has begun."""
    for _ in range(reports):
        hostile.wait_report("another report", lambda report: True)
