#!/usr/bin/env python3
"""Makes the seeds under fuzz/corpus/ from the pages' examples, the profiles and the wire's words.

The seeds are in the repository: run this when a format changes. Each function is one target.
"""

import base64
import hashlib
import json
import pathlib
import re
import struct

from kmip_seeds import kmip_answers

ROOT = pathlib.Path(__file__).resolve().parent.parent
ARN = "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
MRK = "aws-kms://arn:aws-cn:kms:cn-north-1:111122223333:key/mrk-1234abcd12ab34cd56ef1234567890ab"
ROLE = "arn:aws:iam::444455556666:role/r"


def page_dump(page, name):
    """The bytes of a ```hexdump of docs/format/."""
    text = (ROOT / "docs/format" / page).read_text()
    block = re.search(rf"```hexdump {name}\n(.*?)```", text, re.S).group(1)
    out, row = b"", b""
    for line in block.splitlines():
        if line == "*":
            continue
        offset = int(line[:8], 16)
        while len(out) < offset and row:
            out += row
        row = bytes.fromhex(line[8:].split("|")[0].replace(" ", ""))
        out += row
    return out


def file_header():
    header = page_dump("file.md", "example-file")[:4096]
    empty = bytes(512)
    written_once = page_dump("file.md", "example-ctr-file")[:4096]
    return [header, written_once, empty + header[512:], header[:2048] + empty + header[2560:], header[:512],
            bytes(4096), header[:100]]


def encrypted_file():
    example = page_dump("file.md", "example-file")
    where = [(0, 5), (40, 20), (51, 16), (300, 700)]
    files = [example, example[:4096 + 32], example[:4096], b"", example[:-2]]
    return [struct.pack(">H", at) + bytes(divmod(length, 16)) + file
            for file, (at, length) in zip(files, where + [(5, 3)])]


def keyring():
    example = page_dump("keyring.md", "example-keyring")
    return [example, example[:60], example + b"\0"]


def reencrypt_journal():
    return [bytes([0, 0]) + b"c" * 64, bytes([3, 5]) + b"c" * 4096, b"FHOLDJRN\1\0" + bytes(200)]


def profile():
    return [path.read_text() for path in sorted((ROOT / "profiles").glob("*.toml"))]


def aws_answers():
    metadata = {"Arn": ARN, "KeyState": "Enabled", "KeyUsage": "ENCRYPT_DECRYPT",
                "KeySpec": "SYMMETRIC_DEFAULT", "CurrentKeyMaterialId": "ab"}
    session = ("<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>A</AccessKeyId>"
               "<SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken></Credentials>"
               "<AssumedRoleUser><Arn>arn:aws:sts::1:assumed-role/r/f</Arn></AssumedRoleUser>"
               "</AssumeRoleResult></AssumeRoleResponse>")
    identity = ("<GetCallerIdentityResponse><GetCallerIdentityResult><Arn>arn</Arn>"
                "</GetCallerIdentityResult></GetCallerIdentityResponse>")
    keys = {"AccessKeyId": "A", "SecretAccessKey": "s", "Token": "t", "Code": "Success"}
    blob = {"KeyId": ARN, "CiphertextBlob": "AAECAw==", "EncryptionAlgorithm": "SYMMETRIC_DEFAULT"}
    answers = [
        (0, 200, blob), (1, 200, {"KeyId": ARN, "Plaintext": "AAECAw==", "KeyMaterialId": "ab"}),
        (2, 200, dict(blob, Plaintext="AAEC")), (3, 200, {"KeyMetadata": metadata}),
        (4, 200, {"KeyRotationEnabled": True, "KeyId": ARN}), (5, 200, session),
        (6, 200, identity), (7, 200, keys), (8, 200, keys), (8, 200, "role\n"),
        (1, 400, {"__type": "com.amazonaws.kms#DisabledException:http://x", "message": "no\nyes"}),
        (1, 400, {"__type": "KMSInvalidStateException", "Message": "not now"}),
        (5, 403, "<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code>"
                 "<Message>no</Message></Error><RequestId>r</RequestId></ErrorResponse>"),
        (1, 503, "<html>busy</html>"), (7, 500, ""),
    ]
    headers = "x-amzn-requestid: 1234\nx-amzn-errortype: AccessDeniedException:\n\n"
    return [bytes([which]) + f"{status}\n{headers}".encode()
            + (body if isinstance(body, str) else json.dumps(body)).encode()
            for which, status, body in answers]


