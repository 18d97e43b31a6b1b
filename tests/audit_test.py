"""The audit log's chain: what a customer sees of an operator who rewrites it."""

import base64
import concurrent.futures
import json
import re
import sqlite3

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519

from audit_testing import LOG, ZEROS, all_entries, check_chain, seal_of, signed_bytes
from control_cli_testing import Person
from freehold_testing import ROOT, USAGE
from server_testing import ROLES, Server

VERIFY_FAILED = 30


class World:
    """A server, and a customer with a log of some length and a head that was kept."""

    def __init__(self, directory):
        self.server = Server(directory / "server")
        self.organization, self.key = self.server.new_organization("acme")
        self.other, self.other_key = self.server.new_organization("other")
        for n in range(3):
            self.server.made("/api/v1/projects", self.key, {"name": f"p{n}"})
            self.server.made("/api/v1/projects", self.other_key, {"name": f"p{n}"})
        self.admin = Person(directory / "admin", self.server.url, self.key)
        (directory / "admin/keys.pem").write_text(self.admin.out("audit", "keys"))
        (directory / "admin/head.json").write_text(self.admin.out("audit", "head"))
        (directory / "admin/export").write_text(self.admin.out("audit", "export"))
        self.server.made("/api/v1/projects", self.key, {"name": "newer"})

    def change_store(self, *statements):
        """As the operator may, with the server stopped."""
        self.server.stop()
        with sqlite3.connect(self.server.directory / "freehold.db") as database:
            for statement in statements:
                database.execute(*statement) if isinstance(statement, tuple) else (
                    database.execute(statement))
        database.close()
        self.server.start()
        self.admin.environment["FREEHOLD_SERVER"] = self.server.url

    def rewrite(self, change):
        """Every seal anew, over what `change` makes of the texts."""
        before, statements = ZEROS, []
        texts = change([entry["text"] for entry in all_entries(self.server, self.key)])
        for position, entry in enumerate(texts, 1):
            before = seal_of(before, self.organization, position, entry)
            statements.append(("update audit set body = ?, seal = ? where organization = ? and "
                               "position = ?", (entry, before.hex(), self.organization, position)))
        statements.append(("delete from audit where organization = ? and position > ?",
                           (self.organization, len(texts))))
        self.change_store(*statements)

    def verify(self, *options):
        return self.admin.out("audit", "verify", *options)

    def broken(self, phrase, *options):
        self.admin.fails(VERIFY_FAILED, phrase, "audit", "verify", *options)


@pytest.fixture
def world(tmp_path):
    made = World(tmp_path)
    yield made
    made.server.stop()


KEPT = ("--key", "keys.pem", "--head", "head.json")


def test_the_documents_example_is_right():
    page = (ROOT / "docs/api/audit.md").read_text()
    rows = re.findall(r"^\| (\d) \| `(\{.*\})` \| `([0-9a-f]{64})` \|$", page, re.M)
    assert [row[0] for row in rows] == ["1", "2"]
    before = ZEROS
    for position, entry, seal in rows:
        before = seal_of(before, "o1", int(position), entry)
        assert before.hex() == seal
    head = {"organization_id": "o1", "position": 2, "seal": before.hex(),
            "at": "2026-01-02T03:04:05Z"}
    made = ed25519.Ed25519PrivateKey.from_private_bytes(bytes([7] * 32)).sign(signed_bytes(head))
    assert re.search(r"^`(\S{86}==)`$", page, re.M).group(1) == base64.b64encode(made).decode()


def test_a_chain_is_each_organizations_own_and_anybody_can_compute_it(world):
    assert len(check_chain(world.server, world.key)) == 7
    assert len(check_chain(world.server, world.other_key)) == 6
    assert check_chain(world.server, world.server.operator_key) == []
    assert "7 entries in an unbroken chain" in world.verify()
    assert "the head of" in world.verify(*KEPT)
    assert world.admin.json("audit", "verify", *KEPT)["position"] == 7
    for role in ROLES[1:]:
        key = world.server.new_key(world.key, role)
        for path in (LOG, f"{LOG}/head", f"{LOG}/keys"):
            assert world.server.ask("GET", path, key).status == 403


def test_an_export_is_verified_without_a_server(world):
    del world.admin.environment["FREEHOLD_SERVER"]
    assert "6 entries" in world.verify("-f", "export", *KEPT)
    assert "does not show" in world.verify("-f", "export")
    world.admin.fails(USAGE, "--key", "audit", "verify", "-f", "export", "--head", "head.json")
    lines = (world.admin.home / "export").read_text().splitlines()
    for phrase, bad in (("entry 1 is missing", lines[1:]),
                        ("entry 3 is missing", lines[:2] + lines[3:]),
                        ("entry 2 was changed", [lines[0], lines[1].replace("ORG_ADMIN", "ORG_ADM")]),
                        ("entry 6 is missing", lines[:5])):
        (world.admin.home / "bad").write_text("\n".join(bad) + "\n")
        world.broken(phrase, "-f", "bad", *KEPT)
    (world.admin.home / "bad").write_text("nonsense\n")
    world.admin.fails(USAGE, "line 1 of bad", "audit", "verify", "-f", "bad")


