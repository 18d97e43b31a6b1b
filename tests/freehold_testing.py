"""What tests that drive the binary share: the embedded KMS, keys at it, volumes, mounts.

Every server listens on a port of its own and ends by its own process id; every mount is unmounted,
by force if need be. FREEHOLD_BIN names the binary (default build/test/freehold).
"""

import base64
import configparser
import json
import os
import pathlib
import signal
import subprocess

import boto3

ROOT = pathlib.Path(__file__).resolve().parent.parent
BINARY = os.environ.get("FREEHOLD_BIN", str(ROOT / "build/test/freehold"))
REGION = "us-east-1"


def start_kms(directory):
    """`freehold kms serve` on a free port; returns (process, url) once it answers."""
    reading, writing = os.pipe()
    process = subprocess.Popen(
        [BINARY, "kms", "serve", "--listen", "127.0.0.1:0", "--data", str(directory)]
        + ["--ready-fd", str(writing)],
        stdout=subprocess.PIPE,
        text=True,
        pass_fds=[writing],
    )
    os.close(writing)
    with os.fdopen(reading) as ready:
        assert ready.readline() == "READY\n"
    url = process.stdout.readline().strip().removeprefix("listening on ")
    assert (pathlib.Path(directory) / "endpoint").read_text().strip() == url
    return process, url


def stop_kms(process, how=signal.SIGTERM):
    process.send_signal(how)
    code = process.wait(timeout=60)
    process.stdout.close()
    return code


class KmsServer:
    """The embedded KMS with its two accounts; `customer` owns the keys."""

    def __init__(self, directory):
        self.directory = pathlib.Path(directory)
        self.process, self.url = start_kms(self.directory)

    def stop(self):
        return stop_kms(self.process)

    def environment(self, profile="customer"):
        """For a program that is to use this KMS as `profile` and no other AWS."""
        clean = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        return dict(
            clean,
            AWS_CONFIG_FILE=str(self.directory / "config"),
            AWS_SHARED_CREDENTIALS_FILE=str(self.directory / "credentials"),
            AWS_EC2_METADATA_DISABLED="true",
            AWS_PROFILE=profile,
        )

    def client(self, service="kms", profile="customer"):
        """A boto3 client, as the customer's own tools would be."""
        parser = configparser.ConfigParser()
        parser.read(self.directory / "credentials")
        return boto3.session.Session().client(
            service,
            endpoint_url=self.url,
            region_name=REGION,
            aws_access_key_id=parser[profile]["aws_access_key_id"],
            aws_secret_access_key=parser[profile]["aws_secret_access_key"],
        )

    def new_key(self):
        return self.client().create_key()["KeyMetadata"]["Arn"]


class Volume:
    """A volume in a directory of its own, with its own state directory and mount point.

    `profile` is whom the commands run as at the KMS.
    """

    def __init__(self, kms, directory, key, profile="customer"):
        self.kms, self.key, self.profile = kms, key, profile
        self.directory = directory / "volume"
        self.state = directory / "state"
        self.mount_point = directory / "mnt"
        self.mount_point.mkdir(parents=True)
        self.data = self.directory / "data"
        self.keyring = self.directory / "freehold/keyring"

    def run(self, command, *words, check=True, timeout=120):
        """`freehold volume COMMAND DIR ... --json`; the parsed answer."""
        done = subprocess.run(
            [BINARY, "volume", command, str(self.directory), *map(str, words)]
            + ["--state", str(self.state), "--json"],
            env=self.kms.environment(self.profile),
            capture_output=True,
            text=True,
            timeout=timeout,
        )
        if check:
            assert done.returncode == 0, done.stdout + done.stderr
            return json.loads(done.stdout)
        return done

    def create(self):
        return self.run("create", "--key", self.key)

    def mount(self, *words):
        return self.run("mount", self.mount_point, *words)

    def unmount(self):
        return self.run("unmount")

    def is_mounted(self):
        return os.path.ismount(self.mount_point)

    def end(self):
        """Leaves nothing behind, whatever a test did."""
        if not self.is_mounted():
            return
        done = self.run("unmount", "--force", check=False)
        if done.returncode != 0 or self.is_mounted():
            subprocess.run(["umount", "--force", "--lazy", str(self.mount_point)], check=False)

    def __enter__(self):
        self.mount()
        return self.mount_point

    def __exit__(self, *failure):
        if failure[0] is None:
            self.unmount()
        else:
            self.end()

    def unwrapped_kek(self):
        """The KEK, as the customer gets it: from the keyring through their own KMS client."""
        keyring = self.run("status")["keks"][0]
        return self.kms.client().decrypt(
            CiphertextBlob=base64.b64decode(keyring["wrapped_kek"]),
            EncryptionContext=keyring["context"],
        )["Plaintext"]
