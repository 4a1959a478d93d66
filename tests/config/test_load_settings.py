"""Settings from a file, from variables, from DM's own environment and from the command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from dmioc.config import BackendName, load_settings
from dmioc.config.load import read_setup_file
from dmioc.errors import ConfigurationError

DM = {
    "DM_STATION_NAME": "25IDC",
    "DM_LOGIN_FILE": "/home/beams/25ID/.25idc.user.login",
    "DM_DS_WEB_SERVICE_URL": "https://dm:22236",
    "DM_DAQ_WEB_SERVICE_URL": "https://s25idcdm:33336",
    "DM_PROC_WEB_SERVICE_URL": "https://s25idcdm:55536",
    "DM_CAT_WEB_SERVICE_URL": "https://s25idcdm:44436",
}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "dmioc.toml"


def complaint(file: Path | None = None, environment: dict[str, str] | None = None, **overrides: object) -> str:
    """What the one who set it reads: one line."""
    given = {("gateway", key): value for key, value in overrides.items()}
    with pytest.raises(ConfigurationError) as caught:
        load_settings(file, environment or {}, given)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_nothing_set_is_a_local_dm() -> None:
    settings = load_settings(None, {"PATH": "/bin"})
    assert settings.dm.backend is BackendName.LOCAL
    assert settings.gateway.prefix == "DEMO:DM:"
    assert (settings.slots.daq, settings.slots.upload, settings.slots.workflow) == (2, 2, 4)


def test_the_later_one_wins(file: Path) -> None:
    file.write_text("[gateway]\nprefix = 'FILE:'\nlog_level = 'DEBUG'\njobs_listed = 7\n[slots]\ndaq = 3\n", "utf-8")
    environment = {"DMIOC_PREFIX": "ENV:", "DMIOC_SLOTS__DAQ": "5", "DMIOC_LOG_LEVEL": "ERROR"}
    settings = load_settings(file, environment, {("gateway", "prefix"): "ARG:", ("gateway", "log_level"): None})
    assert (settings.gateway.prefix, settings.gateway.log_level, settings.gateway.jobs_listed) == ("ARG:", "ERROR", 7)
    assert settings.slots.daq == 5
    assert load_settings(file, environment).gateway.prefix == "ENV:"
    assert load_settings(file, {}).gateway.prefix == "FILE:"


def test_dms_own_variables_stand_in(file: Path) -> None:
    settings = load_settings(None, DM)
    assert settings.dm.backend is BackendName.AUTO  # what that means depends on what is installed
    assert (settings.dm.station, settings.dm.ds_url) == ("25IDC", "https://dm:22236")
    assert settings.dm.login_file == Path("/home/beams/25ID/.25idc.user.login")
    file.write_text("[dm]\nstation = '8IDI'\n", "utf-8")
    assert load_settings(file, DM).dm.station == "8IDI"
    # A shell that is set up for DM does not turn a local DM into the real one.
    local = load_settings(None, DM | {"DMIOC_DM__BACKEND": "local"})
    assert (local.dm.backend, local.dm.ds_url) == (BackendName.LOCAL, "")
    file.write_text("[dm]\nbackend = 'local'\n", "utf-8")
    assert load_settings(file, DM).dm.backend is BackendName.LOCAL


def test_epics_variables_stand_in(file: Path) -> None:
    environment = {"EPICS_CAS_INTF_ADDR_LIST": "10.0.0.1  127.0.0.1", "EPICS_CAS_BEACON_ADDR_LIST": "10.0.0.255"}
    settings = load_settings(None, environment)
    assert settings.ca.interfaces == ("10.0.0.1", "127.0.0.1")
    assert settings.ca.beacon_addresses == ("10.0.0.255",)
    file.write_text("[ca]\ninterfaces = ['0.0.0.0']\n", "utf-8")
    assert load_settings(file, environment).ca.interfaces == ("0.0.0.0",)
    # The port of the environment is not insisted on: the TCP port may be another where it is taken.
    assert load_settings(None, {"EPICS_CA_SERVER_PORT": "5099"}).ca.port == 0


SETUP = r"""#!/bin/sh
# Setup of a DM client; export DM_STATION_NAME=comment
  export DM_STATION_NAME='25IDC'
