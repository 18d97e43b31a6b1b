"""A KMIP server: PyKMIP's protocol, engine and store, behind a listener with TLS of today.

PyKMIP's own launcher knows one file of settings, TLS 1.2 at most and no revocation list. This one
reads its settings anew at every connection, so that a test changes them while it runs:

  settings.json  {"newest": "1.4" of KMIP's versions, "tls": "1.3", "modes": ["GCM", "CTR"]}
  policy.json    operation policies, as PyKMIP reads them
  authority.pem, revoked.pem, server.pem, server.key

python3 kmip_server.py DIRECTORY: says the port on standard output, and serves until it is killed.
"""

import json
import logging
import pathlib
import socket
import ssl
import sys
import warnings

warnings.filterwarnings("ignore")

from kmip.core import policy as operation_policy  # noqa: E402
from kmip.core.messages import contents  # noqa: E402
from kmip.services.server.engine import KmipEngine  # noqa: E402
from kmip.services.server.session import KmipSession  # noqa: E402


def tls_context(directory, settings):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.maximum_version = ssl.TLSVersion["TLSv" + settings["tls"].replace(".", "_")]
    context.load_cert_chain(directory / "server.pem", directory / "server.key")
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(directory / "authority.pem")
    context.load_verify_locations(directory / "revoked.pem")
    context.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF
    return context


def main(directory):
    logging.basicConfig(filename=directory / "server.log", level=logging.INFO)
    policies = {}
    engine = KmipEngine(policies=policies, database_path=str(directory / "pykmip.db"))
    all_versions = engine._protocol_versions
    all_modes = engine._cryptography_engine._modes
    listener = socket.create_server(("127.0.0.1", 0), backlog=64)
    print(listener.getsockname()[1], flush=True)
    while True:
        connection, address = listener.accept()
        settings = json.loads((directory / "settings.json").read_text())
        newest = contents.ProtocolVersion(*map(int, settings["newest"].split(".")))
        engine._protocol_versions = [version for version in all_versions if version <= newest]
        engine._cryptography_engine._modes = {
            mode: made for mode, made in all_modes.items() if mode.name in settings["modes"]}
        policies.clear()
        policies.update(operation_policy.policies)
        policies.update(operation_policy.read_policy_from_file(str(directory / "policy.json")))
        try:
            wrapped = tls_context(directory, settings).wrap_socket(
                connection, server_side=True, do_handshake_on_connect=False)
        except OSError:  # it is gone already
            continue
        wrapped.settimeout(20)
        session = KmipSession(engine, wrapped, address, enable_tls_client_auth=True)
        session.daemon = True
        session.start()


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