def aws_config():
    return [f"""# a comment
[default]
region = eu-west-1
[profile customer]
role_arn = {ROLE} ; another
source_profile = default
services = local
s3 =
  max_queue_size = 100
[services local]
kms =
  endpoint_url = http://127.0.0.1:4566
====
[customer]
aws_access_key_id = AKIDEXAMPLE
aws_secret_access_key = wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY
aws_session_token = token
"""]


def helper_protocol():
    def text(value):
        value = value.encode()
        return struct.pack("<I", len(value)) + value

    def frame(body, secret=b""):
        return b"FHK1" + struct.pack("<II", len(body), len(secret)) + body + secret

    wrapped = text("ciphertext") + text("version") + text("SYMMETRIC_DEFAULT")
    request = text("aws-kms://" + ARN) + text(ROLE) + text("external")
    context = struct.pack("<I", 1) + text("freehold:purpose") + text("kek")
    facts = text("Enabled") + text("ab") + b"\x02" + text("daily") + b"\x01" + struct.pack("<I", 1) + text("advice") + text("identity")
    failure = b"".join(map(text, ["denied", "key_disabled", "AccessDeniedException", "no", "Decrypt", "r", "do"]))
    return ([frame(bytes([1, operation]) + request + context + wrapped, b"k" * 32)
             for operation in (1, 2, 3, 4)]
            + [frame(b"\x02\x00" + wrapped + facts, b"k" * 32), frame(b"\x02\x01" + failure)])


def control_request():
    lines = [{"command": "status"}, {"command": "unmount", "force": True},
             {"command": "rotate-key", "key": "aws-kms://" + ARN, "principal": ROLE,
              "external_id": "x"}, {"command": "database-started", "pid": 17},
             {"command": "custody", "check_interval_ms": 30000, "on_denied": "alert"}]
    text = [json.dumps(line) + "\n" for line in lines]
    return text + ["".join(text), "[1]\n\n{}\n{\"command\":\n", "{" + " " * 5000 + "}\n{}\n"]


def vault_answers():
    key = {"type": "aes256-gcm96", "latest_version": 2, "auto_rotate_period": 3600, "keys": {"1": 1}}
    login = {"auth": {"client_token": "hvs.x", "token_type": "batch"}}
    answers = [(0, 200, {"data": {"ciphertext": "vault:v1:AAAA", "key_version": 1}}),
               (2, 200, {"data": {"plaintext": "A" * 43 + "="}}), (4, 200, {"data": key}),
               (6, 200, {"data": {"display_name": "approle"}}), (1, 200, login),
               (2, 400, {"errors": ["encryption key not found"]}),
               (2, 500, {"errors": ["1 error occurred:\n\t* cipher: message authentication failed\n\n"]}),
               (3, 403, {"errors": ["permission denied"]}), (3, 503, {"errors": ["Vault is sealed"]})]
    return [bytes([which]) + f"{status}\n\n{json.dumps(body)}".encode()
            for which, status, body in answers]


def api_request():
    arn = "arn:aws:kms:us-east-1:111122223333:key/k1"
    path = "/api/v1/clusters/0b5a5a5a-0000-4000-8000-000000000000/cmek"

    def spec(region, kind, uri, **more):
        return {"region": region, "key_spec": {"type": kind, "uri": uri, **more}}

    good = spec("us-east-1", "AWS_KMS", arn, auth_principal="arn:aws:iam::111122223333:role/r")
    others = [
        spec("europe-west1", "GCP_CLOUD_KMS", "projects/p/locations/l/keyRings/r/cryptoKeys/k",
             auth_principal="sa@p.iam.gserviceaccount.com"),
        spec("westeurope", "AZURE_KEY_VAULT", "https://acme.vault.azure.net/keys/k"),
        spec("here", "HASHICORP_VAULT", "hcvault://vault.example.com:8200/transit/keys/k"),
        spec("there", "PKCS11", "pkcs11:token=t;object=k")]
    bodies = [{"region_specs": [good]}, {"region_specs": [good, *others]},
              {"region_specs": [good, good]}, {"region_specs": []}, {"action": "REVOKE"},
              {"dedicated": {"region_nodes": {"us-east-1": 3}, "cmek_region_specs": [good]}},
              {"check_interval": "1m30s", "seal_delay": "250ms", "on_denied": "alert"},
              {"check_interval": {"lowest": "10s", "highest": "5m"}, "on_key_return": ["auto"]}]
    queries = ("", "?pagination.limit=3&pagination.page=abc", "?a=%41&b=%", "?a=1&a=2")
    return [path + queries[n % len(queries)] + "\n" + json.dumps(body)
            for n, body in enumerate(bodies)]


