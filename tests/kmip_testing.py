"""PyKMIP as a customer's key server: keys are made, revoked and destroyed through PyKMIP's own
client, and troubles of the network come from a relay before the server."""

import contextlib
import datetime
import ipaddress
import json
import os
import pathlib
import socket
import sqlite3
import struct
import subprocess
import threading
import warnings

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

warnings.filterwarnings("ignore", module="kmip")
from kmip.core import attributes, enums, objects  # noqa: E402
from kmip.core.messages import contents, messages, payloads  # noqa: E402
from kmip.pie.client import ProxyKmipClient  # noqa: E402

from freehold_testing import ROOT  # noqa: E402

DAY = datetime.timedelta(days=1)
MASKS = [enums.CryptographicUsageMask.ENCRYPT, enums.CryptographicUsageMask.DECRYPT]
OURS = ("GET", "GET_ATTRIBUTES")  # PyKMIP's Encrypt and Decrypt ask for the permission to GET
OWNERS = ("ACTIVATE", "REVOKE", "DESTROY", "LOCATE")


class Authority:
    """Signs certificates, and says which of them no longer count."""

    def __init__(self, directory, name="authority"):
        self.directory, self.name, self.revoked = directory, name, []
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.certificate = self._sign(
            name, self.key, x509.BasicConstraints(ca=True, path_length=0), critical=True)
        self.file = directory / f"{name}.pem"
        self.file.write_bytes(self.certificate.public_bytes(serialization.Encoding.PEM))
        self.write_revocations()

    def _sign(self, name, key, *extensions, critical=False, until=2 * DAY):
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, self.name)])
        now = datetime.datetime.utcnow()
        builder = (x509.CertificateBuilder().subject_name(subject).issuer_name(issuer)
                   .public_key(key.public_key()).serial_number(x509.random_serial_number())
                   .not_valid_before(now - 3 * DAY).not_valid_after(now + until))
        for extension in extensions:
            builder = builder.add_extension(extension, critical)
        return builder.sign(self.key, hashes.SHA256())

    def issue(self, name, file, *extensions, until=2 * DAY):
        """Writes FILE.pem and FILE.key."""
        key = ec.generate_private_key(ec.SECP256R1())
        made = self._sign(name, key, *extensions, until=until)
        (self.directory / f"{file}.pem").write_bytes(
            made.public_bytes(serialization.Encoding.PEM))
        (self.directory / f"{file}.key").write_bytes(key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption()))
        return made

    def issue_client(self, name, file=None, until=2 * DAY):
        usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH])
        return self.issue(name, file or name, usage, until=until)

    def issue_server(self):
        names = [x509.IPAddress(ipaddress.ip_address("127.0.0.1")), x509.DNSName("localhost")]
        return self.issue("server", "server", x509.SubjectAlternativeName(names))

    def hand_over(self, certificate_file, key_file):
        """To a customer who signs with it."""
        certificate_file.write_bytes(self.file.read_bytes())
        key_file.write_bytes(self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption()))

    def revoke(self, certificate):
        self.revoked.append(certificate.serial_number)
        self.write_revocations()

    def write_revocations(self):
        now = datetime.datetime.utcnow()
        builder = (x509.CertificateRevocationListBuilder().issuer_name(self.certificate.subject)
                   .last_update(now - DAY).next_update(now + DAY))
        for number in self.revoked:
            builder = builder.add_revoked_certificate(
                x509.RevokedCertificateBuilder().serial_number(number).revocation_date(now).build())
        text = builder.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
        (self.directory / "revoked.pem").write_bytes(text)


class Relay:
    """A port that passes everything on to another, until it is told to be a bad network."""

    def __init__(self, port):
        self.target, self.mode, self.held = port, "pass", []
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            if self.mode == "hang":
                self.held.append(connection)
            elif self.mode == "reset":
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                connection.close()
            else:
                self._join(connection)

    def _join(self, connection):
        try:
            onward = socket.create_connection(("127.0.0.1", self.target))
        except OSError:
            connection.close()
            return
        for ends in ((connection, onward), (onward, connection)):
            threading.Thread(target=self._pump, args=ends, daemon=True).start()

    @staticmethod
    def _pump(source, sink):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
        with contextlib.suppress(OSError):
            sink.shutdown(socket.SHUT_WR)

    def close(self):
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for connection in self.held:
            connection.close()


