"""Those whom a service tells: a webhook's receiver that verifies what it gets, and a mail server."""

import base64
import email
import email.policy
import hashlib
import hmac
import http.server
import json
import ssl
import subprocess
import threading
import time

from aiosmtpd.controller import Controller

from freehold_testing import wait_for
from postgres_testing import free_port

CONTACTS = "/api/v1/contacts"


class Receiver:
    """An https server on loopback. Each request takes the next of `answers`, then 200."""

    def __init__(self, directory, tls=True):
        self.events, self.ids, self.answers, self.secret = [], [], [], None
        self.bad = []
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                receiver.take(self)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.certificate = directory / "hook.pem"
        if tls:
            key = directory / "hook.key"
            subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
                            "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1",
                            "-keyout", key, "-out", self.certificate], check=True,
                           capture_output=True)
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(self.certificate, key)
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.server.server_port}/keys?a=b"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def take(self, request):
        body = request.rfile.read(int(request.headers["content-length"]))
        status = self.answers.pop(0) if self.answers else 200
        if not self.is_genuine(request.headers, body):
            self.bad.append(dict(request.headers))
            status = 401
        self.ids.append(request.headers["webhook-id"])
        if status == 200:
            self.events.append(json.loads(body))
        request.send_response(status)
        if status == 302:
            request.send_header("location", self.url)
        request.send_header("content-length", "0")
        request.end_headers()

    def is_genuine(self, headers, body):
        """As Standard Webhooks has it."""
        if self.secret is None:
            return True
        key = base64.b64decode(self.secret.removeprefix("whsec_"))
        text = b".".join((headers["webhook-id"].encode(), headers["webhook-timestamp"].encode(),
                          body))
        wanted = "v1," + base64.b64encode(hmac.new(key, text, hashlib.sha256).digest()).decode()
        fresh = abs(time.time() - int(headers["webhook-timestamp"])) < 300
        return fresh and hmac.compare_digest(wanted, headers["webhook-signature"])

    def types(self):
        return [event["type"] for event in self.events]

    def wait(self, *types):
        wait_for(f"{types}, got {self.types()}", lambda: self.types() == list(types))
        assert not self.bad
        return self.events[-1]

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


class MailBox:
    """A real SMTP server on loopback; with a login, only by STARTTLS."""

    def __init__(self, certificate=None, key=None, login=None):
        self.mails, self.senders, self.logins = [], [], []
        options = {}
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate, key)
            options = {"tls_context": context, "require_starttls": True, "auth_required": True,
                       "authenticator": lambda *words: self.judge(words[-1], login)}
        self.port = free_port()
        self.controller = Controller(self, hostname="127.0.0.1", port=self.port, **options)
        self.controller.start()
        self.url = f"smtp://127.0.0.1:{self.port}"

    def judge(self, given, login):
        from aiosmtpd.smtp import AuthResult
        self.logins.append((given.login.decode(), given.password.decode()))
        return AuthResult(success=self.logins[-1] == login)

    async def handle_DATA(self, _server, _session, envelope):
        mail = email.message_from_bytes(envelope.content, policy=email.policy.default)
        self.senders.append((envelope.mail_from, envelope.rcpt_tos))
        self.mails.append(mail)
        return "250 taken"

    def wait(self, subject):
        wait_for(f"a mail '{subject}', got {[mail['subject'] for mail in self.mails]}",
                 lambda: any(subject in mail["subject"] for mail in self.mails))
        return next(mail for mail in self.mails if subject in mail["subject"])

    def stop(self):
        self.controller.stop()


def add(server, key, kind, address, purpose="TECHNICAL"):
    return server.made(CONTACTS, key, {"purpose": purpose, "type": kind, "address": address})


def add_webhook(server, key, receiver, purpose="TECHNICAL"):
    made = add(server, key, "WEBHOOK", receiver.url, purpose)
    receiver.secret = made["secret"]
    return made["id"]


def contact_of(server, key, contact):
    [found] = [one for one in server.ask("GET", CONTACTS, key).json["contacts"]
               if one["id"] == contact]
    return found