def azure_answers():
    """Each says all that any answer must: every request of a run gets the same one."""
    version = "0123456789abcdef0123456789abcdef"
    kid = f"https://acme.vault.azure.net/keys/orders/{version}"
    digest = hashlib.sha256(b'{"freehold:cluster":"c1"}').digest()

    def base64url(data):
        return base64.urlsafe_b64encode(data).rstrip(b"=").decode()

    def jwt(**claims):
        return ".".join(base64url(json.dumps(part).encode()) for part in ({"alg": "RS256"}, claims)) + ".AA"

    token = {"token_type": "Bearer", "expires_in": 3599, "access_token": jwt(appid="app", tid="t")}
    opened = token | {"kid": kid, "value": base64url(bytes(32) + digest)}
    bundle = opened | {
        "key": {"kid": kid, "kty": "RSA", "n": base64url(b"\x81" * 256), "key_ops": ["wrapKey"]},
        "attributes": {"enabled": True, "exp": 1, "nbf": 2**33, "recoveryLevel": "Purgeable"},
        "lifetimeActions": [{"trigger": {"timeAfterCreate": "P90D"}, "action": {"type": "Rotate"}}]}
    symmetric = bundle | {"key": bundle["key"] | {"kty": "oct-HSM"}}
    other = opened | {"kid": kid.replace("orders", "others")}

    def vault_error(code, inner, message):
        return {"error": {"code": code, "message": message, "innererror": {"code": inner}}}

    def entra_error(code, number):
        return {"error": code, "error_codes": [number], "trace_id": "t1",
                "error_description": f"AADSTS{number}: the words Trace ID: t1"}

    answers = [
        *((which, 200, body) for which in (0, 4, 6, 8, 12, 20) for body in (bundle, symmetric)),
        (1, 200, bundle), (5, 200, opened), (4, 200, other), (4, 200, opened | {"value": "AAEC"}),
        (4, 403, vault_error("Forbidden", "KeyDisabled", "no")),
        (4, 403, vault_error("Forbidden", "", "Client address is not authorized")),
        (4, 400, vault_error("BadParameter", "", "no\nyes")), (0, 429, {"error": {"innerError": {}}}),
        (0, 401, entra_error("invalid_client", 7000215)), (0, 400, entra_error("", 65001)),
        (1, 400, {"error": "invalid_request", "error_description": "Identity not found"}),
        (1, 410, {"message": "gone"}), (0, 200, {"access_token": 5}), (0, 503, "<html>busy</html>"),
    ]
    return [bytes([which]) + f"{status}\nx-ms-request-id: r1\n\n".encode()
            + (body if isinstance(body, str) else json.dumps(body)).encode()
            for which, status, body in answers]


def vault_policy():
    rules = ('# may unwrap\npath "transit/decrypt/k" { capabilities = ["update"]\n'
             '  allowed_parameters = { "ciphertext" = [], "associated_data" = ["e30="] } }\n'
             'path "transit/+/k*" { capabilities = ["read", "deny"] }')
    state = {"sealed": False, "unseal_digest": "ab", "mounts": {"transit": "transit"},
             "keys": {"transit/k": {"versions": [{"sealed": "AAEC", "created": 1}],
                                    "min_decryption_version": 1}},
             "policies": {"p": rules}, "tokens": {"ab": {"policies": ["p"], "ttl": 5, "expires": 9}},
             "roles": {"auth/approle/r": {"policies": [], "secret_ids": {"cd": {"uses_left": 1}}}},
             "jwt_keys": {"auth/jwt": ["PEM"]}}
    return [b"\0" + rules.encode(), b"\1" + json.dumps(state).encode()]


