"""The tour of the README, typed as it stands: what each command prints is what the README says."""

from __future__ import annotations

import doctest
import os
import re
import signal
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from waiting import wait_until

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
    left_out = ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")
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
            lambda: matches(step.output, _until_banner(printed)), 50, what="make run prints what the README says"
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


@pytest.mark.timeout(180)
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
