"""A database on any directory, started as its profile says: as `freehold run` does it."""

import os
import pathlib
import pwd
import subprocess
import tomllib

from contenders import ROOT, cpu_seconds
from freehold_testing import wait_for


class Server:
    def __init__(self, profile, mount_point, log, more=(), **parameters):
        self.profile = tomllib.loads((ROOT / f"profiles/{profile}.toml").read_text())
        self.values = {**self.profile["parameters"], **parameters, "mount": str(mount_point),
                       "bin": self.profile["bin"][0]}
        self.values["data"] = self._fill(self.profile["data"])
        self.log, self.more, self.process = pathlib.Path(log), list(more), None
        for place in [self.values["data"], *map(self._fill, self.profile["directories"])]:
            self._own(pathlib.Path(place))
        for command in self.profile["init"]:
            self._run(command).check_returncode()

    def _fill(self, word):
        for name, value in self.values.items():
            word = word.replace("{" + name + "}", str(value))
        return word

    def _own(self, place):
        place.mkdir(mode=0o750, exist_ok=True)
        os.chown(place, *self._ids())

    def _ids(self):
        entry = pwd.getpwnam(self.profile["user"])
        return entry.pw_uid, entry.pw_gid

    def _how(self):
        user, group = self._ids()
        return {"user": user, "group": group, "extra_groups": [], "cwd": "/",
                "env": {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", **self.profile["environment"]}}

    def _run(self, command):
        return subprocess.run([self._fill(word) for word in command], check=False,
                              capture_output=True, **self._how())

    def start(self):
        command = [self._fill(word) for word in self.profile["start"]] + self.more
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, **self._how())

        def ready():
            assert self.process.poll() is None, self.log.read_text()[-3000:]
            return self._run(self.profile["ready"]).returncode == 0

        wait_for(f"{self.profile['name']} to be ready", ready, 60)

    def cpu(self):
        return cpu_seconds(self.process.pid)

    def stop(self):
        self.process.terminate()
        self.process.wait(120)