def key_uri():
    return [ARN, "aws-kms://" + ARN, MRK, "arn:aws:kms:eu-west-1:111122223333:alias/a", "AAECAw==",
            "gcp-kms://projects/p/locations/global/keyRings/r/cryptoKeys/k",
            "https://acme.vault.azure.net/keys/k/0123456789abcdef0123456789abcdef",
            "hcvault://vault.example.com:8200/team/transit/keys/k?namespace=admin",
            "kmip://kmip.example.com:5696/1f3c-2a", "kmip://0x7f.1.:05696/k", "arn:aws:kms:*:111122223333:*",
            "hcvault://Vault.example.com./transit/keys/[a-k]*?namespace=root", "kmip://h/*",
            "https://Acme.vault.azure.net/keys/K-*",
            "pkcs11:token=a%20b;serial=1;object=k;id=%01%FE", "azure-kv://h.managedhsm.azure.net/keys/k",
            "deadbeef", "caf\u00e9 \u20ac \U0001f511", "a\x1b[31m"]


def sigv4():
    credential = "AKIDEXAMPLE/20150830/us-east-1/service/aws4_request"
    authorization = (f"AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders=host;x-amz-date, "
                     f"Signature={'ab' * 32}")
    headers = "host: example.amazonaws.com\nx-amz-date: 20150830T123600Z\nmy-header:  a   b \n\n"
    return [f"{authorization}\nGET\n{target}\n{headers}body"
            for target in ("/", "/a/../b//%20?x=1&x=0&y", "/?Param2=v&Param1=%e1%88%b4")]


def kms_policy():
    def policy(**statement):
        return json.dumps({"Version": "2012-10-17", "Id": "p", "Statement": [statement]})

    everybody = {"AWS": ["arn:aws:iam::111122223333:root", "111122223333", "*"]}
    return [
        policy(Sid="s", Effect="Allow", Principal=everybody, Action="kms:*", Resource="*"),
        policy(Effect="Deny", Principal="*", Action=["kms:Decrypt", "kms:En*"], Resource="*",
               Condition={"StringNotEqualsIfExists": {"kms:ViaService": "s3.*"},
                          "ForAnyValue:StringLike": {"kms:EncryptionContextKeys": ["freehold:?*"]},
                          "Null": {"kms:EncryptionContext:freehold:purpose": "false"},
                          "Bool": {"kms:GrantIsForAWSResource": True}}),
        policy(Effect="Allow", Principal={"AWS": ROLE}, Action="sts:AssumeRole",
               Condition={"StringEquals": {"sts:ExternalId": "x"}}),
        policy(Effect="Allow", Action="kms:Decrypt", Resource=ARN,
               Condition={"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::*:role/r"}}),
    ]


def kms_store():
    key = {"id": "1234", "account": "111122223333", "region": "eu-west-1", "description": "",
           "policy": "{}", "state": 0, "created": 1, "deletion": None, "rotates": True,
           "rotation_days": 365, "next_rotation": 2, "tags": {"a": "b"},
           "materials": [{"id": "m", "sealed": "AAEC", "created": 1, "rotation": ""}]}
    named = {"account": "111122223333", "name": "n", "id": "i", "created": 1, "policies": {"p": "{}"}}
    state = {"format": 1, "accounts": {"111122223333": "customer"}, "keys": [key],
             "aliases": [{"account": "111122223333", "region": "eu-west-1", "name": "alias/a",
                          "key_id": "1234", "created": 1, "updated": 2}],
             "users": [named],
             "roles": [dict(named, description="", trust_policy="{}", max_session_seconds=3600)],
             "access": [{"id": "AKID", "account": "111122223333", "user": "n",
                         "sealed_secret": "AAEC", "created": 1}],
             "sessions_valid_from": 0}
    return [json.dumps(state), json.dumps(dict(state, format=2))]


