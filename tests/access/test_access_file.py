"""Access security files: what is taken, what is refused and in which words, and what follows from them."""

from __future__ import annotations

import socket
import warnings
from pathlib import Path

import pytest

from dmioc.access import AcfRules, explained, load_rules, question_about
from dmioc.catalogue import Slots, station_catalogue
from dmioc.engine.ports import AccessRequest
from dmioc.errors import ConfigurationError

READ = "RULE(1, READ)"
GOOD = """
# comments, and names in quotes
UAG(staff) { alice, "bob smith" }
UAG(nobody)
HAG(hutch) { 10.0.0.9, 10.0.0.10 }
ASG(DMWRITE) {
    RULE(1, READ)
    RULE(1, WRITE, TRAPWRITE) { UAG(staff) }
    RULE(0, PUT, NOTRAPWRITE) { HAG(hutch) }
}
ASG(DMCOMMAND) { RULE(1, READ) RULE(1, WRITE) { UAG(staff, nobody) HAG(hutch) } RULE(1, RPC) { UAG(staff) } }
"""
STRANGER = "192.0.2.99"
CATALOGUE = station_catalogue(Slots(1, 1, 1, 1))


def own_address() -> str:
    """An address of this host that is not loopback; loopback where there is no other."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        try:
            sock.connect((STRANGER, 9))
        except OSError:
            return "127.0.0.1"
        return str(sock.getsockname()[0])


def rules_of(tmp_path: Path, text: str) -> AcfRules:
    path = tmp_path / "access.acf"
    path.write_text(text)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return load_rules(path)


def may(rules: AcfRules, asg: str, user: str, host: str, is_rpc: bool = False) -> bool:
    return rules.decide(AccessRequest(asg, user, host, is_rpc)).is_allowed


@pytest.mark.parametrize("asg", ["DMWRITE", "DMCOMMAND", "DMADMIN"])
def test_without_a_file_this_host_writes_and_no_other(asg: str) -> None:
    rules = load_rules(None)
    for host in ("127.0.0.1", "127.5.5.5", "::1", "::ffff:127.0.0.1", own_address()):
        assert may(rules, asg, "anybody", host) and may(rules, asg, "", host, is_rpc=True), host
    for host in (STRANGER, "8.8.8.8", "::ffff:8.8.8.8", "2001:db8::1", "localhost", "this host", "", "nonsense"):
        assert not may(rules, asg, "anybody", host), host
        assert not may(rules, asg, "root", host, is_rpc=True), host
    assert not may(rules, "DEFAULT", "anybody", "127.0.0.1")
    reason = rules.decide(AccessRequest(asg, "anybody", STRANGER)).reason
    assert reason == f"ASG {asg} is for HAG(this host), by the gateway's own rules"


def test_rules_of_a_file(tmp_path: Path) -> None:
    rules = rules_of(tmp_path, GOOD)
    assert may(rules, "DMWRITE", "alice", STRANGER)
    assert may(rules, "DMWRITE", "bob smith", STRANGER)
    assert may(rules, "DMWRITE", "carol", "10.0.0.10")
    assert not may(rules, "DMWRITE", "carol", STRANGER)
    assert not may(rules, "DMWRITE", "carol", "127.0.0.1"), "what the file defines is as the file says"
    assert not may(rules, "DMWRITE", "carol", "10.0.0.10", is_rpc=True), "PUT is not RPC"
    assert may(rules, "DMCOMMAND", "alice", "10.0.0.9")
    assert not may(rules, "DMCOMMAND", "alice", STRANGER)
    assert may(rules, "DMCOMMAND", "alice", STRANGER, is_rpc=True)
    assert may(rules, "DMADMIN", "anybody", "127.0.0.1"), "what the file leaves out is as without a file"
    assert not may(rules, "DMADMIN", "alice", "10.0.0.9")
    assert rules.warnings == ()


def test_a_reason_names_the_group_of_users_and_hosts_and_the_line(tmp_path: Path) -> None:
    rules = rules_of(tmp_path, GOOD)
    reason = rules.decide(AccessRequest("DMCOMMAND", "mallory", STRANGER)).reason
    assert reason == f"ASG DMCOMMAND is for UAG(staff, nobody) HAG(hutch), by {tmp_path}/access.acf line 11"


def test_this_host_is_one_host_whichever_of_its_addresses_is_named(tmp_path: Path) -> None:
    for name in ("localhost", own_address()):
        text = f"HAG(here) {{ {name} }} ASG(DMWRITE) {{ {READ} RULE(1, WRITE) {{ HAG(here) }} }}"
        rules = rules_of(tmp_path, text)
        assert may(rules, "DMWRITE", "x", "127.0.0.1") and may(rules, "DMWRITE", "x", own_address())
        assert not may(rules, "DMWRITE", "x", STRANGER)


def test_addresses_of_both_kinds_are_known_in_every_spelling(tmp_path: Path) -> None:
    rules = rules_of(
        tmp_path, f'HAG(six) {{ "2001:db8::0:9" }} ASG(DMWRITE) {{ {READ} RULE(1, WRITE) {{ HAG(six) }} }}'
    )
    assert may(rules, "DMWRITE", "x", "2001:0db8::9")
    assert not may(rules, "DMWRITE", "x", "2001:db8::8")


def test_a_host_without_an_address_is_told_and_matches_nobody(tmp_path: Path) -> None:
    text = f"HAG(h) {{ no-such-host.invalid,\n 10.0.0.9 }}\nASG(DMWRITE) {{ {READ} RULE(1, WRITE) {{ HAG(h) }} }}"
    rules = rules_of(tmp_path, text)
    assert [*rules.warnings] == [
        f"{tmp_path}/access.acf, line 1: host no-such-host.invalid has no address: nobody is taken for it"
    ]
    assert may(rules, "DMWRITE", "x", "10.0.0.9")
    assert not may(rules, "DMWRITE", "x", "no-such-host.invalid")


def test_names_that_look_like_words_of_the_language_are_names(tmp_path: Path) -> None:
    text = f'UAG("ASG") {{ "UAG", RULE, INPA, 7 }} ASG(DMWRITE) {{ {READ} RULE(1, WRITE) {{ UAG("ASG") }} }}'
    rules = rules_of(tmp_path, text)
    assert all(may(rules, "DMWRITE", user, STRANGER) for user in ("UAG", "RULE", "INPA", "7"))
    assert not may(rules, "DMWRITE", "ASG", STRANGER)


def test_a_user_cannot_get_in_by_an_odd_name(tmp_path: Path) -> None:
    rules = rules_of(tmp_path, GOOD)
    for user in ("", "staff", "UAG(staff)", "role/staff", "alice ", "ALICE", "alice\n", "bob", "alice,bob smith", "\0"):
        assert not may(rules, "DMWRITE", user, STRANGER), user


def test_many_users_and_hosts_are_not_kept_for_ever(tmp_path: Path) -> None:
    rules = rules_of(tmp_path, GOOD)
    for number in range(10_000):
        assert not may(rules, "DMWRITE", f"user{number}", "127.0.0.1")
    assert len(rules._decisions) <= 4096
    assert may(rules, "DMWRITE", "alice", STRANGER)


WRONG = [
    ("ASG(DMWRITE) { RULE(1, READ)\n RULE(1, WRITE) ", "line 2: RULE or '}' is needed, not the end of the file"),
    ("ASG(DMWRITE) { RULE(1, READ)\n\n RULE(1, WRITE", "line 3: ')' is needed, not the end of the file"),
    ("UAG(a) { alice,\n }", "line 2: the name of a user is needed, not '}'"),
    ("UAG(a) { alice bob }", "line 1: '}' is needed, not 'bob'"),
    ("HAG(a) { }", "line 1: the name or the address of a host is needed, not '}'"),
    ("# only\n", "there is no ASG in it; DEFAULT, DMWRITE, DMCOMMAND, DMADMIN are the ones"),
    ("ASH(DMWRITE)", "line 1: UAG, HAG or ASG is needed, not 'ASH'"),
    ("}", "line 1: UAG, HAG or ASG is needed, not '}'"),
    ("\n\n%", "line 3: '%' cannot stand here"),
    ('UAG(a) { "alice }\n', "line 1: a quoted text does not end"),
    (f"ASG(DMWRITE) {{ {READ} }}\nASG(JOBS) {{ {READ} }}", "line 2: no PV is in ASG(JOBS); there are DEFAULT, DMWRITE"),
    (f"ASG(DMWRITE) {{ {READ}\n RULE(1, FROB) }}", "line 2: 'FROB' is no permission; there are READ, WRITE"),
    (f"ASG(DMWRITE) {{ {READ}\n RULE(1, write) }}", "line 2: 'write' is no permission"),
    (f"ASG(DMWRITE) {{ {READ}\n RULE(1, UNCACHED) }}", "line 2: 'UNCACHED' is no permission"),
    (f"ASG(DMWRITE) {{ {READ}\n RULE(2, WRITE) }}", "line 2: the level of a RULE is 0 or 1, not '2'"),
    (f"ASG(DMWRITE) {{ {READ}\n RULE(one, WRITE) }}", "line 2: the level of a RULE is 0 or 1, not 'one'"),
    (f"ASG(DMWRITE) {{ {READ}\n RULE(1, WRITE, TRAP) }}", "line 2: 'TRAP' is no trap; there are TRAPWRITE"),
    (f"ASG(DMWRITE) {{ {READ}\n RULE(1, WRITE) {{ UAG(ops) }} }}", "line 2: UAG(ops) is not defined; there is none"),
    (
        f"HAG(a) {{ 10.0.0.1 }} ASG(DMWRITE) {{ {READ}\n RULE(1, WRITE) {{ HAG(b) }} }}",
        "line 2: HAG(b) is not defined; there are a",
    ),
    (
        f"UAG(a) {{x}} UAG(b) {{y}}\nASG(DMWRITE) {{ {READ} RULE(1, WRITE) {{ UAG(a) UAG(b) }} }}",
        "line 2: one UAG(...) in a RULE, with all the groups in it: UAG(a, b)",
    ),
    ("UAG(a) {x}\nUAG(a) {y}", "no ASG in it"),
    (f"UAG(a) {{x}}\nUAG(a) {{y}} ASG(DMWRITE) {{ {READ} }}", "line 2: UAG(a) stands in line 1 already"),
    (f"ASG(DMWRITE) {{ {READ} }}\nASG(DMWRITE) {{ {READ} }}", "line 2: ASG(DMWRITE) stands in line 1 already"),
    (f"ASG(DMWRITE) {{ {READ}\n INPA(X:y) RULE(1, WRITE) }}", "line 2: INPA is not evaluated by this gateway"),
    (
        f"ASG(DMWRITE) {{ {READ}\n RULE(1, WRITE) {{\nCALC(\"__import__('os')\") }} }}",
        "line 3: CALC is not evaluated by this gateway",
    ),
    ("ASG(DMWRITE) { RULE(1, WRITE) { UAG(a) } } UAG(a) {x}", "line 1: ASG(DMWRITE) needs RULE(1, READ)"),
    ("ASG(DMWRITE) { RULE(1, READ) { UAG(a) } } UAG(a) {x}", "line 1: ASG(DMWRITE) needs RULE(1, READ)"),
    ("\nASG(DMADMIN)", "line 2: ASG(DMADMIN) needs RULE(1, READ) without conditions"),
    (f'HAG("this host") {{ 10.0.0.1 }} ASG(DMWRITE) {{ {READ} }}', "line 1: HAG(this host) is the gateway's own"),
    (f'UAG(ops) {{ a,\n "role/beamline" }} ASG(DMWRITE) {{ {READ} }}', "line 2: 'role/beamline': groups of the"),
]


@pytest.mark.parametrize(("text", "words"), WRONG)
def test_a_file_that_is_wrong_is_refused_with_the_line(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        rules_of(tmp_path, text)
    assert words in str(caught.value)
    assert str(tmp_path / "access.acf") in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_cut_anywhere_is_never_more_than_a_refusal(tmp_path: Path) -> None:
    for length in range(len(GOOD)):
        try:
            rules = rules_of(tmp_path, GOOD[:length])
        except ConfigurationError:
            continue
        assert not may(rules, "DMCOMMAND", "mallory", STRANGER), GOOD[:length]


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be read: No such file"):
        load_rules(tmp_path / "missing.acf")
    with pytest.raises(ConfigurationError, match="cannot be read: Is a directory"):
        load_rules(tmp_path)
    path = tmp_path / "access.acf"
    path.write_bytes(b"# a\n\xff\n")
    with pytest.raises(ConfigurationError, match="line 2: this is not UTF-8"):
        load_rules(path)
    path.write_bytes(b"#" * 2_000_000)
    with pytest.raises(ConfigurationError, match="longer than 1048576 bytes"):
        load_rules(path)


def test_an_explanation_names_rules_groups_and_addresses(tmp_path: Path) -> None:
    rules = rules_of(tmp_path, GOOD + "HAG(here) { localhost }\n")
    question = question_about(CATALOGUE, "T:", "alice", STRANGER, "T:WF1:Start")
    is_allowed, lines = explained(rules, question)
    text = "\n".join(lines)
    assert not is_allowed
    for words in (
        f"alice at {STRANGER} may NOT put to T:WF1:Start",
        "UAG of alice: staff",
        f"HAG of {STRANGER}: none",
        "HAG(here) localhost is 127.0.0.1",
        f"T:WF1:Start is in ASG DMCOMMAND; its rules are from {tmp_path}/access.acf",
        "line 11: RULE(1, WRITE) { UAG(staff, nobody) HAG(hutch) }: does not hold: not in HAG(hutch)",
        "line 11: RULE(1, RPC) { UAG(staff) }: holds, and is not about this",
    ):
        assert words in text
    assert explained(rules, question_about(CATALOGUE, "T:", "alice", STRANGER, "RPC.startDaq"))[0]
    assert explained(rules, question_about(CATALOGUE, "T:", "carol", "10.0.0.9", "WF1:Name"))[0]
    assert explained(rules, question_about(CATALOGUE, "T:", "carol", "localhost", "Control"))[0]
    is_allowed, lines = explained(rules, question_about(CATALOGUE, "T:", "alice", "10.0.0.9", "T:WF1:Name.DESC"))
    assert (is_allowed, lines) == (False, ["T:WF1:Name.DESC is read-only for everybody: no rule is asked"])
    with pytest.raises(ConfigurationError, match="there is no PV 'T:Nothing'"):
        question_about(CATALOGUE, "T:", "alice", "localhost", "T:Nothing")
    with pytest.raises(ConfigurationError, match=r"host 'no-such-host.invalid' has no address"):
        explained(rules, question_about(CATALOGUE, "T:", "alice", "no-such-host.invalid", "WF1:Name"))
