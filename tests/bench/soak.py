"""``make soak MINUTES=20``: many clients, many PVs, jobs and DAQs and uploads that start and end, and a DM that fails at random.

Minute by minute: work under faults, then quiet, in which every client compares what its monitors brought last with a fresh get.
Then come some minutes with clients that monitor every PV and are stopped by SIGSTOP. Ends with 1 when a bar is not held.
"""

from __future__ import annotations

import argparse
import os
import random
import secrets
import signal
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))
sys.path.insert(0, str(Path(__file__).parent.parent / "faults"))
from epics_environment import client_environment, server_environment

os.environ.update(client_environment() | server_environment())
import epicscorelibs.path.pyepics  # noqa: F401  # the libca to take, before anything imports epics
from dm_control import DmControl
from dm_watching import fill
from epics_environment import repeater_process
from fault_file import FaultFile  # pyright: ignore[reportMissingImports] - of tests/faults
from figures import at_most, figures_table, write_json
from gateway_process import GatewayProcess
from gateway_resources import Held, check_for_leaks, held_by
from machine import this_machine
from servers import addresses
from soak_churn import Churn, Faults
from soak_names import SLOTS
from soak_process import ClientProcess
from soak_samples import AFTER, SOAK, STALLED_BOTH, STALLED_CA, WARM_UP, Phase, sample, soak_figures
from waiting import wait_until

from dmioc.catalogue import station_catalogue

JOBS_BEFORE = 600
"""More than the gateway lists, so that its list no longer grows."""
CA_CLIENTS, PVA_CLIENTS, PVS_EACH = 100, 100, 22
PVA_PROCESSES = 2
PHASE_S, WARM_UP_S, STALLED_S = 60.0, 120.0, 120.0
STALLED = {STALLED_CA: ("ca",), STALLED_BOTH: ("ca", "pva")}
LOST_SHOWN = 20
LINES_SHOWN = 60
SAMPLE_EVERY_S, COMMAND_EVERY_S, STEP_S = 5.0, 0.4, 0.05
QUIET_WITHIN_S = 60.0
PROBED = ("State", "LostAfter", "EXP:Name", "WF1:Status", "DAQ1:FilesDone", "Heartbeat")
SETTINGS = """[dm]
deadline_s = 2
connect_timeout_s = 1
[slots]
daq = {slots.daq}
upload = {slots.upload}
workflow = {slots.workflow}
stream = {slots.stream}
"""


