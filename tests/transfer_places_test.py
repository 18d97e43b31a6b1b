"""Where an import and an export may go: never onto what they did not begin, never beside ciphertext."""

import os
import shutil
import subprocess

import pytest

from freehold_testing import ALREADY_EXISTS, NOT_FOUND, OK, USAGE


def directory(path, **files):
    path.mkdir(parents=True)
    for name, text in files.items():
        (path / name).write_text(text)
    return path


@pytest.fixture
def db1(tmp_path):
    return directory(tmp_path / "db1", a="from db1")


@pytest.fixture
def db2(tmp_path):
    return directory(tmp_path / "db2", b="from db2")


@pytest.fixture
def move(volume):
    """Imports or exports; the words that come with a refusal are one sentence."""

    def run(code, verb, plain, *arguments, words=""):
        places = [plain, volume.directory] if verb == "import" else [volume.directory, plain]
        result = volume.run("volume", verb, *places, "--state", volume.state, *arguments)
        assert result.code == code and words in result.err + result.out, result
        assert code == OK or result.err.count("\n") == 1, result
        return result

    return run


def names(volume):
    with volume.opened() as mount_point:
        return {str(p.relative_to(mount_point)) for p in mount_point.rglob("*")}


def test_an_import_deletes_nothing_where_it_did_not_begin(volume, move, db1, db2):
    move(OK, "import", db2, "--to", "orders")
    move(OK, "import", db1, "--to", "pgdata", "--running")
    move(ALREADY_EXISTS, "import", db1, "--to", "orders", words="is not empty")
    move(ALREADY_EXISTS, "import", db1, words="the root of the volume")
    move(OK, "import", db1, "--to", "./pgdata//")
    move(ALREADY_EXISTS, "import", db1, "--to", "pgdata", words="choose another place")
    assert names(volume) == {"orders", "orders/b", "pgdata", "pgdata/a"}


def test_a_mark_goes_with_its_directory(volume, move, db1):
    move(OK, "import", db1, "--to", "pgdata", "--running")
    with volume.opened() as mount_point:
        shutil.rmtree(mount_point / "pgdata")
        directory(mount_point / "pgdata", mine="precious")
    move(ALREADY_EXISTS, "import", db1, "--to", "pgdata", words="is not empty")
    assert names(volume) == {"pgdata", "pgdata/mine"}


@pytest.mark.parametrize("way_out", ["emptied", "removed", "first"])
def test_a_wrong_first_pass_is_no_dead_end(volume, move, db1, db2, way_out):
    move(OK, "import", db2, "--to", "pgdata", "--running")
    move(ALREADY_EXISTS, "import", db1, "--to", "pgdata",
         words=f"an import from {db2} was begun there and is not complete; run that one again, or "
         "empty the directory")
    move(OK, "import", db1, "--to", "beside")
    if way_out == "first":
        move(OK, "import", db2, "--to", "pgdata")
        return
    with volume.opened() as mount_point:
        (mount_point / "pgdata/b").unlink()
        if way_out == "removed":
            (mount_point / "pgdata").rmdir()
    move(OK, "import", db1, "--to", "pgdata", "--running")
    move(ALREADY_EXISTS, "import", db2, "--to", "pgdata", words=str(db1))
    move(OK, "import", db1, "--to", "pgdata")
    assert names(volume) == {"beside", "beside/a", "pgdata", "pgdata/a"}


def test_nothing_begins_inside_of_what_is_not_complete(volume, move, db1, db2):
    move(OK, "import", db1, "--running")
    move(ALREADY_EXISTS, "import", db2, "--to", "x/orders", words="lies in the root of the volume")
    move(OK, "import", db1)
    move(OK, "import", db2, "--to", "x/orders")
    move(ALREADY_EXISTS, "import", db1, words="is not empty")
    assert names(volume) == {"a", "x", "x/orders", "x/orders/b"}


def test_a_mark_of_an_empty_directory_does_not_come_back(volume, move, tmp_path, db2):
    nothing = directory(tmp_path / "nothing")
    move(OK, "import", nothing, "--running")
    move(OK, "import", db2, "--to", "orders")
    move(ALREADY_EXISTS, "import", nothing, words="is not empty")
    assert names(volume) == {"orders", "orders/b"}
    out = tmp_path / "out"
    move(OK, "export", out, "--running")
    shutil.rmtree(out / "orders")
    move(OK, "export", out / "orders", "--from", "orders")
    move(ALREADY_EXISTS, "export", out, words="is not empty")
    assert [p.name for p in (out / "orders").iterdir()] == ["b"]


def test_a_path_of_any_bytes_is_remembered(volume, move, tmp_path):
    odd = os.fsdecode(b"line\nbreak \xff:")
    source = directory(tmp_path / odd, a="a")
    move(OK, "import", source, "--to", odd, "--running")
    result = move(ALREADY_EXISTS, "import", tmp_path / "state", "--to", odd, words="is not empty")
    assert result.err.endswith("directory\n"), result
    move(OK, "import", source, "--to", odd)


