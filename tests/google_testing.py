"""Google Cloud KMS for the tests: a client of the embedded KMS, signed in as a service account.

The signatures and the token grant are made here a second time, so that no mistake can agree with
itself.
"""

import base64
import json
import os
import ssl
import time
import urllib.error
import urllib.parse
import urllib.request

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding

from freehold_testing import EmbeddedKms, Volume

LOCATION = "projects/customer-project/locations/europe-west1"
RING = f"{LOCATION}/keyRings/ring"
FREEHOLD = "freehold@customer-project.iam.gserviceaccount.com"  # the customer's, for the operator
OPERATOR = "operator-owner@operator-project.iam.gserviceaccount.com"
USE = "roles/cloudkms.cryptoKeyEncrypterDecrypter"
VIEW = "roles/cloudkms.viewer"
ACT_AS = "roles/iam.serviceAccountTokenCreator"
SCOPE = "https://www.googleapis.com/auth/cloud-platform"


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def sign_jwt(credentials, claims):
    header = {"alg": "RS256", "typ": "JWT", "kid": credentials["private_key_id"]}
    text = ".".join(base64url(json.dumps(part).encode()) for part in (header, claims))
    key = serialization.load_pem_private_key(credentials["private_key"].encode(), None)
    signature = key.sign(text.encode(), padding.PKCS1v15(), hashes.SHA256())
    return text + "." + base64url(signature)


class GoogleError(Exception):
    """An answer that is no success: its HTTP status and its body."""

    def __init__(self, code, body):
        super().__init__(f"{code} {body}")
        self.code, self.body = code, body
        self.status = body["error"]["status"] if isinstance(body["error"], dict) else body["error"]


class GoogleKms(EmbeddedKms):
    """The embedded KMS over TLS, and requests as the two projects' owners make them."""

    def start(self, port=0):
        super().start(port)
        self.trust = ssl.create_default_context(cafile=self.directory / "ca.pem")
        self.tokens = {}

    def credentials(self, who):
        return json.loads((self.directory / f"google/{who}.json").read_text())

    def environment(self, profile="customer"):
        return dict(
            {name: value for name, value in os.environ.items() if "GOOGLE" not in name},
            GOOGLE_APPLICATION_CREDENTIALS=str(self.directory / f"google/{profile}.json"),
            CLOUDSDK_API_ENDPOINT_OVERRIDES_CLOUDKMS=self.tls_url + "/",
            CLOUDSDK_API_ENDPOINT_OVERRIDES_IAMCREDENTIALS=self.tls_url + "/",
            CLOUDSDK_CORE_CUSTOM_CA_CERTS_FILE=str(self.directory / "ca.pem"),
        )

    def send(self, method, path, body, headers):
        request = urllib.request.Request(self.tls_url + path, body, headers, method=method)
        try:
            with urllib.request.urlopen(request, context=self.trust, timeout=30) as answer:
                return json.loads(answer.read())
        except urllib.error.HTTPError as refusal:
            raise GoogleError(refusal.code, json.loads(refusal.read())) from None

    def grant(self, assertion):
        form = {"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer", "assertion": assertion}
        return self.send("POST", "/token", urllib.parse.urlencode(form).encode(), {})

    def claims(self, credentials, **changed):
        now = int(time.time())
        return {"iss": credentials["client_email"], "aud": credentials["token_uri"],
                "scope": SCOPE, "iat": now, "exp": now + 3600, **changed}

    def token(self, who):
        if who not in self.tokens:
            credentials = self.credentials(who)
            granted = self.grant(sign_jwt(credentials, self.claims(credentials)))
            self.tokens[who] = granted["access_token"]
        return self.tokens[who]

    def ask(self, method, path, body=None, who="customer", token=None):
        headers = {"authorization": f"Bearer {token or self.token(who)}"}
        data = None if body is None else json.dumps(body).encode()
        return self.send(method, "/v1/" + path, data, headers)

    def new_key(self, name="key", **fields):
        """A key in the customer's ring that FREEHOLD may use and look at, and OPERATOR act as."""
        made = self.ask("POST", f"{RING}/cryptoKeys?cryptoKeyId={name}",
                        {"purpose": "ENCRYPT_DECRYPT", **fields})["name"]
        self.bind(made, {USE: [FREEHOLD], VIEW: [FREEHOLD]})
        return made

    def bind(self, resource, roles):
        bindings = [{"role": role, "members": [f"serviceAccount:{each}" for each in members]}
                    for role, members in roles.items()]
        return self.ask("POST", f"{resource}:setIamPolicy", {"policy": {"bindings": bindings}})

    def trust_operator(self, trusted=True):
        self.bind(f"projects/customer-project/serviceAccounts/{FREEHOLD}",
                  {ACT_AS: [OPERATOR]} if trusted else {})

    def set_up(self):
        self.ask("POST", f"{LOCATION}/keyRings?keyRingId=ring", {})
        self.ask("POST", "projects/customer-project/serviceAccounts", {"accountId": "freehold"})
        self.trust_operator()
        return self

    def set_state(self, version, state):
        return self.ask("PATCH", f"{version}?updateMask=state", {"state": state})


class GoogleVolume(Volume):
    """A volume of the operator's under a key of the customer's."""

    access = ("--principal", FREEHOLD)

    def __init__(self, kms, directory, key):
        super().__init__(kms, directory, key, profile="operator")

    def create(self, *arguments):
        result = self.volume("create", "--key", self.key, *self.access, *arguments)
        assert result.code == 0, result
        return self
