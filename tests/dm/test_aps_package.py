"""The package itself: missing, another one, broken, too old, incomplete; and what it does to the process that imports it."""

from __future__ import annotations

import asyncio
import io
import logging
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from aps_backend import STAND_IN, forget, settings_of, stand_in
from localdm_process import LocalDmProcess, running_localdm

from dmioc.config import BackendName, DmSettings
from dmioc.dm.aps import ApsDm, installed_at
from dmioc.dm.backend import Backend, make_backend
from dmioc.dm.rest import RestDm
from dmioc.errors import ConfigurationError
from dmioc.model import Service

URLS = {service.value: "http://127.0.0.1:9" for service in Service}
INSTALL = "conda install -c apsu aps-dm-api"


@pytest.fixture
def login_file(tmp_path: Path) -> Path:
    path = tmp_path / "login"
    path.write_text("user|secret-password")
    path.chmod(0o600)
    return path


@pytest.fixture(scope="module")
def localdm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalDmProcess]:
    with running_localdm(tmp_path_factory.mktemp("localdm")) as process:
        yield process


def settings(login_file: Path, backend: str = "aps-dm-api", /, **changes: object) -> DmSettings:
    urls = {f"{name.lower()}_url": url for name, url in URLS.items()}
    content = {"backend": BackendName(backend), "station": "DEMO", "login_file": login_file, **urls, **changes}
    return DmSettings.model_validate(content)


def made(found: DmSettings) -> Backend:
    """The client; closed, as these tests ask it nothing."""
    backend = make_backend(found)
    asyncio.run(backend.dm.close())
    return backend


def complaint(found: DmSettings) -> str:
    with pytest.raises(ConfigurationError) as caught:
        make_backend(found)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@contextmanager
def another_dm(folder: Path, content: str | None) -> Iterator[None]:
    """A module ``dm`` that is not aps-dm-api: a folder, or a package with a file."""
    package = folder / "elsewhere" / "dm"
    package.mkdir(parents=True)
    if content is not None:
        (package / "__init__.py").write_text(content)
    with pytest.MonkeyPatch.context() as patch:
        forget()
        patch.setattr(sys, "path", [str(package.parent), *(path for path in sys.path if "tests" not in path)])
        yield
    forget()


@pytest.mark.parametrize("content", [None, "__version__ = '0.2'\n"])
def test_another_project_of_that_name(tmp_path: Path, login_file: Path, content: str | None) -> None:
    with another_dm(tmp_path, content):
        line = complaint(settings(login_file))
        assert "another project" in line and str(tmp_path) in line and INSTALL in line and '"rest"' in line
        assert installed_at() == ""
        backend = made(settings(login_file, "auto"))
    assert isinstance(backend.dm, RestDm) and backend.warnings == ()
    assert "dm" not in sys.modules


def test_missing(login_file: Path, tmp_path: Path) -> None:
    """In a process of its own, as this one finds a folder ``dm`` of the tests."""
    script = (
        "from pathlib import Path; from dmioc.dm.aps import *; from dmioc.dm.aps.package import load_package\n"
        "try: load_package(method_table(), {})\n"
        "except Exception as error: print(type(error).__name__, error)"
    )
    finished = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert finished.stdout.startswith('ConfigurationError [dm] backend = "aps-dm-api" needs the package aps-dm-api: ')
    assert f"{sys.executable} has no module dm; {INSTALL}" in finished.stdout


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"APS_STAND_IN_VERSION": "3.3.1"}, ["aps-dm-api 3.3.1", str(STAND_IN), "too old, 5 or newer"]),
        ({"APS_STAND_IN_IMPORT": "fails"}, ["cannot be imported: ImportError: libsomething.so"]),
        ({"APS_STAND_IN_IMPORT": "exits"}, ["cannot be imported: SystemExit: no licence"]),
        (
            {
                "APS_STAND_IN_WITHOUT": "ExperimentDsApi FileDsApi ExperimentDaqApi WorkflowProcApi FileCatApi DatasetCatApi"
            },
            ["none of the classes DatasetCatApi, ExperimentDaqApi"],
        ),
    ],
)
def test_a_package_that_cannot_be_used(login_file: Path, variables: dict[str, str], words: list[str]) -> None:
    with stand_in(**variables):
        line = complaint(settings(login_file))
        for word in [*words, INSTALL, '"rest"']:
            assert word in line
    with stand_in(**variables):
        # Where nobody asked for it by name, REST stands in and says why.
        backend = made(settings(login_file, "auto"))
    assert isinstance(backend.dm, RestDm)
    (warning,) = backend.warnings
    assert words[0] in warning and warning.endswith("REST is used instead")


@pytest.mark.parametrize("version", ["5.0.3", "10.1.0", "11.0rc1"])
def test_versions_that_can_be_used(login_file: Path, version: str) -> None:
    with stand_in(APS_STAND_IN_VERSION=version):
        backend = made(settings(login_file, "auto"))
    assert isinstance(backend.dm, ApsDm)
    assert backend.dm.package.version == version
    assert not any("version" in warning for warning in backend.dm.warnings)


