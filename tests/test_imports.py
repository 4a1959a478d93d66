"""Importing dmioc has no effect: nothing is opened, started or read but code."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

REPOSITORY = Path(__file__).parents[1]
PACKAGE = REPOSITORY / "dmioc"
MODULES = sorted(
    ".".join(path.relative_to(REPOSITORY).with_suffix("").parts).removesuffix(".__init__")
    for path in PACKAGE.rglob("*.py")
    if path.name != "__main__.py"  # run, never imported
    and path.parent != PACKAGE / "examples"  # files to be copied, no modules
)
PARTS = sorted({".".join(module.split(".")[:2]) for module in MODULES})
HEAVY = ("aiohttp", "caproto", "epics", "httpx", "msgspec", "numpy", "ophyd", "p4p", "pydantic", "watchfiles")

IMPORTER = """
import importlib, json, os, sys, threading

package, modules = sys.argv[1], sys.argv[2:]
effects, current, watching = [], [""], [True]
standard_library = os.path.dirname(os.__file__)


def dmioc_frame():
    # The file of dmioc whose code asked for it; empty when the import of another package did.
    frame = sys._getframe(2)
    while frame is not None:
        name = frame.f_code.co_filename
        if name.startswith(package):
            return name
        is_standard = name.startswith((standard_library, "<frozen")) and "site-packages" not in name
        if not is_standard or frame.f_code.co_name == "<module>":
            return ""
        frame = frame.f_back
    return ""


def watch(event, args):
    if not watching[0]:
        return
    if event == "open":
        path, mode, flags = args
        if not isinstance(path, (str, bytes)):
            return
        path = os.fsdecode(path)
        writes = flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC) if isinstance(flags, int) else 0
        if writes:
            effects.append([current[0], f"opens {path} for writing"])
        elif dmioc_frame() and not path.endswith((".py", ".pyc")) and not path.startswith(package):
            effects.append([current[0], f"reads {path}"])
    elif event in ("os.putenv", "os.unsetenv"):
        if dmioc_frame():
            effects.append([current[0], f"writes the environment: {args}"])
    elif event in WATCHED or event.startswith(("socket.", "subprocess.")):
        effects.append([current[0], f"{event} {args}"])


WATCHED = {
    "os.chdir", "os.exec", "os.fork", "os.forkpty", "os.kill", "os.mkdir", "os.posix_spawn", "os.remove",
    "os.rename", "os.rmdir", "os.spawn", "os.system", "shutil.rmtree", "sqlite3.connect",
    "tempfile.mkdtemp", "tempfile.mkstemp",
}
read = os._Environ.__getitem__


def read_environment(self, key):
    if watching[0] and dmioc_frame():
        effects.append([current[0], f"reads the environment: {key}"])
    return read(self, key)


start = threading.Thread.start


def start_thread(self):
    effects.append([current[0], f"starts the thread {self}"])
    return start(self)


os._Environ.__getitem__ = read_environment
threading.Thread.start = start_thread
sys.addaudithook(watch)
for current[0] in modules:
    importlib.import_module(current[0])
watching[0] = False
print(json.dumps({"effects": effects, "threads": threading.active_count()}))
"""


def run(*arguments: str, cwd: Path, environment: dict[str, str] | None = None) -> str:
    """Output of a fresh Python that writes no .pyc files."""
    finished = subprocess.run(
        [sys.executable, "-X", "utf8", "-c", *arguments],
        cwd=cwd,
        env={**os.environ, **(environment or {}), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr
    assert finished.stderr == ""
    return finished.stdout


def imported(folder: Path, package: Path, modules: list[str]) -> dict[str, Any]:
    environment = {"PYTHONPATH": str(package.parent), "HOME": str(folder)}
    return json.loads(run(IMPORTER, str(package), *modules, cwd=folder, environment=environment))


@pytest.mark.parametrize("part", PARTS)
def test_importing_every_module_has_no_effect(tmp_path: Path, part: str) -> None:
    modules = [module for module in MODULES if ".".join(module.split(".")[:2]) == part]
    result = imported(tmp_path, PACKAGE, modules)
    effects = [effect for effect in result["effects"] if not (part == "dmioc.devices" and "Thread" in effect[1])]
    assert effects == []
    assert part == "dmioc.devices" or result["threads"] == 1  # ophyd and pyepics start theirs at import
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("line", "effect"),
    [
        ("import socket; socket.socket().close()", "socket"),
        ("import os; HOME = os.environ['HOME']", "environment: HOME"),
        ("import os; HOME = os.getenv('HOME')", "environment: HOME"),
        ("import os; os.environ['LEFT'] = '1'", "writes the environment"),
        ("import os; HERE = 'HOME' in os.environ", "environment: HOME"),
        ("FILE = open('left.txt', 'w').close()", "left.txt for writing"),
        ("from pathlib import Path; TEXT = Path('/etc/hostname').read_text()", "/etc/hostname"),
        ("import subprocess, sys; subprocess.run([sys.executable, '-c', ''])", "subprocess"),
        ("import sqlite3; sqlite3.connect(':memory:').close()", "sqlite3"),
        ("import threading; threading.Thread(target=int).start()", "thread"),
        ("from pathlib import Path; Path('folder').mkdir()", "os.mkdir"),
    ],
)
def test_an_effect_would_be_seen(tmp_path: Path, line: str, effect: str) -> None:
    package = tmp_path / "sinner"
    package.mkdir()
    (package / "__init__.py").write_text(line + "\n")
    found = imported(tmp_path, package, ["sinner"])["effects"]
    assert effect in str(found)


def test_dmioc_itself_is_light_and_quick(tmp_path: Path) -> None:
    script = (
        "import json, sys, time; start = time.perf_counter(); import dmioc; took_s = time.perf_counter() - start;"
        "print(json.dumps([took_s, sorted(sys.modules)]))"
    )
    # The best of a few: on a busy machine one start can be slow for reasons of its own.
    runs = [json.loads(run(script, cwd=tmp_path, environment={"PYTHONPATH": str(REPOSITORY)})) for _ in range(5)]
    assert min(took_s for took_s, _ in runs) < 0.05
    assert [name for name in runs[0][1] if name.split(".")[0] in HEAVY] == []


def test_catalogue_and_render_need_no_library_of_a_protocol(tmp_path: Path) -> None:
    script = "import json, sys; import dmioc.catalogue.listing, dmioc.render; print(json.dumps(sorted(sys.modules)))"
    loaded = json.loads(run(script, cwd=tmp_path, environment={"PYTHONPATH": str(REPOSITORY)}))
    assert [name for name in loaded if name.split(".")[0] in HEAVY] == []