@pytest.mark.parametrize("statement, phrase", [
    ("update audit set body = replace(body, 'p1', 'p9') where position = 5", "entry 5 was changed"),
    ("delete from audit where position = 2", "entry 2 is missing"),
    ("update audit set position = position + 1 where position = 7", "entry 7 is missing"),
])
def test_what_is_changed_in_the_store_shows(world, statement, phrase):
    world.change_store(statement)
    world.broken(phrase)


def test_a_log_that_is_rewritten_as_a_whole_is_not_the_one_of_a_head_that_was_kept(world):
    world.rewrite(lambda texts: [one.replace('"p1"', '"p9"') for one in texts])
    assert "7 entries" in world.verify()  # by itself it is as good as any
    world.broken("rewritten at entry 6 or before it", *KEPT)


def test_a_log_that_is_cut_short_does_not_reach_a_head_that_was_kept(world):
    world.rewrite(lambda texts: texts[:4])
    assert "4 entries" in world.verify()
    world.broken("entry 5 is missing", *KEPT)


def test_a_head_is_that_of_its_key_and_organization(world):
    head = json.loads((world.admin.home / "head.json").read_text())
    (world.admin.home / "head.json").write_text(json.dumps(head | {"position": 5}))
    world.broken("signature of the head", *KEPT)
    other = world.server.ask("GET", f"{LOG}/head", world.other_key).text
    (world.admin.home / "head.json").write_text(other)
    world.broken("another organization", *KEPT)
    (world.admin.home / "head.json").write_text(json.dumps(head | {"surprise": 1}))
    world.admin.fails(USAGE, "surprise", "audit", "verify", *KEPT)


def test_heads_outlive_the_key_that_signed_them(world):
    key = world.server.directory / "audit.key"
    assert key.stat().st_mode & 0o777 == 0o600
    before = key.read_bytes()
    world.change_store()
    assert key.read_bytes() == before
    assert "on it, at 6" in world.verify(*KEPT)
    key.unlink()
    world.change_store()
    assert len(world.server.ask("GET", f"{LOG}/keys", world.key).json["keys"]) == 2
    assert "on it, at 6" in world.verify("--head", "head.json")
    world.broken("none of those given", *KEPT)  # whoever trusts the first key alone


def test_a_store_of_the_time_before_is_sealed_at_the_start(world):
    entries = all_entries(world.server, world.key)
    world.change_store(
        "drop index audit_by_position", "drop index audit_unsealed",
        "alter table audit drop column position", "alter table audit drop column seal",
        "create index audit_by_organization on audit (organization, sequence)",
        "pragma user_version = 1")
    assert all_entries(world.server, world.key) == entries
    assert "7 entries" in world.verify(*KEPT)


def test_what_a_server_of_the_time_before_still_writes_is_sealed_before_the_next_entry(world):
    with sqlite3.connect(world.server.directory / "freehold.db") as database:
        for organization in (world.organization, world.other, world.organization):
            database.execute("insert into audit (organization, body) values (?, ?)",
                             (organization, json.dumps({"organization_id": organization})))
    database.close()
    assert len(all_entries(world.server, world.key)) == 7
    world.server.made("/api/v1/projects", world.key, {"name": "next"})
    assert len(check_chain(world.server, world.key)) == 10
    assert len(check_chain(world.server, world.other_key)) == 7


def test_many_changes_at_once_make_one_chain(world):
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: world.server.made("/api/v1/projects", world.key,
                                                  {"name": f"many{n}"}), range(40)))
    assert len(check_chain(world.server, world.key)) == 47
    assert "47 entries" in world.verify(*KEPT)


def test_the_list_of_actions_is_whole():
    """Every action that the source writes down, and no other."""
    roles = "access.cc"  # has words of that form which are none
    words = re.compile(r'"([A-Z]+(?:_[A-Z]+)+)"')
    written = {action for path in (ROOT / "src/control").glob("*.cc")
               if path.name != roles and not path.name.endswith("_test.cc")
               for action in words.findall(path.read_text())}
    page = (ROOT / "docs/api/audit.md").read_text()
    table = page[page.index("### Actions"):page.index("## That nothing was rewritten")]
    listed = re.findall(r"`([A-Z]+(?:_[A-Z]+)+)`", table)
    assert sorted(listed) == sorted(written)