def google_request():
    project = "projects/customer-project"
    ring = f"{project}/locations/l/keyRings/r"
    key = f"{ring}/cryptoKeys/k"
    account = f"{project}/serviceAccounts/customer-owner@customer-project.iam.gserviceaccount.com"
    policy = {"policy": {"bindings": [{"role": "roles/cloudkms.viewer", "members": ["user:a@b"]}]}}
    crc = {"plaintextCrc32c": "1", "additionalAuthenticatedData": "AA=="}
    requests = [
        ("GET", f"{project}/locations/l/keyRings", None), ("GET", ring, None), ("GET", key, None),
        ("POST", f"{project}/locations/l/keyRings?keyRingId=r2", {}),
        ("POST", f"{ring}/cryptoKeys?cryptoKeyId=k2", {
            "purpose": "ENCRYPT_DECRYPT", "rotationPeriod": "86400s", "labels": {"a": "b"},
            "nextRotationTime": "2100-01-01T00:00:00Z", "versionTemplate": {"protectionLevel": 2}}),
        ("PATCH", f"{key}?updateMask=rotationPeriod,nextRotationTime", {"rotationPeriod": "0s"}),
        ("POST", f"{key}:encrypt", {"plaintext": "AAAA", **crc}),
        ("POST", f"{key}:decrypt", {"ciphertext": "@BLOB@"}), ("GET", f"{key}/cryptoKeyVersions", None),
        ("POST", f"{key}/cryptoKeyVersions", {}), ("POST", f"{key}/cryptoKeyVersions/1:destroy", {}),
        ("POST", f"{key}/cryptoKeyVersions/1:restore", {}),
        ("PATCH", f"{key}/cryptoKeyVersions/1?updateMask=state", {"state": 2}),
        ("POST", f"{key}:updatePrimaryVersion", {"cryptoKeyVersionId": "1"}),
        ("GET", f"{key}:getIamPolicy", None), ("POST", f"{key}:setIamPolicy", policy),
        ("POST", f"{ring}:testIamPermissions", {"permissions": ["cloudkms.cryptoKeys.get"]}),
        ("POST", f"{key}/cryptoKeyVersions:import", {"importJob": f"{ring}/importJobs/j"}),
        ("POST", f"{account}:generateAccessToken", {"scope": ["a"], "lifetime": "900s"}),
        ("GET", account, None), ("POST", f"{project}/serviceAccounts", {"accountId": "abcdef"}),
    ]
    seeds = [f"sign\n{method}\n{target}\n{'' if body is None else json.dumps(body)}"
             for method, target, body in requests]
    grant = "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=a.b.c"
    return [*seeds, f"no\nPOST\ntoken\n{grant}", f"no\nGET\n{key}\n"]


def google_answers():
    name = "projects/p/locations/l/keyRings/r/cryptoKeys/k"
    token = {"access_token": "t", "accessToken": "t"}
    error = {"code": 400, "status": "FAILED_PRECONDITION", "details": [{"reason": "SERVICE_DISABLED"}],
             "message": f"{name}/cryptoKeyVersions/1 is not enabled, current state is: DISABLED."}
    sealed = {"name": f"{name}/cryptoKeyVersions/1", "ciphertext": "AQID", "ciphertextCrc32c": "4046516766",
              "verifiedPlaintextCrc32c": True, "verifiedAdditionalAuthenticatedDataCrc32c": True}
    opened = {"plaintext": base64.b64encode(bytes(32)).decode(), "plaintextCrc32c": "2324772522"}
    key = {"purpose": "ENCRYPT_DECRYPT", "primary": {"name": f"{name}/cryptoKeyVersions/1", "state": "ENABLED"},
           "rotationPeriod": "86400s", "nextRotationTime": "2100-01-01T00:00:00Z",
           "destroyScheduledDuration": "60s", "permissions": ["a"]}
    ok = b"\0\0google\n"
    return [ok + json.dumps(token | each).encode() for each in (sealed, opened, key, {"error": error})] + [
        b"\x02\0google\n" + json.dumps({"error": error}).encode(),
        b"\x02\0bare\n" + json.dumps({"error": "invalid_grant", "error_description": "d"}).encode()]


