"""`freehold key check` in the tests: asked about a volume's key, and what it found wrong."""


def check(volume, *arguments):
    return volume.run("key", "check", volume.key, *volume.access, *arguments, "--json")


def failed_items(report):
    return [item for item in report["items"] if item["outcome"] == "failed"]


def failed(volume, word="detail"):
    """Exit code, and of the first thing that is wrong the meaning and a word about it."""
    result = check(volume)
    item = failed_items(result.json)[0]
    return result.code, item["meaning"], item[word]