def test_no_link_and_no_mount_leads_out_of_the_volume(volume, move, tmp_path, db1):
    outside = directory(tmp_path / "outside")
    other = directory(tmp_path / "other", x="x")
    with volume.opened() as mount_point:
        (mount_point / "link").symlink_to(outside)
        (mount_point / "in").mkdir()
        (mount_point / "in/up").symlink_to("..")
    move(USAGE, "import", db1, "--to", "link", words="link is a symbolic link")
    move(USAGE, "import", db1, "--to", "link/sub", words="link is a symbolic link")
    move(USAGE, "import", db1, "--to", "in/up/x", words="in/up is a symbolic link")
    move(USAGE, "export", tmp_path / "out", "--from", "link", words="link is a symbolic link")
    assert not list(outside.iterdir()) and not (tmp_path / "out").exists()
    with volume.opened() as mount_point:
        subprocess.run(["mount", "--bind", other, mount_point / "in"], check=True)
        try:
            move(USAGE, "import", db1, "--to", "in/sub", words="another file system is mounted")
            move(USAGE, "export", tmp_path / "out", "--from", "in", words="another file system")
        finally:
            subprocess.run(["umount", mount_point / "in"], check=True)
    assert [p.name for p in other.iterdir()] == ["x"]


def test_plaintext_never_comes_to_lie_beside_ciphertext(volume, move, tmp_path, db1):
    move(OK, "import", db1, "--to", "pgdata")
    before = sorted(volume.directory.rglob("*"))
    alias = tmp_path / "alias"
    alias.symlink_to(volume.data)
    bound = directory(tmp_path / "bound")
    for to in (volume.directory, volume.data, volume.data / "out", volume.data / "pgdata/x/y",
               volume.directory / "freehold/out", alias / "out",
               f"{tmp_path}/none/../volume/data/out"):
        move(USAGE, "export", to, words="the destination lies inside")
    subprocess.run(["mount", "--bind", volume.data, bound], check=True)
    try:
        move(USAGE, "export", bound / "out", words="the destination lies inside")
    finally:
        subprocess.run(["umount", bound], check=True)
    move(USAGE, "export", tmp_path, words="the volume's directory lies inside the destination")
    assert sorted(volume.directory.rglob("*")) == before
    other = volume.base / "other"
    key = f"aws-kms://{volume.key}"
    assert volume.run("volume", "create", other, "--key", key, "--state", volume.state).code == OK
    move(USAGE, "export", other / "data/out", words=f"the directory of the volume {other}")


def test_a_volume_is_not_copied_into_itself(volume, move, tmp_path):
    with volume.opened() as mount_point:
        directory(mount_point / "from", a="a")
        for source in (mount_point, mount_point / "from"):
            move(USAGE, "import", source, "--to", "to", words="lies inside the volume's mount")
        move(USAGE, "import", tmp_path, words="the volume's directory lies inside the source")
        move(USAGE, "import", volume.data, words="inside the volume's directory")
        for to in (mount_point, mount_point / "new", mount_point / "from/new"):
            move(USAGE, "export", to, words="lies inside the volume's mount")
        assert {p.name for p in mount_point.rglob("*")} == {"from", "a"}


def test_no_volume_is_made_inside_a_volume(volume):
    key = f"aws-kms://{volume.key}"
    for inside in ("sub", "data/sub", "data/sub/deeper", "freehold/sub"):
        result = volume.run("volume", "create", volume.directory / inside, "--key", key,
                            "--state", volume.state)
        assert result.code == USAGE and "lies inside the volume" in result.err, result
    assert not list(volume.data.iterdir())
    result = volume.run("volume", "create", volume.directory, "--key", key, "--state", volume.state)
    assert result.code == ALREADY_EXISTS and "is a volume already" in result.err, result


def test_an_export_keeps_every_name_and_its_marks_are_elsewhere(volume, move, tmp_path, db2):
    with volume.opened() as mount_point:
        (mount_point / ".freehold-export").write_text("a user's")
    out = tmp_path / "out"
    move(OK, "export", out, "--running")
    move(OK, "export", out)
    assert [(p.name, p.read_text()) for p in out.iterdir()] == [(".freehold-export", "a user's")]
    move(ALREADY_EXISTS, "export", out, words="is not empty")
    move(NOT_FOUND, "export", tmp_path / "new", "--from", "none", words="does not exist")
    assert not (tmp_path / "new").exists() and not list((volume.state / "transfers").iterdir())


def test_an_export_of_another_place_does_not_go_into_one_that_is_begun(volume, move, tmp_path, db1):
    move(OK, "import", db1, "--to", "one")
    move(OK, "import", db1, "--to", "two")
    out = tmp_path / "out"
    move(OK, "export", out, "--from", "one", "--running")
    move(ALREADY_EXISTS, "export", out, "--from", "two", words=f"{volume.directory}:one")
    move(ALREADY_EXISTS, "export", out / "x", "--from", "two", words="is not complete")
    move(OK, "export", out, "--from", "one")