def kms_request():
    context = {"EncryptionContext": {"freehold:purpose": "kek"}}
    key, blob = {"KeyId": "@KEY@"}, {"CiphertextBlob": "@BLOB@"}
    policy = kms_policy()[0]
    operations = {
        "CreateKey": {"Description": "d", "Tags": [{"TagKey": "a", "TagValue": "b"}]},
        "DescribeKey": key, "ListKeys": {"Limit": 2}, "DisableKey": key, "EnableKey": key,
        "ScheduleKeyDeletion": dict(key, PendingWindowInDays=7), "CancelKeyDeletion": key,
        "UpdateKeyDescription": dict(key, Description="x"), "GetKeyPolicy": key,
        "PutKeyPolicy": dict(key, PolicyName="default", Policy=policy), "ListKeyPolicies": key,
        "TagResource": dict(key, Tags=[{"TagKey": "a", "TagValue": "b"}]),
        "UntagResource": dict(key, TagKeys=["a"]), "ListResourceTags": key,
        "CreateAlias": {"AliasName": "alias/a", "TargetKeyId": "@KEY@"},
        "UpdateAlias": {"AliasName": "alias/a", "TargetKeyId": "@KEY@"}, "ListAliases": key,
        "DeleteAlias": {"AliasName": "alias/a"}, "EnableKeyRotation": dict(key, RotationPeriodInDays=90),
        "DisableKeyRotation": key, "GetKeyRotationStatus": key, "ListKeyRotations": key,
        "RotateKeyOnDemand": key, "Encrypt": dict(key, Plaintext="AAEC", **context),
        "Decrypt": dict(blob, **key), "ReEncrypt": dict(blob, DestinationKeyId="@KEY@"),
        "GenerateDataKey": dict(key, KeySpec="AES_256", **context),
        "GenerateDataKeyWithoutPlaintext": dict(key, NumberOfBytes=32),
        "GenerateDataKeyPair": dict(key, KeyPairSpec="RSA_2048"), "GenerateRandom": {"NumberOfBytes": 8},
        "GetPublicKey": key, "Sign": key,
    }
    seeds = [f"sign\nx-amz-target: TrentService.{name}\n\n{json.dumps(body)}"
             for name, body in operations.items()]
    forms = ["Action=GetCallerIdentity&Version=2011-06-15",
             f"Action=AssumeRole&Version=2011-06-15&RoleArn={ROLE}&RoleSessionName=f&ExternalId=x"]
    named = "&RoleName=r&UserName=u&PolicyName=p&AccessKeyId=A&Path=/"
    document = "&PolicyDocument=%7B%7D&AssumeRolePolicyDocument=%7b%22Version%22:%222012-10-17%22%7d"
    for name in ("CreateUser", "DeleteUser", "CreateAccessKey", "DeleteAccessKey", "CreateRole",
                 "GetRole", "ListRoles", "UpdateAssumeRolePolicy", "DeleteRole", "PutRolePolicy",
                 "DeleteRolePolicy", "PutUserPolicy", "DeleteUserPolicy"):
        forms.append(f"Action={name}&Version=2010-05-08{named}{document}")
    seeds += ["sign\ncontent-type: application/x-www-form-urlencoded\n\n" + form for form in forms]
    unsigned = sigv4()[0].split("\n")[0]
    return seeds + [f"\nhost: h\nx-amz-date: 20150830T123600Z\nauthorization: {unsigned}\n"
                    f"x-amz-security-token: AAEC\nx-amz-target: TrentService.Decrypt\n\n{{}}"]


def manifest():
    key = "    type: GCP_CLOUD_KMS\n    uri: \"projects/p/locations/l/keyRings/r/cryptoKeys/k\"\n"
    whole = f"---\n# one for each region\nregion_specs:\n- region: 'us-east1'\n  key_spec:\n{key}"
    return [whole, '{"region_specs": [{"region": "r", "key_spec": {"type": "AWS_KMS", "uri": "u"}}]}',
            "a: [1, 007, -7, true, ~, null, 'x', \"\\u00e9\"]\nb: |\n  text\n  more\nc: >-\n  folded\n",
            "a: &x !!str 1\nb: *x\n---\n? [c]\n: d\n"]


def main():
    for make in (file_header, encrypted_file, keyring, reencrypt_journal, profile, aws_answers, aws_config,
                 helper_protocol, control_request, key_uri, sigv4, kms_policy, kms_store,
                 kms_request, kmip_answers, vault_answers, vault_policy, google_request, google_answers,
                 azure_answers, api_request, manifest):
        folder = ROOT / "fuzz/corpus" / make.__name__
        folder.mkdir(parents=True, exist_ok=True)
        for old in folder.glob("seed-*"):
            old.unlink()
        for seed in make():
            seed = seed if isinstance(seed, bytes) else seed.encode()
            (folder / f"seed-{hashlib.sha256(seed).hexdigest()[:8]}").write_bytes(seed)


if __name__ == "__main__":
    main()
