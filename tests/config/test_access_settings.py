"""The sections ``[access]`` and ``[audit]``: from file and environment to what the engine works with."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dmioc.access import load_guards
from dmioc.config import Settings, load_settings
from dmioc.engine.audit_lines import Line, Value
from dmioc.engine.ports import AccessRequest
from dmioc.errors import ConfigurationError

LINE = Line(0.0, "10.0.0.9", "alice", "T:PV", Value(1), Value(0), "ca", "OK")


def settings_of(tmp_path: Path, text: str = "", environment: dict[str, str] | None = None) -> Settings:
    path = tmp_path / "dmioc.toml"
    path.write_text(text)
    return load_settings(path, environment or {})


def test_without_settings_this_host_writes_everything_may_be_read_and_puts_are_on_record(tmp_path: Path) -> None:
    settings = settings_of(tmp_path)
    guards = load_guards(settings.access, settings.audit, tmp_path)
    assert guards.rules is not None and guards.roots.daq == guards.roots.upload == ()
    assert guards.rules.decide(AccessRequest("DMWRITE", "x", "127.0.0.1")).is_allowed
    (outlet,) = guards.outlets
    outlet.write([LINE])
    assert outlet.error == ""
    assert " 10.0.0.9 alice T:PV new=1 old=0 via=ca result=OK\n" in (tmp_path / "audit.log").read_text()


def test_forms_and_files_of_the_audit(tmp_path: Path) -> None:
    for form, names in (("json", {"puts"}), ("both", {"puts", "puts.json"}), ("caputlog", {"puts"})):
        directory = tmp_path / form
        settings = settings_of(tmp_path, f'[audit]\nformat = "{form}"\nfile = "{directory}/puts"\n')
        for outlet in load_guards(settings.access, settings.audit, tmp_path).outlets:
            outlet.write([LINE])
        assert {path.name for path in directory.iterdir()} == names
    assert json.loads((tmp_path / "json" / "puts").read_text())["user"] == "alice"
    assert json.loads((tmp_path / "both" / "puts.json").read_text())["user"] == "alice"
    off = settings_of(tmp_path, "[audit]\nenabled = false\n")
    assert load_guards(off.access, off.audit, tmp_path).outlets == ()


def test_settings_from_the_environment(tmp_path: Path) -> None:
    environment = {"DMIOC_ACCESS__DAQ_ROOTS": "/data /gdata", "DMIOC_AUDIT__COUNT": "3"}
    settings = settings_of(tmp_path, environment=environment)
    assert (settings.access.daq_roots, settings.audit.count) == (("/data", "/gdata"), 3)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('[access]\ndaq_roots = ["data"]\n', "[access] daq_roots: 'data': an absolute directory such as /data"),
        ('[access]\nupload_roots = ["/a/../b"]\n', "[access] upload_roots: '/a/../b': an absolute directory"),
        ('[access]\nfile = "/no/such.acf"\n', "access file /no/such.acf cannot be read: No such file"),
        ('[access]\ndaq_root = "/data"\n', "[access] daq_root: there is no such key"),
        ("[audit]\nsize_bytes = 10\n", "[audit] size_bytes = 10: Input should be greater than or equal to 10000"),
        ('[audit]\nformat = "xml"\n', "[audit] format = 'xml': Input should be 'caputlog', 'json' or 'both'"),
    ],
)
def test_wrong_settings_are_refused_with_key_and_value(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        settings = settings_of(tmp_path, text)
        load_guards(settings.access, settings.audit, tmp_path)
    assert words in str(caught.value)
