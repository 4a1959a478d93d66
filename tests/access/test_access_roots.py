"""Directory roots: paths that lead out of them, by whatever way, are refused wherever a transfer is started."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from dmioc.engine.roots import Roots, is_root
from dmioc.errors import RefusedError
from dmioc.model import TransferKind

DAQ, UPLOAD = TransferKind.DAQ, TransferKind.UPLOAD


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """``data`` with a link that leads out of it, ``database`` beside it, and a link to ``data``."""
    for name in ("data/scan", "database", "secret"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "secret" / "file").touch()
    (tmp_path / "data" / "out").symlink_to(tmp_path / "secret")
    (tmp_path / "data" / "loop").symlink_to(tmp_path / "data" / "loop")
    (tmp_path / "data" / "in").symlink_to(tmp_path / "data" / "scan")
    (tmp_path / "alias").symlink_to(tmp_path / "data")
    return tmp_path


def check(roots: Roots, kind: TransferKind, path: object, options: Mapping[str, object] | None = None) -> None:
    asyncio.run(roots.check(kind, str(path), options or {}))


@pytest.mark.parametrize(
    "path",
    ["data", "data/", "data//", "data/scan", "data/scan/..", "data/./scan/", "data/new/one", "data/in", "alias/scan"],
)
def test_paths_within_a_root_are_taken(tree: Path, path: str) -> None:
    check(Roots(daq=(f"{tree}/data/",)), DAQ, f"{tree}/{path}")
    check(Roots(upload=(str(tree / "alias"),)), UPLOAD, f"/{tree}//{path}")


@pytest.mark.parametrize(
    "path",
    [
        "",
        "secret",
        "database",
        "data/..",
        "data/../secret",
        "data/scan/../../secret/",
        "data/out",
        "data/out/file",
        "data/out/../database",
        "data/new/../../secret",
        "alias/../secret",
        "data\n/../secret",
    ],
)
def test_paths_that_lead_out_of_the_roots_are_refused(tree: Path, path: str) -> None:
    roots = Roots(daq=(str(tree / "data"),), upload=("/nowhere", str(tree / "data")))
    for kind in (DAQ, UPLOAD):
        for slashes in ("", "/", "//"):
            with pytest.raises(RefusedError) as caught:
                check(roots, kind, f"{slashes}{tree}/{path}")
            text = str(caught.value)
            assert text.endswith(f"may read: {', '.join(roots.of(kind))}") and "\n" not in text


@pytest.mark.parametrize(
    "path",
    [
        *(
            "@detector:/data",
            "@detector:/data/x",
            "detector:/data",
            "ssh://detector/data",
            "file:///data",
            "@sojourner",
        ),
        *(
            "@other:/data/a",
            "@detector:/data/a/../../etc",
            "@detector:/data/a%2f..",
            "@detector:data/a",
            "data/a",
            "~/a",
        ),
        *(
            "scp://detector/data/a",
            "file:///data/a",
            "file://localhost/data/a",
            "//detector/data/a",
            "\0",
            "\ud800",
            "",
        ),
        *("@detector:/data/ab", "SSH://detector/data/a", "@detector:/data/a/..", "\\\\detector\\data\\a"),
    ],
)
def test_other_hosts_are_refused_unless_a_root_names_them(path: str) -> None:
    with pytest.raises(RefusedError):
        check(Roots(daq=("/data/a", "@detector:/data/a")), DAQ, path)


def test_roots_on_other_hosts() -> None:
    roots = Roots(upload=("@detector:/data", "ssh://storage/a/b"))
    for path in ("@detector:/data", "@detector:/data/", "@detector://data//scan", "ssh://storage/a/b/c"):
        check(roots, UPLOAD, path)
    with pytest.raises(RefusedError):
        check(roots, UPLOAD, "/data")
    check(roots, DAQ, "/anywhere")  # no roots of its kind


@pytest.mark.parametrize(
    "options",
    [
        {"uploadDataDirectoryOnExit": "{tree}/secret"},
        {"uploadDataDirectoryOnExit": "file://{tree}/data"},
        {"experimentFilePath": "../secret/file"},
        {"experimentFilePath": "{tree}/secret/file"},
        {"experimentFilePath": "out/file"},
        {"experimentFilePath": ["scan/a", "../secret/file"]},
        {"destDirectory": "../../other"},
        {"destDirectory": "/etc"},
        {"uploadDestDirectoryOnExit": "a/../../b"},
        {"destDirectory": "@host:/x"},
        {"dataDirectory": "{tree}/secret"},
        {"someKeyOfTheSite": "{tree}/secret"},
        {"someKeyOfTheSite": {"inner": ["host:/secret"]}},
        {"someKeyOfTheSite": "data/../../x"},
    ],
)
def test_options_that_carry_paths_are_checked_too(tree: Path, options: dict[str, object]) -> None:
    roots = Roots(daq=(str(tree / "data"),), upload=(str(tree / "data"),))
    filled = json.loads(json.dumps(options).replace("{tree}", str(tree)))
    with pytest.raises(RefusedError):
        check(roots, DAQ, tree / "data", filled)
    with pytest.raises(RefusedError):
        check(roots, UPLOAD, tree / "data", filled)
    check(Roots(), DAQ, "/", filled)


def test_options_without_paths_and_arguments_of_workflows_are_not_minded(tree: Path) -> None:
    options = {
        "processExistingFiles": True,
        "maxRunTimeInHours": 3,
        "destDirectory": "run1/raw",
        "skipFilePathPattern": "*.tmp,*/cache/*",
        "experimentFilePath": "scan/file.h5",
        "uploadDataDirectoryOnExit": f"{tree}/data/scan",
        "workflowArgs": {"filePath": "/elsewhere/file", "text": "../x"},
    }
    check(Roots(daq=(str(tree / "data"),), upload=(str(tree / "data"),)), DAQ, tree / "data", options)


def test_what_can_be_a_root() -> None:
    assert all(map(is_root, ("/", "/data", "/data/", "@detector:/data", "ssh://host/data", "@sojourner:/")))
    assert not any(map(is_root, ("", "data", "/data/../x", "~/data", "@detector", "host", "C:\\data")))
