"""A gateway with an access file and roots for its transfers, and clients under several names."""

from __future__ import annotations

import os
import pwd
import re
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from gateway_process import GatewayProcess, running_gateway
from p4p.client.thread import Context
from p4p.nt import NTURI
from raw_ca_client import RawClient
from waiting import wait_until

ME = pwd.getpwuid(os.getuid()).pw_name
"""Who libca and p4p say they are."""

OPEN = f"""UAG(staff) {{ "{ME}", alice }}
HAG(here) {{ localhost }}
ASG(DMWRITE) {{ RULE(1, READ) RULE(1, WRITE, TRAPWRITE) {{ UAG(staff) HAG(here) }} }}
ASG(DMCOMMAND) {{ RULE(1, READ) RULE(1, WRITE, TRAPWRITE) {{ UAG(staff) HAG(here) }} }}
"""
CLOSED = OPEN.replace(f'"{ME}", alice', "alice")
"""As `OPEN`, without the user who runs the tests."""


@dataclass(frozen=True)
class Guarded:
    """The gateway, its access file, and the directories below which its transfers may read."""

    process: GatewayProcess
    acf: Path
    allowed: Path
    forbidden: Path

    @property
    def prefix(self) -> str:
        return self.process.prefix

    def log_since(self, mark: int) -> str:
        """What it logged after so many characters."""
        return self.process.log()[mark:]

    def reload(self, text: str, words: str = "the rules were loaded anew") -> str:
        """Change the file, send SIGHUP, and wait until the log has the words; answers what was logged."""
        mark = len(self.process.log())
        self.acf.write_text(text)
        self.process.process.send_signal(signal.SIGHUP)
        wait_until(lambda: words in self.log_since(mark), what=words)
        return self.log_since(mark)

    def raw(self, user: str) -> RawClient:
        """A CA client of that name."""
        line = next(line for line in self.process.lines if line.startswith("dmioc serves"))
        match = re.search(r"Channel Access at (\S+)", line)
        assert match is not None
        return RawClient(match[1], user)


@pytest.fixture(scope="module")
def guarded(repeater: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    top = tmp_path_factory.mktemp("guarded")
    acf, allowed, forbidden = top / "access.acf", top / "allowed", top / "forbidden"
    allowed.mkdir()
    forbidden.mkdir()
    acf.write_text(OPEN)
    config = top / "dmioc.toml"
    config.write_text(
        f'[access]\nfile = "{acf}"\ndaq_roots = ["{allowed}/"]\nupload_roots = ["{allowed}", "@detector:/data"]\n'
        "[slots]\ndaq = 1\nupload = 1\nworkflow = 1\nstream = 1\n"
    )
    with running_gateway(top / "state", "--config", str(config)) as process:
        yield Guarded(process, acf, allowed, forbidden)


def rpc(pva: Context, prefix: str, method: str, **arguments: str) -> Any:
    """Ask the gateway's RPC, as p4p's NTURI does it."""
    named = {"method": method, **arguments}
    uri = NTURI([(key, "s") for key in named])
    return pva.rpc(f"{prefix}RPC", uri.wrap(f"{prefix}RPC", kws=named), timeout=30)
