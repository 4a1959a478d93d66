"""The decisions against those of EPICS base's own engine, libCom's asLib in C, for the same file."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from pathlib import Path

import epicscorelibs.path
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dmioc.access import AcfRules, explained, load_rules
from dmioc.access.checks import ASGS
from dmioc.access.explain import Question
from dmioc.engine.ports import AccessRequest

WRITE_ACCESS = 2
USERS = {"a": ("alice", "bob"), "b": ("bob", "carol"), "c": ("dave",)}
HOSTS = {"h": ("10.0.0.1", "10.0.0.2"), "k": ("10.0.0.2", "127.0.0.1"), "m": ("10.0.0.3",)}
WHO = ("alice", "bob", "carol", "dave", "mallory")
WHERE = ("10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4", "127.0.0.1")

Decide = Callable[[str, str, str], int]


class AsgClient(ctypes.Structure):
    """``struct asgClient`` of asLib.h (EPICS 7.0.10)."""

    _fields_ = [
        ("next", ctypes.c_void_p),
        ("previous", ctypes.c_void_p),
        ("member", ctypes.c_void_p),
        ("user", ctypes.c_char_p),
        ("host", ctypes.c_char_p),
        ("private", ctypes.c_void_p),
        ("callback", ctypes.c_void_p),
        ("level", ctypes.c_int),
        ("access", ctypes.c_int),
        ("trap_mask", ctypes.c_int),
    ]


class BaseEngine:
    """asLib through ctypes; hosts by address, as ``asCheckClientIP`` has it."""

    def __init__(self) -> None:
        library = next(Path(epicscorelibs.path.lib_path).glob("libCom.so*"))
        self._lib = lib = ctypes.CDLL(str(library))
        pointer = ctypes.c_void_p
        lib.asInitMem.argtypes = [ctypes.c_char_p, pointer]
        lib.asAddMember.argtypes = [ctypes.POINTER(pointer), ctypes.c_char_p]
        lib.asRemoveMember.argtypes = [ctypes.POINTER(pointer)]
        lib.asAddClient.argtypes = [ctypes.POINTER(pointer), pointer, ctypes.c_int, ctypes.c_char_p, ctypes.c_char_p]
        lib.asRemoveClient.argtypes = [ctypes.POINTER(pointer)]
        for function in (lib.asInitMem, lib.asAddMember, lib.asRemoveMember, lib.asAddClient, lib.asRemoveClient):
            function.restype = ctypes.c_long
        ctypes.c_int.in_dll(lib, "asCheckClientIP").value = 1

    def load(self, text: str) -> bool:
        """Whether the engine takes the file."""
        return int(self._lib.asInitMem(text.encode(), None)) == 0

    def access(self, asg: str, user: str, host: str) -> int:
        """0 none, 1 read, 2 write; of the value of a record, whose level is 0."""
        member, client = ctypes.c_void_p(), ctypes.c_void_p()
        # asLib keeps the pointers for as long as member and client live.
        texts = [ctypes.create_string_buffer(text.encode()) for text in (asg, user, host)]
        assert self._lib.asAddMember(ctypes.byref(member), texts[0]) == 0
        assert self._lib.asAddClient(ctypes.byref(client), member, 0, texts[1], texts[2]) == 0
        access = int(ctypes.cast(client, ctypes.POINTER(AsgClient)).contents.access)
        assert self._lib.asRemoveClient(ctypes.byref(client)) == 0
        assert self._lib.asRemoveMember(ctypes.byref(member)) == 0
        return access


@pytest.fixture(scope="module")
def base() -> BaseEngine:
    return BaseEngine()


@st.composite
def files(draw: st.DrawFn) -> str:
    """A file that both engines take: every group defined, everybody reads."""
    lines = [f"UAG({name}) {{ {', '.join(members)} }}" for name, members in USERS.items()]
    lines += [f"HAG({name}) {{ {', '.join(members)} }}" for name, members in HOSTS.items()]
    for asg in ASGS:
        lines.append(f"ASG({asg}) {{ RULE({draw(st.sampled_from('01'))}, READ)")
        for _ in range(draw(st.integers(0, 3))):
            level, permission = draw(st.sampled_from("01")), draw(st.sampled_from(["WRITE", "WRITE", "READ", "NONE"]))
            trap = draw(st.sampled_from(["", ", TRAPWRITE", ", NOTRAPWRITE"]))
            users = draw(st.lists(st.sampled_from(sorted(USERS)), max_size=2, unique=True))
            hosts = draw(st.lists(st.sampled_from(sorted(HOSTS)), max_size=2, unique=True))
            conditions = f"UAG({', '.join(users)}) " * bool(users) + f"HAG({', '.join(hosts)})" * bool(hosts)
            lines.append(f"RULE({level}, {permission}{trap}) " + f"{{ {conditions} }}" * bool(conditions))
        lines.append("}")
    return "\n".join(lines) + "\n"


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=files())
def test_every_decision_is_that_of_base(base: BaseEngine, tmp_path: Path, text: str) -> None:
    path = tmp_path / "access.acf"
    path.write_text(text)
    rules = load_rules(path)
    assert base.load(text), text
    for asg in ASGS:
        for user in WHO:
            for host in WHERE:
                access = base.access(asg, user, host)
                assert access >= 1, "everybody reads"
                decided = rules.decide(AccessRequest(asg, user, host)).is_allowed
                assert decided == (access == WRITE_ACCESS), (asg, user, host, text)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=files(), user=st.sampled_from(WHO), host=st.sampled_from(WHERE), asg=st.sampled_from(ASGS))
def test_an_explanation_says_what_is_decided(tmp_path: Path, text: str, user: str, host: str, asg: str) -> None:
    path = tmp_path / "access.acf"
    path.write_text(text)
    rules: AcfRules = load_rules(path)
    is_allowed, lines = explained(rules, Question(user, host, "T:PV", asg))
    assert is_allowed == rules.decide(AccessRequest(asg, user, host)).is_allowed
    assert is_allowed == any(line.endswith("holds, and lets it") for line in lines), lines


@pytest.mark.parametrize(
    "text",
    [
        "ASG(DMWRITE) { RULE(1, READ) RULE(1, WRITE) ",
        "ASG(DMWRITE) { RULE(1, READ) RULE(1, WRITE) { UAG(nosuch) } }",
        "UAG(a) { alice bob }",
    ],
)
def test_what_base_refuses_is_refused(base: BaseEngine, tmp_path: Path, text: str) -> None:
    path = tmp_path / "access.acf"
    path.write_text(text)
    assert not base.load(text)
    with pytest.raises(Exception, match="line 1"):
        load_rules(path)
