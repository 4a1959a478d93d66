"""``dmioc check`` on whole stations: local, REST, aps-dm-api; with DM there, away, silent, and behind TLS."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from aps_backend import STAND_IN, stand_in
from epics_environment import client_environment, server_environment
from gateway_process import running_gateway
from localdm_process import LocalDmProcess, running_localdm
from tls_front import TlsFront, tls_front

from dmioc.check import check_station
from dmioc.config import load_settings

SERVICES = ("DS", "DAQ", "PROC", "CAT")


def check(
    *arguments: str | Path, cwd: Path, environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run ``dmioc check`` with no DM in its environment but what is given."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("DM_", "DMIOC_"))}
    return subprocess.run(
        [sys.executable, "-m", "dmioc", "check", *map(str, arguments)],
        cwd=cwd,
        env=inherited | client_environment() | server_environment() | (environment or {}),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def findings(
    state: Path, environment: dict[str, str] | None = None, prefix: str = "Check:", config: Path | None = None
) -> dict[str, dict[str, Any]]:
    """The findings by what they are about, the worst one where there are several; in this process, which is quicker."""
    variables = client_environment() | (environment or {})
    overrides: dict[tuple[str, str], object] = {
        ("gateway", "state_directory"): state,
        ("gateway", "prefix"): prefix,
    }
    report = check_station(load_settings(config, variables, overrides), variables, config)
    content = json.loads(report.as_json())
    assert content["ok"] == (not report.has_failed)
    order = ["OK", "warning", "FAIL"]
    return {row["what"]: row for row in sorted(content["findings"], key=lambda row: order.index(row["result"]))}


@pytest.fixture(scope="module")
def localdm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalDmProcess]:
    with running_localdm(tmp_path_factory.mktemp("check") / "records") as process:
        yield process


def test_nothing_runs_yet(tmp_path: Path) -> None:
    answer = check(cwd=tmp_path)
    assert answer.returncode == 0 and answer.stderr == ""
    head, *rows, counts = answer.stdout.splitlines()
    # One table: every cell of a column begins where its head does.
    second, third = head.index("what"), head.index("finding")
    assert head.split() == ["result", "what", "finding"]
    for row in rows:
        assert row[:second].strip() in ("OK", "warning", "FAIL")
        assert row[second - 1] == row[third - 1] == " " and row[second] != " " and row[third] != " "
    text = answer.stdout
    assert "the embedded DM in dmioc-state/localdm does not run: dmioc run starts it" in text
    assert "DEMO:DM: is not served by anybody" in text
    assert "dmioc-state can be made" in text
    assert counts.endswith("0 FAIL")
    assert list(tmp_path.iterdir()) == []


def test_beside_the_gateway_that_serves(repeater: None, tmp_path: Path) -> None:
    with running_gateway(tmp_path / "state") as gateway:
        answer = check("--state", gateway.state, "--prefix", gateway.prefix, "--json", cwd=tmp_path)
        assert (answer.returncode, answer.stderr) == (0, "")
        found = {row["what"]: row for row in json.loads(answer.stdout)["findings"]}
        assert {row["result"] for row in found.values()} == {"OK"}
        assert found["prefix"]["values"] == {"served": True, "pid": gateway.process.pid}
        assert "held by the gateway that runs" in found["Channel Access ports"]["text"]
        assert found["DM"]["values"]["backend"] == "local"
        assert found["DM DS"]["text"].startswith("http://127.0.0.1:") and "1 experiments" in found["DM DS"]["text"]
        assert found["login file"]["values"]["mode"] == "600"
        # Another one of the same prefix would be refused.
        other = findings(tmp_path / "other", prefix=gateway.prefix)
        assert other["prefix"]["result"] == "warning" and "would end with 3" in other["prefix"]["remedy"]


def test_rest(localdm: LocalDmProcess, tmp_path: Path) -> None:
    environment = localdm.environment | {"DMIOC_DM__BACKEND": "rest"}
    found = findings(tmp_path / "state", environment)
    assert found["DM"]["text"] == "rest (as was set), station DEMO, as owner dmioc"
    for service in SERVICES:
        row = found[f"DM {service}"]
        assert row["result"] == "OK" and row["values"]["url"] == localdm.urls[service]
        assert 0.0 < row["values"]["latency_s"] < 10.0
        assert abs(found[f"DM {service} clock"]["values"]["ahead_s"]) < 2.0
    row = found["DM DAQ endpoints"]
    assert row["result"] == "warning" and "[dm.endpoints]" in row["remedy"]
    assert row["values"]["answered"] == ["listDaqs", "listUploads"]
    assert "startDaq" in row["values"]["known"] and "stopDaq" in row["values"]["assumed"]
    assert found["login file"]["text"].endswith("login: user dmioc, mode 600")
    assert localdm.password not in json.dumps(found)


def test_a_login_file_that_others_can_read_and_one_that_nobody_can(localdm: LocalDmProcess, tmp_path: Path) -> None:
    path = tmp_path / "login"
    environment = localdm.environment | {"DMIOC_DM__BACKEND": "rest", "DM_LOGIN_FILE": str(path)}
    path.write_text("dmioc|wrong")
    path.chmod(0o644)
    found = findings(tmp_path / "state", environment)
    assert found["login file"]["result"] == "warning" and found["login file"]["remedy"] == f"chmod 600 {path}"
    assert found["DM DS"]["result"] == "FAIL" and "Incorrect username or password" in found["DM DS"]["text"]
    assert found["DM DS"]["remedy"] == "see the login file"
    path.unlink()
    found = findings(tmp_path / "state", environment)
    assert (found["login file"]["result"], found["DM"]["result"]) == ("FAIL", "FAIL")
    assert "No such file" in found["login file"]["text"]
    # Where nobody can be asked as anybody, the addresses are looked at all the same.
    assert found["DM DS"]["result"] == "OK" and "nothing was asked" in found["DM DS"]["text"]


def test_aps(localdm: LocalDmProcess, tmp_path: Path) -> None:
    with stand_in():
        found = findings(tmp_path / "state", localdm.environment)
    assert found["aps-dm-api"]["values"] == {"version": "10.1.0", "path": str(STAND_IN / "dm")}
    assert all(found[f"DM {service}"]["result"] == "OK" for service in SERVICES)
    assert found["DM PROC methods"]["values"]["missing"] == ["WorkflowProcApi.stopProcessingJob"]
    assert found["DM PROC methods"]["result"] == "warning" and found["DM DS methods"]["result"] == "OK"


def test_aps_without_the_package(localdm: LocalDmProcess, tmp_path: Path) -> None:
    environment = localdm.environment | {"DMIOC_DM__BACKEND": "aps-dm-api"}
    found = findings(tmp_path / "state", environment)
    assert found["DM"]["result"] == "FAIL" and "conda install -c apsu aps-dm-api" in found["DM"]["text"]
    assert all(found[f"DM {service}"]["result"] == "OK" for service in SERVICES)


@contextmanager
def silent() -> Iterator[str]:
    """Takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


