"""A node's end of the protocol, spoken by hand: what a hostile or broken agent could say."""

import base64
import json
import ssl
import tempfile
import urllib.error
import urllib.request

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from server_testing import Answer


class HandMadeNode:
    def __init__(self, token):
        padded = token.removeprefix("fhj_") + "=" * (-len(token.removeprefix("fhj_")) % 4)
        self.token = json.loads(base64.urlsafe_b64decode(padded))
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.id = self.certificate = None

    def request(self):
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a name of its own choice")])
        made = x509.CertificateSigningRequestBuilder().subject_name(name)
        made = made.sign(self.key, hashes.SHA256())
        return base64.b64encode(made.public_bytes(serialization.Encoding.DER)).decode()

    def context(self):
        made = ssl.create_default_context(cadata=self.token["authority"])
        if self.certificate:
            with tempfile.NamedTemporaryFile("w") as file:
                file.write(self.certificate + self.key.private_bytes(
                    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                    serialization.NoEncryption()).decode())
                file.flush()
                made.load_cert_chain(file.name)
        return made

    def ask(self, path, body, method="POST"):
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.token['server']}/agent/v1/{path}", method=method,
                                         data=data if method == "POST" else None)
        try:
            with urllib.request.urlopen(request, timeout=60, context=self.context()) as answer:
                return Answer(answer.status, answer.headers, answer.read().decode())
        except urllib.error.HTTPError as failure:
            return Answer(failure.code, failure.headers, failure.read().decode())

    def try_join(self, **other):
        return self.ask("join", {"token": self.token["id"], "secret": self.token["secret"],
                                 "request": self.request(), **other})

    def join(self):
        answer = self.try_join()
        assert answer.status == 200, answer
        self.id, self.certificate = answer.json["node"], answer.json["certificate"]
        return self

    def report(self, **fields):
        return self.ask("report", fields)