export DM_LOGIN_FILE="/home/dm user/.login"   # with a comment
export DM_DS_WEB_SERVICE_URL=https://dm:22236
export DM_DAQ_WEB_SERVICE_URL=https://dm:33336/?a=b=c
export	DM_PROC_WEB_SERVICE_URL=https://dm:55536
export DM_CAT_WEB_SERVICE_URL="https://dm:44436"
export DM_QUOTE="it's"
export DM_EMPTY=
export DM_UNCLOSED="half
export PATH
unset DM_OTHER
DM_NOT_EXPORTED=1
if [ -z "$X" ]; then export DM_X=1; fi
"""


def test_dm_setup_file(tmp_path: Path, file: Path) -> None:
    path = tmp_path / "dm.setup.sh"
    path.write_text(SETUP, "utf-8")
    variables = read_setup_file(path)
    assert variables == {
        "DM_STATION_NAME": "25IDC",
        "DM_LOGIN_FILE": "/home/dm user/.login",
        "DM_DS_WEB_SERVICE_URL": "https://dm:22236",
        "DM_DAQ_WEB_SERVICE_URL": "https://dm:33336/?a=b=c",
        "DM_PROC_WEB_SERVICE_URL": "https://dm:55536",
        "DM_CAT_WEB_SERVICE_URL": "https://dm:44436",
        "DM_QUOTE": "it's",
        "DM_EMPTY": "",
        "DM_UNCLOSED": '"half',
    }
    file.write_text(f"[dm]\nsetup_file = '{path}'\nowner = 'me'\n", "utf-8")
    settings = load_settings(file, {"DM_STATION_NAME": "of the shell"})
    assert (settings.dm.backend, settings.dm.station, settings.dm.owner) == (BackendName.AUTO, "25IDC", "me")
    assert settings.dm.login_file == Path("/home/dm user/.login")
    assert "/no/such" in complaint(environment={"DMIOC_DM__SETUP_FILE": "/no/such"})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[gateway]\nprefx = 1\n", ["[gateway] prefx", "no such key"]),
        ("[nothing]\na = 1\n", ["[nothing]", "no section"]),
        ("[gateway]\nprefix = 5\n", ["[gateway] prefix = 5", "string"]),
        ("[gateway]\njobs_listed = 0\n", ["[gateway] jobs_listed = 0", "greater than or equal to 1"]),
        ("[gateway]\nlog_level = 'LOUD'\n", ["[gateway] log_level = 'LOUD'", "DEBUG|INFO"]),
        ("[slots]\nworkflow = 100\n", ["[slots] workflow = 100", "99"]),
        ("[dm]\ndeadline_s = 0\n", ["[dm] deadline_s = 0", "greater than 0"]),
        ("[dm]\nbackend = 'soap'\n", ["[dm] backend = 'soap'", "'rest'"]),
        ("[slots]\ndaq = -1\n", ["[slots] daq = -1"]),
        ("[dm]\ndeadline_s = 'soon'\n", ["[dm] deadline_s = 'soon'", "number"]),
        ("[dm]\nverify = 'perhaps'\n", ["[dm] verify = 'perhaps'", "boolean"]),
        ("[dm]\nendpoints = 5\n", ["[dm] endpoints = 5", "dictionary"]),
        ("[ca]\ninterfaces = '127.0.0.1'\n", ["[ca] interfaces = '127.0.0.1'", "tuple"]),
        ("slots = 5\n", ["slots = 5", "section"]),
        ("[slots\n", ["not TOML"]),
        ("\ufeff[slots]\n", ["not TOML"]),
    ],
)
def test_what_is_wrong_is_named_with_file_key_and_value(file: Path, text: str, words: list[str]) -> None:
    file.write_text(text, "utf-8")
    line = complaint(file)
    assert str(file) in line
    for word in words:
        assert word in line


def test_all_that_is_wrong_is_named_at_once(file: Path) -> None:
    file.write_text("[slots]\ndaq = 'x'\nupload = 'y'\n", "utf-8")
    line = complaint(file)
    assert "daq = 'x'" in line and "upload = 'y'" in line


def test_files_that_cannot_be_read(tmp_path: Path, file: Path) -> None:
    assert "No such file" in complaint(file)
    assert str(tmp_path) in complaint(tmp_path)
    file.write_bytes(b"\xff\xfe\x00")
    assert "not TOML" in complaint(file)


def test_a_rest_backend_needs_to_know_where(file: Path) -> None:
    some = {key: value for key, value in DM.items() if key not in ("DM_CAT_WEB_SERVICE_URL", "DM_LOGIN_FILE")}
    line = complaint(environment=some)
    assert "cat_url (or DM_CAT_WEB_SERVICE_URL)" in line and "login_file (or DM_LOGIN_FILE)" in line
    assert "ds_url" not in line
    assert "station" in complaint(environment={"DMIOC_DM__BACKEND": "rest"})


def test_variables_that_are_no_settings_are_named() -> None:
    assert "[gateway] colour" in complaint(environment={"DMIOC_COLOUR": "red"})
    assert "[ca] port = 'x'" in complaint(environment={"DMIOC_CA__PORT": "x"})
    assert "70000" in complaint(environment={"DMIOC_LOCAL__PORT_BASE": "70000"})