@pytest.mark.parametrize("backend", ["rest", "aps-dm-api"])
def test_dm_away_in_part(localdm: LocalDmProcess, tmp_path: Path, backend: str) -> None:
    """One service refuses, one is silent: two fail in finite time, two are right."""
    config = tmp_path / "dmioc.toml"
    config.write_text(f'[dm]\nbackend = "{backend}"\ndeadline_s = 1.0\n')
    with silent() as silent_url, stand_in():
        environment = localdm.environment | {
            "DM_DAQ_WEB_SERVICE_URL": "http://127.0.0.1:9",
            "DM_CAT_WEB_SERVICE_URL": silent_url,
        }
        began = time.monotonic()
        found = findings(tmp_path / "state", environment, config=config)
        took_s = time.monotonic() - began
    assert {name for name, row in found.items() if row["result"] == "FAIL"} == {"DM DAQ", "DM CAT"}
    assert "refused" in found["DM DAQ"]["text"] and "DM_DAQ_WEB_SERVICE_URL" in found["DM DAQ"]["remedy"]
    assert "within 1 s" in found["DM CAT"]["text"]
    assert took_s < 10.0


@pytest.fixture
def secure(localdm: LocalDmProcess, tmp_path: Path) -> Iterator[TlsFront]:
    """The catalog behind TLS, with a certificate of its own."""
    with tls_front(localdm.urls["CAT"], tmp_path, days=10) as front:
        yield front


def test_certificates(localdm: LocalDmProcess, secure: TlsFront, tmp_path: Path) -> None:
    environment = localdm.environment | {"DMIOC_DM__BACKEND": "rest", "DM_CAT_WEB_SERVICE_URL": secure.url}
    found = findings(tmp_path / "state", environment)
    assert found["DM CAT"]["result"] == "FAIL"
    assert "the certificate was not taken: self-signed certificate" in found["DM CAT"]["text"]
    row = found["DM CAT certificate"]
    assert row["result"] == "warning"
    assert row["remedy"] == f'fingerprint = "{secure.fingerprint}" of [dm] takes this one only'
    assert (row["values"]["subject"], row["values"]["issuer"]) == ("dm.test", "dm.test")
    assert 9.0 < row["values"]["days_left"] <= 10.0
    assert "DM DS certificate" not in found
    # As the remedy says; what is left is that it ends soon.
    environment["DMIOC_DM__FINGERPRINT"] = secure.fingerprint
    found = findings(tmp_path / "state", environment)
    assert found["DM CAT"]["result"] == "OK"
    assert "expires in 10 days" in found["DM CAT certificate"]["text"]
    environment |= {"DMIOC_DM__FINGERPRINT": "", "DMIOC_DM__VERIFY": "false"}
    found = findings(tmp_path / "state", environment)
    assert found["DM CAT"]["result"] == "OK"
    assert "verify = false takes any certificate" in found["DM CAT certificate"]["text"]
    assert found["DM"]["result"] == "warning" and "not verified" in found["DM"]["text"]


def test_what_cannot_be_checked_is_no_finding(tmp_path: Path) -> None:
    answer = check("--config", tmp_path / "none.toml", cwd=tmp_path)
    assert (answer.returncode, answer.stdout) == (2, "") and "none.toml" in answer.stderr
    answer = check("--help", cwd=tmp_path)
    assert answer.returncode == 0 and "dmioc check --config" in answer.stdout and "--access" in answer.stdout
