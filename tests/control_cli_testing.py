"""Callers of the control plane by the `freehold` command, as a person or a program is one."""

import json
import os
import pty
import subprocess

from freehold_testing import BINARY

# Exit codes, as in docs/exit-codes.md.
IO, TIMEOUT, UNAUTHENTICATED, FORBIDDEN, RATE_LIMITED, PRECONDITION, NOT_READY = 7, 25, 31, 32, 33, 34, 35


class Person:
    """With a home of their own, and an API key in the environment unless they are to log in."""

    def __init__(self, home, url=None, key=None):
        self.home = home
        home.mkdir(parents=True, exist_ok=True)
        self.environment = {"PATH": os.environ["PATH"], "HOME": str(home)}
        if url:
            self.environment["FREEHOLD_SERVER"] = url
        if key:
            self.environment["FREEHOLD_API_KEY"] = key

    def run(self, *words, text="", **environment):
        return subprocess.run([BINARY, *map(str, words)], input=text, capture_output=True,
                              text=True, timeout=60, env=self.environment | environment,
                              cwd=self.home)

    def out(self, *words, **more):
        done = self.run(*words, **more)
        assert done.returncode == 0, done
        return done.stdout

    def json(self, *words, **more):
        return json.loads(self.out(*words, "--json", **more))

    def fails(self, code, phrase, *words, **more):
        """One sentence, with the phrase in it and no API key."""
        done = self.run(*words, **more)
        assert done.returncode == code and phrase in done.stderr, done
        assert done.stdout == "" and done.stderr.startswith("freehold: "), done
        assert done.stderr.count("\n") == 1 and "fhk_0" not in done.stderr, done

    def types(self, words, line):
        """What a terminal shows when `line` is typed into it; and the exit code."""
        child, terminal = pty.fork()
        if child == 0:
            os.chdir(self.home)
            os.execve(BINARY, [BINARY, *map(str, words)], self.environment)
        shown = b""
        with os.fdopen(terminal, "r+b", buffering=0) as screen:
            while not shown.endswith(b": "):
                shown += screen.read(1)
            screen.write(line.encode() + b"\n")
            try:
                while data := screen.read(4096):
                    shown += data
            except OSError:  # the other end is gone
                pass
        return shown.decode(), os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