def test_classes_are_found_in_the_modules_named_after_them(login_file: Path) -> None:
    with stand_in(APS_STAND_IN_TOP="empty"):
        backend = made(settings(login_file))
    assert isinstance(backend.dm, ApsDm) and all(backend.dm.package.classes.values())


def test_a_version_that_is_not_told(login_file: Path) -> None:
    with stand_in(APS_STAND_IN_VERSION="unknown"):
        backend = made(settings(login_file))
    assert backend.dm.warnings[0] == f"aps-dm-api at {STAND_IN / 'dm'} does not tell its version"


def test_what_the_package_lacks_is_told_at_the_start(login_file: Path) -> None:
    with stand_in(APS_STAND_IN_WITHOUT="ExperimentDaqApi.listUploads DatasetCatApi"):
        backend = made(settings(login_file))
    assert [warning for warning in backend.dm.warnings if "stopProcessingJob" not in warning] == [
        "aps-dm-api 10.1.0 has no ExperimentDaqApi.listUploads: listUploads is refused",
        "aps-dm-api 10.1.0 has no class DatasetCatApi: addExperimentDataset is refused",
    ]


def test_what_only_rest_can_keep_to(login_file: Path, tmp_path: Path) -> None:
    unfit: dict[str, object] = {
        "ca_file": tmp_path / "ca",
        "fingerprint": "0" * 64,
        "endpoints": {"listDaqs": "GET /x"},
    }
    for key, value in unfit.items():
        with stand_in():
            line = complaint(settings(login_file, **{key: value}))
            assert key in line and "cannot keep to it" in line
        if key != "ca_file":  # which is read when the client is made
            with stand_in():
                backend = made(settings(login_file, "auto", **{key: value}))
                assert isinstance(backend.dm, RestDm) and key in backend.reason
    assert "methods.stopJob: no such method" in complaint(settings(login_file, methods={"stopJob": "A.b"}))
    assert "Class.method is needed" in complaint(settings(login_file, methods={"listDaqs": "GET /x"}))


def test_certificates_are_not_verified_and_that_is_said(login_file: Path) -> None:
    with stand_in():
        backend = made(settings(login_file, ds_url="https://127.0.0.1:9"))
    assert any("verifies no certificate" in warning for warning in backend.dm.warnings)


def test_its_environment_is_its_own(login_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    setup = tmp_path / "dm.setup.sh"
    setup.write_text("export DM_ROOT_DIR=/opt/dm\nexport DM_STATION_NAME=other\nexport PATH=/nowhere\n")
    monkeypatch.setenv("DM_LOGIN_FILE", "/of/the/shell")
    before = dict(os.environ)
    with stand_in():
        inside = dict(os.environ)
        made(settings(login_file, setup_file=setup))
        assert dict(os.environ) == inside
        seen: dict[str, str] = vars(sys.modules["dm"])["ENVIRONMENT_AT_IMPORT"]
    assert dict(os.environ) == before
    assert seen["DM_ROOT_DIR"] == "/opt/dm"
    assert (seen["DM_STATION_NAME"], seen["DM_LOGIN_FILE"]) == ("DEMO", str(login_file))
    assert seen["DM_PROC_WEB_SERVICE_URL"] == URLS["PROC"]


def test_sockets_get_a_time_out_while_it_is_in_use(login_file: Path) -> None:
    assert socket.getdefaulttimeout() is None

    async def main() -> None:
        dm = ApsDm(settings_of(URLS, login_file=login_file, deadline_s=3.0))
        assert socket.getdefaulttimeout() == 3.0
        await dm.close()

    with stand_in():
        asyncio.run(main())
    assert socket.getdefaulttimeout() is None


@pytest.mark.parametrize("habit", ["", "silences", "late", "crude"])
def test_our_log_stays_ours(
    localdm: LocalDmProcess, login_file: Path, habit: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The root logger is what it was, our loggers speak, and the package's cookies and passwords are in no log."""
    root, ours = logging.getLogger(), logging.getLogger("dmioc.some.part")
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    root.addHandler(handler)
    level, handlers = root.level, list(root.handlers)
    root.setLevel(logging.DEBUG)

    async def main() -> None:
        dm = ApsDm(settings_of(localdm.urls, login_file=localdm.directory / "login"))
        try:
            assert root.handlers == handlers and root.level == logging.DEBUG
            await dm.experiments()
            assert root.handlers == handlers and root.level == logging.DEBUG and not ours.disabled
            ours.debug("we speak")
        finally:
            await dm.close()

    try:
        with stand_in(APS_STAND_IN_LOGGING=habit):
            asyncio.run(main())
        assert root.handlers == handlers and not handler.filters
    finally:
        root.removeHandler(handler)
        root.setLevel(level)
    text = stream.getvalue()
    assert "we speak" in text
    assert localdm.password not in text and "cookie" not in text
    assert "STAND-IN" not in capsys.readouterr().out