class KmipKms:
    """PyKMIP with an active AES key, the customer as its owner, and us as its user."""

    def __init__(self, directory, newest="1.4", tls="1.3"):
        self.directory = pathlib.Path(directory)
        self.directory.mkdir(parents=True)
        self.authority = Authority(self.directory)
        self.authority.issue_server()
        self.authority.issue_client("customer")
        self.our_certificate = self.authority.issue_client("freehold")
        self.settings = {"newest": newest, "tls": tls, "modes": ["GCM", "CTR"]}
        self.variables = {}
        self.set()
        self.allow(*OURS)
        self.process = subprocess.Popen(
            ["/usr/bin/python3", ROOT / "tests/kmip_server.py", self.directory],
            stdout=subprocess.PIPE, text=True)
        self.relay = Relay(int(self.process.stdout.readline()))
        self.key = self.make_key()

    def set(self, **settings):
        self.settings.update(settings)
        self._write("settings.json", self.settings)

    def _write(self, name, value):
        file = self.directory / f"{name}.new"
        file.write_text(json.dumps(value))
        file.rename(self.directory / name)

    def allow(self, *operations):
        """What anybody but the owner may do with keys."""
        rules = {name: "ALLOW_OWNER" for name in (*OURS, *OWNERS)}
        rules.update({name: "ALLOW_ALL" for name in operations})
        self._write("policy.json", {"acme": {"preset": {"SYMMETRIC_KEY": rules}}})

    @contextlib.contextmanager
    def customer(self, version=enums.KMIPVersion.KMIP_1_2):
        warnings.simplefilter("ignore", DeprecationWarning)  # ssl.wrap_socket
        settings = self.directory / "client.conf"
        settings.write_text("[client]\n")
        file = self.directory / "customer"
        with ProxyKmipClient("127.0.0.1", self.relay.target, f"{file}.pem", f"{file}.key",
                             str(self.authority.file), "PROTOCOL_TLS", config_file=str(settings),
                             kmip_version=version) as client:
            yield client

    def client_home(self, directory):
        """A home directory with PyKMIP's client configuration, as the customer has it."""
        (directory / ".pykmip").mkdir()
        file = self.directory / "customer"
        (directory / ".pykmip/pykmip.conf").write_text(
            f"[client]\nhost=127.0.0.1\nport={self.relay.target}\ncertfile={file}.pem\n"
            f"keyfile={file}.key\nca_certs={self.authority.file}\nssl_version=PROTOCOL_TLS\n")
        return directory

    def make_key(self, name="orders", active=True, masks=None, **more):
        """`more`: attributes by their names in PyKMIP, of KMIP 1.4."""
        version = enums.KMIPVersion.KMIP_1_4 if more else enums.KMIPVersion.KMIP_1_2
        wanted = {"CRYPTOGRAPHIC_ALGORITHM": enums.CryptographicAlgorithm.AES,
                  "CRYPTOGRAPHIC_LENGTH": 256, "CRYPTOGRAPHIC_USAGE_MASK": masks or MASKS,
                  "OPERATION_POLICY_NAME": "acme", "NAME": name} | more
        with self.customer(version) as client:
            template = objects.TemplateAttribute(attributes=[
                client.attribute_factory.create_attribute(enums.AttributeType[kind], value)
                for kind, value in wanted.items()])
            made = client.proxy.create(enums.ObjectType.SYMMETRIC_KEY, template)
            assert made.result_status.value == enums.ResultStatus.SUCCESS, made.result_message
            if active:
                client.activate(made.uuid)
        return made.uuid

    def decrypt(self, key, ciphertext, iv, tag, associated_data):
        """What the customer's own client gets; None when the server refuses."""
        parameters = attributes.CryptographicParameters(
            cryptographic_algorithm=enums.CryptographicAlgorithm.AES,
            block_cipher_mode=enums.BlockCipherMode.GCM, tag_length=16)
        payload = payloads.DecryptRequestPayload(
            unique_identifier=key, cryptographic_parameters=parameters, data=ciphertext,
            iv_counter_nonce=iv, auth_additional_data=associated_data, auth_tag=tag)
        with self.customer(enums.KMIPVersion.KMIP_1_4) as client:
            item = messages.RequestBatchItem(
                operation=contents.Operation(enums.Operation.DECRYPT), request_payload=payload)
            request = client.proxy._build_request_message(None, [item])
            answer = client.proxy._send_and_receive_message(request).batch_items[0]
        return answer.response_payload.data if answer.response_payload else None

    def revoke(self, reason=enums.RevocationReasonCode.CESSATION_OF_OPERATION, key=None):
        with self.customer() as client:
            client.revoke(reason, key or self.key)

    def compromise(self):
        self.revoke(enums.RevocationReasonCode.KEY_COMPROMISE)

    def destroy(self):
        self.revoke()
        with self.customer() as client:
            client.destroy(self.key)

    def uri(self, key=None):
        return f"kmip://127.0.0.1:{self.relay.port}/{key or self.key}"

    def new_key(self):
        return self.uri()

    def expire(self):
        self.authority.issue_client("freehold", until=-DAY)

    def withdraw(self):
        self.authority.revoke(self.our_certificate)

    def distrust(self):
        """The server's certificate is of an authority that we do not know."""
        other = Authority(self.directory, "other")
        self.authority.write_revocations()
        self.variables["FREEHOLD_KMIP_CA_FILE"] = str(other.file)

    def break_store(self):
        with contextlib.closing(sqlite3.connect(self.directory / "pykmip.db")) as store:
            store.execute("ALTER TABLE managed_objects RENAME TO gone")

    def mend_store(self):
        with contextlib.closing(sqlite3.connect(self.directory / "pykmip.db")) as store:
            store.execute("ALTER TABLE gone RENAME TO managed_objects")

    def fault(self, *options):
        """As the embedded KMS's: what of it a KMIP server can have."""
        if "--fail" in options:
            self.break_store()
        self.relay.mode = ("hang" if "--latency" in options
                           else "reset" if "--unreachable" in options else "pass")

    def environment(self, profile="customer"):
        file = self.directory / "freehold"
        ours = {"FREEHOLD_KMIP_SERVERS": f"127.0.0.1:{self.relay.port}",
                "FREEHOLD_KMIP_CA_FILE": str(self.authority.file),
                "FREEHOLD_KMIP_CERT_FILE": f"{file}.pem", "FREEHOLD_KMIP_KEY_FILE": f"{file}.key"}
        return dict(os.environ, **ours) | self.variables

    def private_key_line(self):
        return (self.directory / "freehold.key").read_text().splitlines()[1]

    def log(self):
        return (self.directory / "server.log").read_text()

    def stop(self):
        self.relay.close()
        self.process.kill()
        self.process.wait(60)
        self.process.stdout.close()
