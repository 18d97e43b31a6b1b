"""Where a text lies in plain: below directories, on the file systems that these are on."""

import pathlib
import subprocess
import uuid

# What a database may write to besides its volume.
EVERYWHERE = ["/tmp", "/var/tmp", "/dev/shm", "/var/log", "/run"]


class Canary:
    """A text that is nowhere yet. Files that were last changed before it was made are left out."""

    def __init__(self, directory):
        self.text = f"canary {uuid.uuid4()}"
        self.born = pathlib.Path(directory, "canary-was-born")
        self.born.touch()

    def found_in(self, *places):
        """Files that hold it. Mounts below the places are not entered: a volume's is one."""
        listed = subprocess.run(
            ["find", *map(str, places), "-xdev", "-type", "f", "-newer", self.born, "-print0"],
            check=False, capture_output=True)  # files that end meanwhile make it fail
        found = subprocess.run(
            ["xargs", "-0", "-r", "grep", "-laF", "-e", self.text], input=listed.stdout,
            check=False, capture_output=True, text=False)
        return found.stdout.decode().splitlines()

    def must_be_in_a_copy_of(self, directory, work):
        """The search itself works: the same files in a plain directory hold the text."""
        plain = pathlib.Path(work, "plain")
        subprocess.run(["cp", "-a", directory, plain], check=False, capture_output=True)
        found = self.found_in(plain)
        subprocess.run(["rm", "-rf", plain], check=True)
        assert found, f"the text is in no file of a plain copy of {directory}"
        return len(found)
