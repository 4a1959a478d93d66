"""A file of faults is checked as a whole: what is wrong is named with the key, the value and what would be right."""

from __future__ import annotations

import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import pytest
from fault_file import Table, toml
from gateway_process import GatewayProcess

from dmioc.errors import ConfigurationError
from dmioc.localdm.faults.kinds import EVERY_KEY, KINDS, Fault, fault_help, keys_of
from dmioc.localdm.faults.reading import read_faults

EXAMPLE = files("dmioc") / "examples" / "faults.toml"
NEEDED = {"seconds": 1.0, "keys": ["id"], "word": "odd", "values": {"id": "x"}}


def read(tmp_path: Path, text: str) -> tuple[Fault, ...]:
    path = tmp_path / "faults.toml"
    path.write_text(text, "utf-8")
    return read_faults(path)


def complaint(tmp_path: Path, text: str) -> str:
    with pytest.raises(ConfigurationError) as caught:
        read(tmp_path, text)
    message = str(caught.value)
    assert "\n" not in message and "faults.toml" in message
    return message


@pytest.mark.parametrize("name", KINDS)
def test_each_kind_with_what_it_needs(tmp_path: Path, name: str) -> None:
    table = {"kind": name, **{key: NEEDED[key] for key in KINDS[name].needed}}
    (fault,) = read(tmp_path, toml(table))
    assert fault.kind == name
    for key in KINDS[name].needed:
        less = {other: value for other, value in table.items() if other != key}
        assert f"{key} is missing: {name} needs {EVERY_KEY[key]}" in complaint(tmp_path, toml(less))


def test_defaults_and_every_key(tmp_path: Path) -> None:
    assert read(tmp_path, "") == ()
    assert read(tmp_path, toml({"kind": "hang", "enabled": False})) == ()
    table: Table = {
        "kind": "slow",
        "service": "PROC",
        "endpoint": ["getProcessing*", "listWorkflows"],
        "method": "GET",
        "experiment": "demo*",
        "object": "1234",
        "after": 2,
        "count": 3,
        "probability": 0.5,
        "seed": 7,
        "seconds": 2,
    }
    (fault,) = read(tmp_path, toml(table))
    assert fault == Fault(
        "slow",
        service=("PROC",),
        endpoint=("getProcessing*", "listWorkflows"),
        method="GET",
        experiment="demo*",
        object="1234",
        after=2,
        count=3,
        probability=0.5,
        seed=7,
        seconds=2.0,
    )
    assert str(read(tmp_path, toml({"kind": "status", "status": 503}))[0]) == "status (status 503)"


WRONG: list[tuple[Table, list[str]]] = [
    ({}, ["kind is missing", "refuse", "long-names"]),
    ({"kind": "hangs"}, ["kind = 'hangs'", "did you mean hang"]),
    ({"kind": "hang", "servce": "DS"}, ["servce: there is no such key", "did you mean service"]),
    ({"kind": "hang", "service": "APSDB"}, ["service = 'APSDB'", "DS, DAQ, PROC, CAT"]),
    ({"kind": "hang", "endpoint": "getDaqinfo"}, ["endpoint = 'getDaqinfo'", "did you mean getDaqInfo"]),
    ({"kind": "hang", "endpoint": "zzz*"}, ["no endpoint of localdm fits 'zzz*'", "dmioc localdm --endpoints"]),
    ({"kind": "hang", "service": "DS", "endpoint": "getDaqInfo"}, ["no request can match", "service ('DS',)"]),
    ({"kind": "hang", "method": "get"}, ["method = 'get'", "DELETE, GET, POST, PUT"]),
    ({"kind": "hang", "after": -1}, ["after = -1", "whole number from 0"]),
    ({"kind": "hang", "count": 0}, ["count = 0", "whole number from 1"]),
    ({"kind": "hang", "count": "many"}, ["count = 'many'", "whole number"]),
    ({"kind": "hang", "probability": 1.5}, ["probability = 1.5", "from 0 to 1"]),
    ({"kind": "hang", "carry_out": "yes"}, ["carry_out = 'yes'", "true or false"]),
    ({"kind": "hang", "seconds": -1}, ["seconds = -1", "seconds from 0"]),
    ({"kind": "slow", "seconds": 0}, ["seconds = 0", "seconds from 0.001"]),
    ({"kind": "status", "status": 200}, ["status = 200", "from 300 to 599"]),
    ({"kind": "hang", "word": "x"}, ["word does not go with hang"]),
    ({"kind": "refuse", "count": 1}, ["count does not go with refuse, which takes kind, enabled, service"]),
    ({"kind": "missing-key", "keys": []}, ["keys = []", "list of texts"]),
    ({"kind": "set", "values": 3}, ["values = 3", "a table such as"]),
]


