"""``make kills N=1000``: kill -9 of the gateway at points of its commands and saves, and what must hold afterwards.

Two gateways side by side, each with a DM of its own. After every few kills a gateway is started in peace and DM's records are
counted: `kill_cycles`. Ends with 1 when a command was done twice or forgotten, or a setpoint was lost.
"""

from __future__ import annotations

import argparse
import json
import os
import queue
import secrets
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import asdict, dataclass, fields
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))
from epics_environment import client_environment, server_environment
from kill_cycles import KilledGateway, killed_gateway

SIDE_BY_SIDE = 2
LIVES_TO_CHECK = 4
"""Lives between two counts of DM's records."""
KILLS_OF_A_DM = 100
"""Then a new DM: its records are all read at each count."""
LASTS_S = 0.8
REPORTS_EVERY_S = 30.0


@dataclass(frozen=True)
class Tally:
    """What was counted; ``forgotten`` and ``twice`` are accepted commands that DM has not, or more than once."""

    kills: int = 0
    accepted: int = 0
    done: int = 0
    twice: int = 0
    forgotten: int = 0
    setpoints_lost: int = 0

    def __add__(self, other: Tally) -> Tally:
        return Tally(*(getattr(self, one.name) + getattr(other, one.name) for one in fields(self)))

    def __str__(self) -> str:
        return ", ".join(f"{one.name.replace('_', ' ')} {getattr(self, one.name)}" for one in fields(self))


def tally_of(gateway: KilledGateway) -> Tally:
    """The counts now; right only when nothing is under way."""
    made, told = gateway.in_dm(), gateway.carried_out()
    return Tally(
        kills=gateway.kills,
        accepted=gateway.accepted,
        done=sum(made.values()),
        twice=sum(max(0, made[pattern] - told[pattern]) for pattern in made),
        forgotten=sum(max(0, told[pattern] - made[pattern]) for pattern in made),
        setpoints_lost=len(gateway.lost),
    )


def say(kind: str, **more: object) -> None:
    """A line for the process that started this one."""
    print(json.dumps({"kind": kind, **more}), flush=True)


def kill_one_dm(kills: int, seed: int, before: Tally) -> Tally:
    """Kill the gateway of a new DM so many times; answers the counts at the end."""
    directory = Path(tempfile.mkdtemp(prefix="dmioc-kills-"))
    with killed_gateway(directory, seed) as gateway:
        try:
            while gateway.kills < kills:
                for _ in range(min(LIVES_TO_CHECK, max(1, kills - gateway.kills - 1))):
                    gateway.life(gateway.random_point(), LASTS_S)
                gateway.settle()
                say("tally", **asdict(before + tally_of(gateway)))
        except AssertionError:
            if not gateway.is_under_way:
                say("tally", **asdict(before + tally_of(gateway)))
            raise
        tally = tally_of(gateway)
    shutil.rmtree(directory)
    return tally


def work(kills: int, seed: int) -> int:
    """What each of the processes does; answers its exit code."""
    os.environ.update(client_environment() | server_environment())
    total = Tally()
    while total.kills < kills:
        try:
            total += kill_one_dm(min(KILLS_OF_A_DM, kills - total.kills), seed + total.kills, total)
        except AssertionError as error:
            say("failed", text="\n".join([str(error), *getattr(error, "__notes__", ())]))
            return 1
    return 0


def read(number: int, process: subprocess.Popen[str], into: queue.Queue[tuple[int, dict[str, object]]]) -> None:
    """Hand on the lines of a process until it has ended."""
    assert process.stdout is not None
    for line in process.stdout:
        into.put((number, json.loads(line)))
    into.put((number, {"kind": "ended", "code": process.wait()}))


def watch(processes: list[subprocess.Popen[str]]) -> int:
    """Report on the processes until they have ended; answers the exit code."""
    lines: queue.Queue[tuple[int, dict[str, object]]] = queue.Queue()
    for number, process in enumerate(processes):
        threading.Thread(target=read, args=(number, process, lines), daemon=True).start()
    tallies, running, codes = [Tally()] * len(processes), set(range(len(processes))), list[int]()
    began_s = reported_s = time.monotonic()
    while running:
        number, line = lines.get()
        kind = line.pop("kind")
        if kind == "tally":
            tallies[number] = Tally(**line)  # pyright: ignore[reportArgumentType]
        elif kind == "failed":
            print(f"process {number} failed: {line['text']}", flush=True)
        else:
            running.discard(number)
            codes.append(int(str(line["code"])))
        if time.monotonic() - reported_s > REPORTS_EVERY_S:
            reported_s = time.monotonic()
            print(f"{reported_s - began_s:5.0f} s  {sum(tallies, Tally())}", flush=True)
    total = sum(tallies, Tally())
    is_well = not (any(codes) or total.twice or total.forgotten or total.setpoints_lost)
    print(f"{'OK' if is_well else 'FAILED'} in {time.monotonic() - began_s:.0f} s: {total}", flush=True)
    return 0 if is_well else 1


def main() -> int:
    """Answers the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=1000, metavar="N", help="how many (%(default)s)")
    parser.add_argument("--seed", type=int, default=secrets.randbits(31), help="of all that is random (a new one)")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        return work(options.kills, options.seed)
    print(f"{options.kills} kills, seed {options.seed}", flush=True)
    shares = [options.kills // SIDE_BY_SIDE + (number < options.kills % SIDE_BY_SIDE) for number in range(SIDE_BY_SIDE)]
    processes = [
        subprocess.Popen(
            [
                sys.executable,
                __file__,
                "--worker",
                "--kills",
                str(share),
                "--seed",
                str(options.seed + 1_000_003 * number),
            ],
            stdout=subprocess.PIPE,
            text=True,
        )
        for number, share in enumerate(shares)
        if share
    ]
    try:
        return watch(processes)
    finally:
        for process in processes:
            process.terminate()
            process.wait()


if __name__ == "__main__":
    sys.exit(main())
