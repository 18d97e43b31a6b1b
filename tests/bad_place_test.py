"""Places where no volume can be made, found or mounted."""

import concurrent.futures
import subprocess

import freehold_testing as ft
from bad_input_testing import command, holds_its_data, kms_requests, mounting, one_sentence, says
from bad_input_testing import kms, loaded, nothing_was_lost  # fixtures
from freehold_testing import Volume


def test_a_volume_is_made_only_in_an_empty_place_and_only_once(loaded, tmp_path):
    key = ["--key", f"aws-kms://{loaded.key}"]

    def creating(path):
        return lambda *m: loaded.run("volume", "create", path, "--state", loaded.state, *key, *m)

    before = kms_requests(loaded)
    says(creating(loaded.directory), ft.ALREADY_EXISTS, "is a volume already")
    full = tmp_path / "full"
    full.mkdir()
    (full / "something").write_text("of somebody's")
    says(creating(full), ft.ALREADY_EXISTS, "not empty")
    assert [p.name for p in full.iterdir()] == ["something"]
    says(creating(full / "something"), (ft.NOT_FOUND, ft.ALREADY_EXISTS), "something")
    says(creating(full / "something/below"), ft.NOT_FOUND)
    assert kms_requests(loaded) == before


def test_of_two_creations_at_once_one_makes_the_volume_and_the_other_says_so(
    kms, loaded, tmp_path
):
    for attempt in range(5):
        path = tmp_path / f"race{attempt}"
        path.mkdir()
        volume = Volume(kms, path, key=loaded.key)
        with concurrent.futures.ThreadPoolExecutor(3) as pool:
            create = lambda: volume.volume("create", "--key", f"aws-kms://{volume.key}", "--json")
            results = [f.result() for f in [pool.submit(create) for _ in range(3)]]
        made = [r for r in results if r.code == ft.OK]
        assert len(made) == 1, results
        for refused in results:
            if refused is not made[0]:
                one_sentence(refused, (ft.ALREADY_EXISTS, ft.BUSY))
        assert made[0].json["volume_id"] == volume.status()["volume_id"]
        assert volume.volume("verify").code == ft.OK


def test_no_volume_is_said_plainly(loaded, tmp_path):
    nowhere = Volume(loaded.kms, tmp_path, key=loaded.key)
    for name in ("status", "verify", "seal", "open", "unmount"):
        says(command(nowhere, name), ft.NOT_FOUND, "there is no volume at")
    says(mounting(nowhere), ft.NOT_FOUND)
    nowhere.directory.mkdir()
    for name in ("status", "verify", "seal"):
        says(command(nowhere, name), ft.NOT_FOUND, "is not a volume")


def test_a_closed_volume_cannot_be_sealed_opened_or_unmounted(loaded):
    for name in ("seal", "open", "unmount"):
        says(command(loaded, name), ft.NOT_FOUND, "is not mounted")


def test_a_mount_point_must_be_a_free_directory_outside_the_volume(loaded, tmp_path):
    def mounting_at(place, *flags):
        return command(loaded, "mount", place, *ft.FAST, *flags)

    (tmp_path / "file").touch()
    says(mounting_at(tmp_path / "none"), ft.NOT_FOUND, "none")
    says(mounting_at(tmp_path / "file"), ft.USAGE, "not a directory")
    inside = loaded.directory / "freehold"
    for place in (loaded.directory, loaded.data, inside, f"{loaded.mount_point}/../volume/data"):
        says(mounting_at(place), ft.USAGE, "inside the volume")
    used = tmp_path / "used"
    used.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "none", used], check=True)
    try:
        (used / "kept").write_text("kept")
        says(mounting_at(used), ft.BUSY, "in use")
        says(mounting_at(used, "--wait-for-key"), ft.BUSY, "in use")
        assert (used / "kept").read_text() == "kept"
    finally:
        subprocess.run(["umount", used], check=True)
    assert loaded.processes() == []


def test_an_open_volume_is_opened_no_second_time(loaded, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    with loaded.opened() as mount_point:
        second = command(loaded, "mount", elsewhere, *ft.FAST)
        says(second, ft.BUSY, "open in another process")
        says(mounting(loaded), ft.BUSY)
        assert list(elsewhere.iterdir()) == []
        holds_its_data(mount_point)


def test_a_mount_point_named_to_unmount_status_or_seal_finds_its_volume(loaded):
    loaded.mount()
    unmounted = loaded.run("volume", "unmount", loaded.mount_point)
    assert unmounted.code == ft.OK, unmounted
