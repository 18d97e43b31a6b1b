"""Backups of a volume, of its ciphertext and through its mount, also while its keys change."""

import os
import pathlib
import random
import subprocess

import pytest

from freehold_testing import OK, Volume
from postgres_testing import BIN, Postgres, amcheck, as_postgres
from posix_testing import opened

COPIES = {
    "tar": "tar -C {source} -cf - . | tar -C {target} -xf -",
    "tar --sparse": "tar -C {source} --sparse --xattrs -cf - . | tar -C {target} --xattrs -xf -",
    "rsync": "rsync -aHAX --sparse {source}/ {target}/",
    "cp --reflink": "cp -a --reflink=auto {source}/. {target}/",
}


def fill(root):
    """Files of all kinds that a copy could get wrong; what each holds."""
    chance, contents = random.Random(28), {}
    for size in [0, 1, 15, 16, 17, 4095, 4096, 4097, 100_001]:
        contents[f"size{size}"] = chance.randbytes(size)
    contents["zeros"] = bytes(50_000)
    for name, data in contents.items():
        (root / name).write_bytes(data)
    with opened(root / "holes", os.O_RDWR | os.O_CREAT) as fd:
        os.pwrite(fd, b"end", 1_000_000)
    contents["holes"] = bytes(1_000_000) + b"end"
    os.link(root / "size17", root / "link")
    contents["link"] = contents["size17"]
    return contents


@pytest.mark.parametrize("how", COPIES)
def test_a_copy_of_the_ciphertext_opens_with_the_same_contents(mounted, how):
    contents = fill(mounted.mount_point)
    mounted.unmount()
    original, copy = mounted.directory, mounted.base / "copy"
    copy.mkdir()
    subprocess.run(["bash", "-o", "pipefail", "-c",
                    COPIES[how].format(source=original, target=copy)], check=True)
    mounted.directory = copy
    with mounted.opened() as root:
        assert {path.name: path.read_bytes() for path in root.iterdir()} == contents
        (root / "size16").write_bytes(b"only in the copy")
    assert mounted.volume("verify", "--json").json["faults"] == []
    mounted.directory = original
    with mounted.opened() as root:
        assert {path.name: path.read_bytes() for path in root.iterdir()} == contents


def test_a_base_backup_taken_while_keys_change_is_a_whole_database(new_kms, mounted, tmp_path):
    """A rotation and a re-encryption run to their end while pg_basebackup reads every file."""
    sockets = tmp_path / "sockets"
    sockets.mkdir()
    sockets.chmod(0o777)
    base = tmp_path / "second"
    base.mkdir()
    target = Volume(new_kms, base).create()
    target.mount()
    for volume in (mounted, target):
        volume.mount_point.chmod(0o777)
    first = Postgres(mounted.mount_point / "pgdata", sockets)
    second = Postgres(target.mount_point / "pgdata", sockets)
    try:
        first.initialise()
        first.start()
        first.psql("create table rows as select g as number, repeat('x', 500) as filler"
                   " from generate_series(1, 60000) g")
        backup = subprocess.Popen(
            [BIN / "pg_basebackup", "-h", sockets, "-p", str(first.port), "-D", second.data,
             "-X", "stream", "-c", "fast", "--max-rate", "20M"], cwd="/", **as_postgres())
        key = mounted.kms.new_key()
        assert mounted.volume("rotate-key", "--key", f"aws-kms://{key}").code == OK
        mounted.key = key
        done = mounted.volume("re-encrypt", "--wait", timeout=300)
        assert done.code == OK, done
        first.psql("insert into rows select g, 'later' from generate_series(60001, 60100) g")
        assert backup.wait(300) == 0
        (pathlib.Path(second.data) / "postmaster.pid").unlink(missing_ok=True)
        second.start()
        assert int(second.psql("select count(*) from rows where number <= 60000")) == 60000
        assert amcheck(sockets, second.port) == ""
    finally:
        for server in (first, second):
            if server.process is not None:
                server.kill()
        target.clean_up()
    mounted.unmount()
    assert mounted.volume("verify", "--json").json["faults"] == []
