"""A service on loopback: a server, hosts with agents, and customers with keys in the embedded KMS."""

import os
import signal
import subprocess

from freehold_testing import BINARY, EmbeddedKms, ROOT, wait_for
from policy_testing import ROLE, role_policy, role_trust
from postgres_testing import free_port, psql
from server_testing import Server

SHORT = ("--check-interval", "500ms", "--confirm-after", "200ms", "--request-timeout", "2s",
         "--outage-grace", "20s", "--stop-timeout", "8s", "--reserve", "4194304")
USE = ("kms:Encrypt", "kms:Decrypt", "kms:DescribeKey")
CLUSTERS = "/api/v1/clusters"


class Host:
    """A machine with an agent, its volume and, if wanted, a PostgreSQL on it."""

    def __init__(self, service, region, name, database=False):
        self.service, self.region, self.database = service, region, database
        self.base = service.base / name
        self.base.mkdir()
        self.base.chmod(0o755)
        self.volume, self.mount, self.state = (self.base / part for part in ("vol", "mnt", "state"))
        self.mount.mkdir()
        self.port = free_port() if database else None
        self.environment = {}  # beside what reaches the embedded KMS
        self.log = self.base / "agent.log"
        self.crash_file = self.base / "crash"  # the step to die at, base/crash_point.h
        self.process = None

    def start(self, token=None, words=(), switches=(), allow=("aws-kms:*",)):
        """`words`: flags, each with its value, in place of those of SHORT; `switches` have none."""
        command = [BINARY, "agent", "--volume", self.volume, "--mount", self.mount,
                   "--state", self.state, *switches, *words]
        for flag, value in zip(SHORT[::2], SHORT[1::2]):
            if flag not in words:
                command += [flag, value]
        for pattern in allow:
            command += ["--allow-key", pattern]
        if self.database:
            command += ["--profile", "postgresql", "--profile-dir", ROOT / "profiles",
                        "--set", f"port={self.port}"]
        else:
            command += ["--no-supervise", "--on-open", "true", "--on-seal", "true"]
        if token:
            (self.base / "token").write_text(token)
            command += ["--join-file", self.base / "token"]
        with open(self.log, "a") as log:
            environment = self.environment | self.service.kms.environment("operator")
            self.process = subprocess.Popen(
                command, env=environment | {"FREEHOLD_CRASH_FILE": str(self.crash_file)},
                stderr=log, stdout=log)
        EmbeddedKms.started.append(self.process)
        return self

    def join(self, cluster=None, **more):
        return self.start(self.service.token(self.region, cluster), **more)

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self, seconds=60):
        if self.process is None or self.process.poll() is not None:
            return None
        self.process.terminate()
        return self.process.wait(timeout=seconds)

    def volume_command(self, *words):
        return subprocess.run([BINARY, "volume", *words, self.volume, "--state", self.state, "--json"],
                              capture_output=True, text=True, timeout=60, check=False)

    def psql(self, sql):
        done = psql(self.mount / "run", self.port, sql)
        return done.stdout.strip() if done.returncode == 0 else None

    def clean_up(self):
        if self.process is not None and self.process.poll() is None:
            try:
                self.stop()
            except subprocess.TimeoutExpired:
                self.process.kill()
        self.volume_command("unmount", "--force")
        if os.path.ismount(self.mount):
            subprocess.run(["umount", "-f", "-l", str(self.mount)], check=False)


class Service:
    def __init__(self, kms, base, *options):
        self.kms, self.base, self.hosts = kms, base, []
        self.escrow = kms.client("kms", "operator").create_key()["KeyMetadata"]["Arn"]
        self.server = Server(base / "server", "--agents-listen", f"127.0.0.1:{free_port()}",
                             "--escrow-key", self.escrow, *options)
        self.organization, self.admin = self.server.new_organization("acme")
        self.custodian = self.server.new_key(self.admin, "KEY_CUSTODIAN")
        kms.client("iam").create_role(
            RoleName="freehold", AssumeRolePolicyDocument=role_trust(self.organization))

    def host(self, region="us-east-1", database=False):
        self.hosts.append(Host(self, region, f"host{len(self.hosts)}", database))
        return self.hosts[-1]

    def token(self, region, cluster=None):
        body = {"region": region, **({"cluster_id": cluster} if cluster else {})}
        return self.server.made("/api/v1/join-tokens", self.server.operator_key, body)["token"]

    def new_key(self):
        """Of the customer's, for the role that the operator assumes."""
        return self.kms.client("kms").create_key(Policy=role_policy(*USE))["KeyMetadata"]["Arn"]

    def spec(self, key, region="us-east-1"):
        return {"region": region,
                "key_spec": {"type": "AWS_KMS", "uri": key, "auth_principal": ROLE}}

    def ask(self, method, path, body=None, key=None):
        return self.server.ask(method, path, key or self.admin, body)

    def cmek(self, cluster):
        answer = self.ask("GET", f"{CLUSTERS}/{cluster}/cmek")
        assert answer.status == 200, answer
        return answer.json

    def change(self, method, cluster, *specs):
        return self.ask(method, f"{CLUSTERS}/{cluster}/cmek", {"region_specs": list(specs)})

    def act(self, cluster, action, key=None):
        return self.ask("PATCH", f"{CLUSTERS}/{cluster}/cmek", {"action": action}, key)

    def state(self, cluster):
        return self.ask("GET", f"{CLUSTERS}/{cluster}").json["service_state"]

    def nodes(self, cluster):
        return self.ask("GET", f"{CLUSTERS}/{cluster}/nodes").json["nodes"]

    def wait_status(self, cluster, status, seconds=60):
        wait_for(f"{status} of {cluster}\n{self.logs()}",
                 lambda: self.cmek(cluster)["status"] == status, seconds)
        return self.cmek(cluster)

    def wait_state(self, cluster, state, seconds=60):
        wait_for(f"{state} of {cluster}\n{self.logs()}", lambda: self.state(cluster) == state, seconds)

    def wait_custody(self, cluster, custody, reason=None, seconds=60):
        def reached():
            nodes = self.nodes(cluster)
            return nodes and all(node["custody"] == custody and reason in (None, node["custody_reason"])
                                 for node in nodes)
        wait_for(f"custody {custody} of {cluster}\n{self.logs()}", reached, seconds)

    def logs(self):
        texts = [host.log.read_text() for host in self.hosts if host.log.exists()]
        texts += [path.read_text() for host in self.hosts for path in host.state.glob("run.log")]
        return "\n".join(texts)[-6000:]

    def clean_up(self):
        for host in self.hosts:
            host.clean_up()
        self.server.stop()
