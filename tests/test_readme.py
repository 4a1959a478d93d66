"""The README as it stands: what each command of the tour prints is what it says, and its Python does what it says."""

from __future__ import annotations

import doctest
import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from gateway_process import CaClient
from waiting import wait_until

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]  # pip installs into a new environment

ROOT = Path(__file__).parents[1]
TOUR_DIRECTORY = "/tmp/dmioc-tour"
END = "__end_of_command__"


@dataclass(frozen=True)
class Step:
    """One command and what it prints; ``...`` in that stands for anything."""

    command: str
    output: str


def tour(directory: Path) -> list[list[Step]]:
    """The console blocks of the README, with a directory of this test's own in the place of the one in /tmp."""
    text = (ROOT / "README.md").read_text("utf-8").replace(TOUR_DIRECTORY, str(directory))
    blocks: list[list[Step]] = []
    for block in re.findall(r"^```console\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        parts = re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]
        blocks.append([Step(*(part.split("\n", 1))) for part in parts])
    return blocks


def matches(want: str, got: str) -> bool:
    return doctest.OutputChecker().check_output(want, got, doctest.ELLIPSIS)


@pytest.fixture
def environment(repeater: None, tmp_path: Path) -> dict[str, str]:
    """A new user's shell, but for ports of our own and a state directory that is not the checkout's."""
    left_out = ("ARGS", "MAKEFLAGS", "MAKELEVEL", "MFLAGS")
    found = {name: value for name, value in os.environ.items() if name not in left_out}
    return found | {"DMIOC_STATE_DIRECTORY": str(tmp_path / "state")}


@pytest.fixture
def first_terminal(environment: dict[str, str], tmp_path: Path) -> Iterator[Step]:
    """``make run`` in the first terminal: the step of the README, and beside it what was printed."""
    [step] = tour(tmp_path)[0]
    process = subprocess.Popen(
        step.command,
        shell=True,
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    printed: list[str] = []
    assert process.stdout is not None
    reader = threading.Thread(target=printed.extend, args=(process.stdout,), daemon=True)
    reader.start()
    try:
        wait_until(
            lambda: matches(step.output, _until_banner(printed)), 400, what="make run prints what the README says"
        )
        yield step
    finally:
        # Ctrl-C in a terminal goes to the whole group of the foreground.
        os.killpg(process.pid, signal.SIGINT)
        process.wait(10)
        reader.join(5)
        process.stdout.close()


def _until_banner(printed: list[str]) -> str:
    text = "".join(printed)
    end = text.find("Ctrl-C stops.\n")
    return "x\n" + text[: end + len("Ctrl-C stops.\n")] if end >= 0 else ""


class Terminal:
    """One bash that runs command after command."""

    def __init__(self, environment: dict[str, str]) -> None:
        self._bash = subprocess.Popen(
            ["bash", "--norc"],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, command: str) -> str:
        """What the command printed."""
        assert self._bash.stdin is not None and self._bash.stdout is not None
        self._bash.stdin.write(f"{command}\necho {END}\n")
        self._bash.stdin.flush()
        lines: list[str] = []
        for line in self._bash.stdout:
            if line.endswith(f"{END}\n"):
                return "".join(lines) + line.removesuffix(f"{END}\n")
            lines.append(line)
        raise AssertionError(f"bash ended in {command!r}: {lines}")

    def close(self) -> None:
        assert self._bash.stdin is not None and self._bash.stdout is not None
        self._bash.stdin.close()
        self._bash.wait(10)
        self._bash.stdout.close()


def test_tour(first_terminal: Step, environment: dict[str, str], tmp_path: Path) -> None:
    terminal = Terminal(environment)
    steps = [step for block in tour(tmp_path)[1:] for step in block]
    assert len(steps) > 30
    try:
        for step in steps:
            got = terminal.run(step.command)
            assert matches(step.output, got), f"$ {step.command}\nREADME says:\n{step.output}\nprinted:\n{got}"
    finally:
        terminal.close()


def test_local_dm_and_settings_are_shown_as_they_are() -> None:
    """Keys of the example settings exist, with the types shown."""
    import tomllib

    from dmioc.config import load_settings

    text = (ROOT / "README.md").read_text("utf-8")
    for number, block in enumerate(re.findall(r"^ *```toml\n(.*?)^ *```", text, re.MULTILINE | re.DOTALL)):
        document = tomllib.loads(re.sub(r"^   ", "", block, flags=re.MULTILINE))
        document.get("dm", {}).pop("setup_file", None)
        overrides = {(section, key): value for section, content in document.items() for key, value in content.items()}
        settings = load_settings(None, {}, overrides | {("dm", "backend"): "local"})
        assert settings, number


PYTHON_PREFIX = "DEMO:DM:"


def python_blocks() -> list[str]:
    """The Python of the README, each block a program of its own."""
    return re.findall(r"^```python\n(.*?)^```", (ROOT / "README.md").read_text("utf-8"), re.MULTILINE | re.DOTALL)


def block_with(word: str, prefix: str) -> str:
    [found] = [block for block in python_blocks() if word in block]
    return found.replace(PYTHON_PREFIX, prefix)


def test_pvaccess_snippet(ca: CaClient) -> None:
    """It prints the workflows of the jobs and the job that it started; a second time, the same job."""
    printed = [
        subprocess.run(
            [sys.executable, "-c", block_with("NTURI", ca.prefix)],
            capture_output=True,
            text=True,
            timeout=30,
            check=True,
        ).stdout.splitlines()
        for _ in range(2)
    ]
    (before, first), (after, second) = printed
    assert (before, after) == ("[]", "['example-01']")
    assert first.split()[0] == second.split()[0]
    assert first.split()[1] in {"Pending", "Running", "Done"}


def test_streaming_snippet(ca: CaClient) -> None:
    """As the workflow of a session, with a source that gives a frame now and then until the plan ends the data."""
    source = "def frames(pv, until):\n    while not until.wait(0.05):\n        yield pv\n\n"
    ca.puts("STR1:", WFSlot=0, Source="SIM:Image", Args="")
    ca.put("STR1:Offer", 1, wait=False)
    session = ca.wait_for("STR1:Session", lambda word: word != "")
    words = [f"reportPv={ca.prefix}STR1:Report", f"commandPv={ca.prefix}STR1:Command", f"session={session}"]
    with subprocess.Popen(
        [sys.executable, "-c", source + block_with("StreamingWorkflow", ca.prefix), *words]
    ) as workflow:
        try:
            ca.wait_for("STR1:State", "Ready")
            assert ca.command("STR1:Begin")[0] == "OK"
            ca.wait_for("STR1:Received", lambda count: count >= 2)
            assert ca.command("STR1:End")[0] == "OK"
            assert workflow.wait(10) == 0
        finally:
            workflow.kill()
    assert ca.get("STR1:State") == "Done"
    assert json.loads(ca.get("STR1:Result"))["frames"] == ca.get("STR1:Received") == ca.get("STR1:Processed")
