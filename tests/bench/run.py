"""``make bench``: the figures of the gateway, in one table and one JSON, with the machine they were made on.

Ends with 1 when a bar is not held.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))
from epics_environment import client_environment, repeater_process, server_environment

os.environ.update(client_environment() | server_environment())
import epicscorelibs.path.pyepics  # noqa: F401  # the libca to take, before anything imports epics
from benches import BENCHES
from figures import Figure, figures_table, write_json
from machine import this_machine
from options import QUICK, Options


def parsed() -> argparse.Namespace:
    """The arguments."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=BENCHES, metavar="NAME", help=f"some of {', '.join(BENCHES)}")
    parser.add_argument("--json", type=Path, default=Path("bench.json"), metavar="FILE", help="(%(default)s)")
    parser.add_argument("--quick", action="store_true", help="only show that everything runs: figures mean nothing")
    parser.add_argument("--rounds", type=int, metavar="N", help="of CA and PVA, interleaved")
    parser.add_argument("--copy-rounds", type=int, metavar="N", help="of DAQ copies, interleaved")
    parser.add_argument("--large-mb", type=int, metavar="N", help="size of each of 4 large files; 0: none are copied")
    return parser.parse_args()


def main() -> int:
    """Answers the exit code."""
    arguments = parsed()
    given = {name: getattr(arguments, name) for name in ("rounds", "copy_rounds", "large_mb")}
    options = dataclasses.replace(
        QUICK if arguments.quick else Options(), **{name: value for name, value in given.items() if value is not None}
    )
    machine = this_machine()
    print("\n".join(machine.lines()), flush=True)
    figures: list[Figure] = []
    with repeater_process():
        for name in arguments.only or BENCHES:
            began_s = time.monotonic()
            for figure in BENCHES[name](options):
                figures.append(figure)
                print(f"  {' | '.join(cell for cell in figure.cells() if cell)}", flush=True)
            print(f"{name}: {time.monotonic() - began_s:.0f} s", flush=True)
    print(f"\n{figures_table(figures)}\n\n" + "\n".join(machine.lines()))
    write_json(arguments.json, machine, figures, {"quick": arguments.quick, "options": dataclasses.asdict(options)})
    return 1 if any(figure.holds is False for figure in figures) else 0


if __name__ == "__main__":
    sys.exit(main())