@dataclass
class Parts:
    """Everything that runs."""

    gateway: GatewayProcess
    dm: DmControl
    at_start: Held
    churn: Churn
    faults: Faults
    clients: list[ClientProcess]
    probe: ClientProcess
    began_s: float

    def now_s(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self.began_s


def started(closing: ExitStack, directory: Path, chosen: random.Random) -> Parts:
    """The gateway with a DM that has had many jobs, the clients, and what is done to them."""
    state, faults_path, config = directory / "state", directory / "faults.toml", directory / "dmioc.toml"
    config.write_text(SETTINGS.format(slots=SLOTS), "utf-8")
    fill(state, JOBS_BEFORE)
    file = FaultFile(faults_path, state / "localdm")
    gateway = GatewayProcess(state, "--config", str(config), "--faults", str(faults_path))
    closing.callback(gateway.end)
    at_start = held_by(gateway.start())
    churn = Churn(gateway.prefix, SLOTS, directory / "data", chosen)
    closing.callback(churn.close)
    dm = DmControl(state / "localdm")
    churn.prepare(dm)
    ca, pva = addresses(gateway)
    share = PVA_CLIENTS // PVA_PROCESSES
    scripts = [("soak_ca.py", ca, CA_CLIENTS), *[("soak_pva.py", pva, share)] * PVA_PROCESSES]
    clients = [ClientProcess(script, at, gateway.prefix, str(count), str(PVS_EACH)) for script, at, count in scripts]
    probe = ClientProcess("soak_probe.py", ca, gateway.prefix, *PROBED)
    for process in (*clients, probe):
        closing.callback(process.end)
        process.wait_until_ready()
    return Parts(gateway, dm, at_start, churn, Faults(faults_path, file.put, chosen), clients, probe, time.monotonic())


def work(parts: Parts, phase: Phase, lasts_s: float, with_faults: bool) -> None:
    """Commands and faults for so long."""
    ends_s = parts.now_s() + lasts_s
    command_s = sample_s = parts.now_s()
    while parts.now_s() < ends_s:
        if with_faults:
            parts.faults.step()
        if parts.now_s() >= command_s:
            command_s += COMMAND_EVERY_S
            parts.churn.step()
        if parts.now_s() >= sample_s:
            sample_s += SAMPLE_EVERY_S
            phase.samples.append(sample(parts.gateway, parts.now_s()))
        time.sleep(STEP_S)


def quiet(parts: Parts, phase: Phase) -> None:
    """Let all end, and compare."""
    parts.faults.none()
    try:
        wait_until(lambda: parts.churn.get("State") == "Connected", QUIET_WITHIN_S, what="DM is there")
    except AssertionError as error:
        raise AssertionError(f"{error}; {parts.churn.services()}\n{last_lines(parts.gateway.log())}") from None
    all_ended(parts)
    parts.churn.clear_old(parts.dm)
    phase.gets_s = parts.probe.ask("times")
    for process in parts.clients:
        process.send("check")
    for process in parts.clients:
        answer = process.answer()
        phase.checked += answer["checked"]
        phase.lost += answer["lost"]
        phase.events += answer["events"]
    phase.gets_then_s = parts.probe.ask("times")
    phase.samples.append(sample(parts.gateway, parts.now_s()))


def last_lines(log: str) -> str:
    """The end of a log."""
    return "\n".join(log.splitlines()[-LINES_SHOWN:])


def all_ended(parts: Parts) -> None:
    """Wait until nothing runs; fails with what still does."""

    def nothing_runs() -> bool:
        # Again and again: the start of a DAQ may have been under way.
        parts.churn.stop_all()
        return not parts.churn.busy()

    try:
        wait_until(nothing_runs, QUIET_WITHIN_S, period_s=0.5)
    except AssertionError:
        busy = parts.churn.busy()
        groups = sorted({name.partition(":")[0] for name in busy})
        texts = {
            name: parts.churn.text(name) for group in groups for name in (f"{group}:CmdMessage", f"{group}:StatusText")
        }
        if busy:
            raise AssertionError(f"not within {QUIET_WITHIN_S} s of quiet: {busy}; {texts}") from None


def plan(minutes: float) -> tuple[list[str], float]:
    """The name of each phase, and how long each takes, in s: the minutes asked for, then the stalled clients."""
    phase_s = min(PHASE_S, 60 * minutes / 6)
    count = round(60 * minutes / phase_s)
    warm_up = max(1, round(min(WARM_UP_S, 15 * minutes) / phase_s))
    each = max(1, round(min(STALLED_S, 10 * minutes) / phase_s))
    return [
        *[WARM_UP] * warm_up,
        *[SOAK] * (count - warm_up),
        *[STALLED_CA] * each,
        *[STALLED_BOTH] * each,
        AFTER,
    ], phase_s


def stalled_client(parts: Parts, protocol: str) -> ClientProcess:
    """A client that monitors everything and then stands still."""
    address = addresses(parts.gateway)[("ca", "pva").index(protocol)]
    client = ClientProcess("soak_stalled.py", protocol, address, parts.gateway.prefix)
    client.wait_until_ready()
    client.process.send_signal(signal.SIGSTOP)
    return client


def soak(parts: Parts, minutes: float, with_faults: bool) -> list[Phase]:
    """All phases, with a line for each."""
    phases: list[Phase] = []
    stalled: dict[str, ClientProcess] = {}
    names, phase_s = plan(minutes)
    try:
        for number, name in enumerate(names, start=1):
            for protocol in STALLED.get(name, ()):
                if protocol not in stalled:
                    stalled[protocol] = stalled_client(parts, protocol)
            if name == AFTER:
                end(stalled)
            phase = Phase(number, name)
            work(parts, phase, phase_s, with_faults)
            quiet(parts, phase)
            phases.append(phase)
            print(f"{parts.now_s():6.0f} s  {phase.line()}", flush=True)
            for lost in phase.lost[:LOST_SHOWN]:
                print(f"          lost: {lost}", flush=True)
    finally:
        end(stalled)
    return phases


def end(stalled: dict[str, ClientProcess]) -> None:
    """End clients that stand still."""
    for client in stalled.values():
        client.process.kill()
        client.end()
    stalled.clear()


def left_behind(parts: Parts) -> str:
    """What the gateway still holds when all clients have gone; empty if it is no more than at its start."""
    for process in (*parts.clients, parts.probe):
        process.end()
    parts.churn.close()
    try:
        check_for_leaks(parts.gateway, parts.at_start)
    except AssertionError as error:
        return str(error)
    return ""


def parsed() -> argparse.Namespace:
    """The arguments."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=20.0, metavar="N", help="how long (%(default)g)")
    parser.add_argument("--seed", type=int, default=secrets.randbits(31), help="of all that is random (a new one)")
    parser.add_argument("--json", type=Path, default=Path("soak.json"), metavar="FILE", help="(%(default)s)")
    parser.add_argument("--no-faults", action="store_true", help="DM behaves")
    return parser.parse_args()


def main() -> int:
    """Answers the exit code."""
    arguments, machine = parsed(), this_machine()
    print("\n".join(machine.lines()), flush=True)
    with repeater_process(), ExitStack() as closing:
        directory = Path(
            closing.enter_context(tempfile.TemporaryDirectory(prefix="dmioc-soak-", ignore_cleanup_errors=True))
        )
        parts = started(closing, directory, random.Random(arguments.seed))
        print(
            f"seed {arguments.seed}; {CA_CLIENTS} CA and {PVA_CLIENTS} PVA clients with {PVS_EACH} monitors each,"
            f" {len(station_catalogue(SLOTS))} PVs",
            flush=True,
        )
        phases = soak(parts, arguments.minutes, not arguments.no_faults)
        puts, faults = dict(parts.churn.puts), dict(parts.faults.met)
        left = left_behind(parts)
    figures = [*soak_figures(phases, puts.get("no answer", 0)), at_most("soak", "left behind", bool(left), "", 0, left)]
    print(f"\ncommands {puts}; faults {faults}\n\n{figures_table(figures)}\n\n" + "\n".join(machine.lines()))
    more = {"seed": arguments.seed, "minutes": arguments.minutes, "commands": puts, "faults": faults}
    write_json(arguments.json, machine, figures, {**more, "phases": [phase.as_json() for phase in phases]})
    return 1 if any(figure.holds is False for figure in figures) else 0


if __name__ == "__main__":
    sys.exit(main())
