"""Other users are refused; whatever comes through the control socket changes nothing."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess

import pytest

import freehold_testing as ft
from bad_input_testing import command, holds_its_data, opens_with_its_data, says
from bad_input_testing import copy, kms, loaded, nothing_was_lost  # fixtures
from freehold_testing import wait_for


def test_another_user_may_neither_look_nor_touch(loaded, tmp_path):
    reachable = shutil.copy(ft.BINARY, tmp_path / "freehold")  # the build directory may be private
    os.chmod(reachable, 0o755)

    def run(*arguments):
        return ft.Result(
            subprocess.run(
                [reachable, *map(str, arguments)], user=65534, group=65534, extra_groups=[],
                env=dict(loaded.kms.environment(), HOME="/nonexistent"), capture_output=True,
                text=True, timeout=60, check=False, cwd="/",
            )
        )

    with loaded.opened() as mount_point:
        for name in ("status", "verify", "seal", "unmount", "open"):
            says(lambda *m: run("volume", name, loaded.directory, *m), ft.PERMISSION)
        key = ["--key", f"aws-kms://{loaded.key}"]
        says(lambda *m: run("volume", "rotate-key", loaded.directory, *key, *m), ft.PERMISSION)
        says(lambda *m: run("inspect", loaded.keyring, *m), ft.PERMISSION)
        holds_its_data(mount_point)
    says(lambda *m: run("volume", "mount", loaded.directory, tmp_path, *m), ft.PERMISSION, "root")


def connect(volume, user=None):
    """A connection to the daemon; asked through the directory, whose path may be too long."""
    here = os.open(volume.directory / "freehold", os.O_PATH)
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(20)
    try:
        if user is not None:
            os.seteuid(user)
        while True:
            with contextlib.suppress(BlockingIOError):  # more at once than wait in the queue
                connection.connect(f"/proc/self/fd/{here}/control")
                break
    finally:
        os.seteuid(0)
        os.close(here)
    return connection


def ask(connection, line):
    connection.sendall(line + b"\n")
    answer = b""
    while not answer.endswith(b"\n"):
        part = connection.recv(1 << 16)
        if not part:
            break
        answer += part
    return answer


def test_the_control_socket_hears_nobody_but_root_whatever_its_mode_says(loaded):
    with loaded.opened():
        mode = os.stat(loaded.directory / "freehold").st_mode
        control = loaded.directory / "freehold/control"
        assert control.stat().st_mode & 0o777 == 0o600
        try:
            os.chmod(loaded.directory / "freehold", 0o755)
            os.chmod(control, 0o666)
            with connect(loaded, user=65534) as connection:
                with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                    assert ask(connection, b'{"command":"status"}') == b""
        finally:
            os.chmod(loaded.directory / "freehold", mode & 0o777)
        with connect(loaded) as connection:
            assert b'"custody"' in ask(connection, b'{"command":"status"}')


BAD_REQUESTS = {
    "no JSON": b"give me the key",
    "nothing": b"",
    "binary": bytes(range(1, 10)) + b"\x00\xff\xfe" + bytes(range(11, 256)),
    "a list": b"[1,2,3]",
    "two objects": b'{"command":"status"}{"command":"seal"}',
    "half an object": b'{"command":"seal"',
    "depth": b'{"a":' * 1000 + b"1" + b"}" * 1000,
    "a long line": b'{"command":"seal","x":"' + b"a" * 70_000 + b'"}',
    "a huge line": b"x" * 3_000_000,
    "no command": b"{}",
    "a command of a wrong type": b'{"command":["seal"]}',
    "an unknown command": b'{"command":"give-me-the-key"}',
    "no key": b'{"command":"rotate-key"}',
    "a key of a wrong type": b'{"command":"rotate-key","key":{"uri":"x"}}',
    "a principal of a wrong type": b'{"command":"rotate-key","key":"KEY","principal":5}',
    "an external id of a wrong type": b'{"command":"rotate-key","key":"KEY","external_id":[]}',
    "a principal of no key": b'{"command":"rekey","principal":"arn:aws:iam::1:role/r"}',
    "an external id of no key": b'{"command":"re-encrypt","external_id":"x"}',
    "a former KEK of a wrong type": b'{"command":"rekey","from_kek":7}',
    "no settings": b'{"command":"custody"}',
    "settings of a wrong type": b'{"command":"custody","settings":[]}',
    "a setting of a wrong type": b'{"command":"custody","settings":{"outage_grace_ms":"1s"}}',
    "a setting that is too small": b'{"command":"custody","settings":{"check_interval_ms":1}}',
    "a setting below nothing": b'{"command":"custody","settings":{"seal_delay_ms":-1}}',
    "a setting that is too large": b'{"command":"custody","settings":{"seal_delay_ms":2592000001}}',
    "an unknown choice": b'{"command":"custody","settings":{"on_denied":"never"}}',
    "force of a wrong type": b'{"command":"unmount","force":"yes"}',
    "force as a number": b'{"command":"unmount","force":1}',
    "no pid": b'{"command":"database-started"}',
    "a pid of a wrong type": b'{"command":"database-started","pid":"1"}',
    "pid 1": b'{"command":"database-started","pid":1}',
    "pid -1": b'{"command":"database-started","pid":-1}',
    "a pid that wraps round to 1": b'{"command":"database-started","pid":4294967297}',
    "a broken pid": b'{"command":"database-started","pid":1.5}',
}


def test_garbage_on_the_control_socket_is_answered_and_changes_nothing(loaded):
    with loaded.opened() as mount_point:
        before = loaded.status()
        with connect(loaded) as connection:
            for what, line in BAD_REQUESTS.items():
                line = line.replace(b"KEY", f"aws-kms://{loaded.key}".encode())
                answer = ask(connection, line)
                assert b'"code":"invalid_argument"' in answer, (what, answer[:200])
                assert b'"custody"' in ask(connection, b'{"command":"status"}'), what
        after = loaded.status()
        for changing in ("custody", "last_seal"):
            before.pop(changing, None), after.pop(changing, None)
        assert before == after and loaded.custody()["state"] == "open"
        holds_its_data(mount_point)


def test_connections_beyond_the_limit_are_refused_in_words_and_cost_nothing(loaded):
    with loaded.opened() as mount_point:
        connections = [connect(loaded) for _ in range(32)]
        try:
            for connection in connections:  # each is being served
                assert b'"custody"' in ask(connection, b'{"command":"status"}')
            says(command(loaded, "status"), ft.BUSY, "connections")
            holds_its_data(mount_point)
        finally:
            for connection in connections:
                connection.close()
        wait_for("room for a client", lambda: loaded.volume("status").code == ft.OK)
        for _ in range(300):  # neither threads nor descriptors are left behind
            connect(loaded).close()
        wait_for("room for a client", lambda: loaded.volume("status").code == ft.OK)
        pid = loaded.daemon_pid()
        wait_for("threads to end", lambda: len(os.listdir(f"/proc/{pid}/task")) < 16)


def test_a_socket_that_a_dead_daemon_left_is_no_hindrance(copy):
    copy.mount()
    for pid in copy.processes():
        os.kill(pid, signal.SIGKILL)
    wait_for("the daemon's end", lambda: not copy.processes())
    subprocess.run(["umount", "-l", copy.mount_point], check=False)  # the guardian may have been quick
    assert not os.path.ismount(copy.mount_point)
    assert (copy.directory / "freehold/control").is_socket()
    assert copy.status()["mount_point"] is None
    assert copy.volume("verify").code == ft.OK
    opens_with_its_data(copy)


@pytest.mark.parametrize("kind", ["file", "socket", "dangling link"])
def test_something_else_in_the_sockets_place_is_no_hindrance(copy, kind):
    place = copy.directory / "freehold/control"
    if kind == "file":
        place.write_text("not a socket")
    elif kind == "socket":
        here = os.open(place.parent, os.O_PATH)
        with socket.socket(socket.AF_UNIX) as stale:
            stale.bind(f"/proc/self/fd/{here}/control")
        os.close(here)
    else:
        place.symlink_to("/nonexistent/nowhere")
    assert copy.volume("status").code == ft.OK
    opens_with_its_data(copy)