@pytest.mark.parametrize(("table", "words"), WRONG)
def test_what_is_wrong_is_named(tmp_path: Path, table: Table, words: list[str]) -> None:
    message = complaint(tmp_path, toml({"kind": "refuse"}, table))
    for word in ("fault 2", *words):
        assert word in message


def test_every_wrong_key_is_told_at_once(tmp_path: Path) -> None:
    message = complaint(tmp_path, toml({"kind": "hang", "after": -1, "count": 0}, {"kind": "cutt"}))
    assert "fault 1: after = -1" in message and "fault 1: count = 0" in message and "fault 2: kind = 'cutt'" in message


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[[fault]\n", "is not TOML"),
        ("[fault]\nkind = 'hang'\n", "two brackets"),
        ("kind = 'hang'\n", "kind: only [[fault]] tables"),
    ],
)
def test_what_is_no_list_of_faults(tmp_path: Path, text: str, words: str) -> None:
    assert words in complaint(tmp_path, text)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"nowhere\.toml cannot be read: No such file"):
        read_faults(tmp_path / "nowhere.toml")


def test_the_example_has_every_kind_and_the_help_every_key(tmp_path: Path) -> None:
    text = EXAMPLE.read_text("utf-8")
    assert read(tmp_path, text) == ()  # nothing is enabled in a file that was only copied
    enabled = read(tmp_path, text.replace("enabled = false", "enabled = true"))
    assert {fault.kind for fault in enabled} == set(KINDS)
    told = fault_help()
    for word in (*KINDS, *EVERY_KEY):
        assert word in told
    assert {key for kind in KINDS.values() for key in keys_of(kind)} == set(EVERY_KEY)


@pytest.mark.parametrize("command", ["localdm", "run"])
def test_a_wrong_file_refuses_the_start_with_2(tmp_path: Path, command: str) -> None:
    path = tmp_path / "faults.toml"
    path.write_text(toml({"kind": "hangs"}), "utf-8")
    where = ("--dir", str(tmp_path / "dm")) if command == "localdm" else ("--state", str(tmp_path / "state"))
    ended = subprocess.run(
        [sys.executable, "-m", "dmioc", command, *where, "--faults", str(path)],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert ended.returncode == 2
    assert "fault 1: kind = 'hangs': did you mean hang" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_local_dm_that_was_left_running_with_faults_is_not_taken_over_without(repeater: None, tmp_path: Path) -> None:
    path = tmp_path / "faults.toml"
    path.write_text("", "utf-8")
    gateway = GatewayProcess(tmp_path / "state", "--faults", str(path))
    try:
        gateway.start().kill()
        command = [sys.executable, "-m", "dmioc", "run", "--state", str(gateway.state), "--prefix", gateway.prefix]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
        assert ended.returncode == 2
        assert "was left running (pid" in ended.stderr and "with other --faults: end it first" in ended.stderr
        # With the same file it is.
        gateway.start()
    finally:
        gateway.end()


def test_faults_need_the_local_dm(tmp_path: Path) -> None:
    path, login = tmp_path / "faults.toml", tmp_path / "login"
    path.write_text("", "utf-8")
    login.write_text("user|password", "utf-8")
    config = tmp_path / "dmioc.toml"
    urls = "".join(f"{name}_url = 'http://127.0.0.1:1'\n" for name in ("ds", "daq", "proc", "cat"))
    config.write_text(f"[dm]\nbackend = 'rest'\nstation = 'S'\nlogin_file = '{login}'\n{urls}", "utf-8")
    command = [sys.executable, "-m", "dmioc", "run", "--state", str(tmp_path / "state"), "--config", str(config)]
    ended = subprocess.run([*command, "--faults", str(path)], capture_output=True, text=True, timeout=30, check=False)
    assert ended.returncode == 2
    assert "only the local DM makes faults" in ended.stderr and str(path) in ended.stderr
