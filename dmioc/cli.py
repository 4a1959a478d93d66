"""The command line: ``dmioc run | localdm | pvs | render | config | check``."""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from dmioc import __version__
from dmioc.errors import DmiocError, PrefixInUseError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dmioc.config import Settings

_CONFIGURATION, _IN_USE = 2, 3

_EPILOG = """examples:
  dmioc run                               serve DEMO:DM:* with a local DM of its own
  dmioc run --prefix 25IDC:DM: --config dmioc.toml
  dmioc pvs WF1:                          the PVs of workflow slot 1
  dmioc pvs --format csv > pvs.csv
  eval "$(dmioc localdm --env)"           point other DM clients at the local DM
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; answers its exit code: 0 well, 2 a setting or an argument is wrong, 3 already served."""
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        return options.command(options)
    except PrefixInUseError as error:
        return _complain(error, _IN_USE)
    except DmiocError as error:
        return _complain(error, _CONFIGURATION)
    except BrokenPipeError:
        # The reader of a pipe (head) has gone: nothing more to say, also not while Python flushes at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _complain(error: DmiocError, code: int) -> int:
    print(f"dmioc: {error}", file=sys.stderr)
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="dmioc",
        description="EPICS soft IOC gateway to the APS Data Management system (DM).",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"dmioc {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name, text, command, add_arguments in _COMMANDS:
        one = commands.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
        one.set_defaults(command=command)
        add_arguments(one)
    return parser


def _run_arguments(parser: argparse.ArgumentParser) -> None:
    _add_settings(parser)
    parser.add_argument("--state", metavar="DIR", type=Path, help="where setpoints and the local DM are kept")
    parser.add_argument("--log-level", metavar="LEVEL", help="DEBUG, INFO, WARNING or ERROR")
    parser.add_argument(
        "--faults",
        metavar="FILE",
        type=Path,
        help="faults that the local DM makes, for tests: see dmioc localdm --help",
    )


def _add_settings(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", metavar="FILE", type=Path, help="settings, a TOML file")
    parser.add_argument("--prefix", metavar="P", help="prefix of every PV, e.g. 25IDC:DM:")


def _settings(options: argparse.Namespace) -> Settings:
    from dmioc.config import load_settings  # noqa: PLC0415 - heavy, and not needed for --help

    overrides = {
        ("gateway", "prefix"): options.prefix,
        ("gateway", "state_directory"): getattr(options, "state", None),
        ("gateway", "log_level"): getattr(options, "log_level", None),
        ("local", "faults"): getattr(options, "faults", None),
    }
    return load_settings(options.config, os.environ, overrides)


def _log_to_stderr(level: str) -> None:
    logging.basicConfig(
        level=level,
        stream=sys.stderr,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
        datefmt="%Y-%m-%dT%H:%M:%S",
    )


def _say(line: str) -> None:
    print(line, flush=True)


def _run(options: argparse.Namespace) -> int:
    from dmioc.app import run  # noqa: PLC0415 - heavy

    settings = _settings(options)
    _log_to_stderr(settings.gateway.log_level)
    return run(settings, os.environ, _say)


def _localdm_arguments(parser: argparse.ArgumentParser) -> None:
    from dmioc.localdm.faults.kinds import fault_help  # noqa: PLC0415 - light, and not needed by clients of dmioc

    parser.epilog = fault_help()
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--faults", metavar="FILE", type=Path, help="misbehave as the file tells, for tests: see below")
    parser.add_argument(
        "--dir", metavar="DIR", type=Path, default=Path("dmioc-state/localdm"), help="records and storage (%(default)s)"
    )
    parser.add_argument(
        "--port-base", metavar="N", type=int, default=0, help="first of four ports; 0: free ones (default)"
    )
    parser.add_argument("--station", metavar="NAME", default="DEMO", help="name of the station (%(default)s)")
    parser.add_argument(
        "--env", action="store_true", help="print the export DM_... lines for other DM clients, and end"
    )
    parser.add_argument("--endpoints", action="store_true", help="list all endpoints with known or assumed, and end")


def _localdm(options: argparse.Namespace) -> int:
    from dmioc.localdm.settings import LocalDmSettings  # noqa: PLC0415 - not needed for --help

    if options.endpoints:
        from dmioc.catalogue.listing import aligned  # noqa: PLC0415
        from dmioc.localdm.endpoints import endpoint_table  # noqa: PLC0415

        print(aligned(endpoint_table()), end="")
        return 0
    if options.env:
        from dmioc.localdm.directory import environment_lines  # noqa: PLC0415

        print("\n".join(environment_lines(options.dir.absolute())))
        return 0
    from dmioc.localdm.service import serve  # noqa: PLC0415 - heavy

    _log_to_stderr("INFO")
    directory, faults = options.dir.absolute(), options.faults
    settings = LocalDmSettings(directory, port_base=options.port_base, station=options.station, faults=faults)
    return serve(settings, _say)


def _pvs_arguments(parser: argparse.ArgumentParser) -> None:
    _add_settings(parser)
    parser.add_argument(
        "--format", choices=("table", "json", "csv"), default="table", help="form of the list (%(default)s)"
    )
    parser.add_argument("filter", nargs="?", default="", help="part of a name, or a shell pattern such as '*:Status'")


def _pvs(options: argparse.Namespace) -> int:
    from dmioc.app import catalogue_of  # noqa: PLC0415 - not needed for --help
    from dmioc.catalogue.listing import listing  # noqa: PLC0415

    settings = _settings(options)
    print(listing(catalogue_of(settings), settings.gateway.prefix, options.format, options.filter), end="")
    return 0


def _render_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--root", metavar="DIR", type=Path, default=Path(), help="top of the checkout (here)")


def _render(options: argparse.Namespace) -> int:
    from dmioc.render import write  # noqa: PLC0415 - not needed for --help

    changed = write(options.root)
    for path in changed:
        print(f"written {path}")
    print(f"{len(changed)} files changed" if changed else "nothing changed")
    return 0


_CHECK_EPILOG = """Ends with 0, or with 1 if anything is a FAIL. Nothing is changed: no file is written, and DM is only asked.

examples:
  dmioc check                                 with the settings and the environment of this shell
  dmioc check --config /etc/dmioc/25idc.toml
  dmioc check --config dmioc.toml --json | jq '.findings[] | select(.result != "OK")'
  dmioc check --access operator ws7.xray.aps.anl.gov 25IDC:DM:DAQ1:Start
"""


def _check_arguments(parser: argparse.ArgumentParser) -> None:
    _add_settings(parser)
    parser.epilog = _CHECK_EPILOG
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--state", metavar="DIR", type=Path, help="where setpoints and the local DM are kept")
    parser.add_argument("--json", action="store_true", help="for programs")
    parser.add_argument(
        "--access",
        nargs=3,
        metavar=("USER", "HOST", "PV"),
        help="only tell whether this user at this host may put to this PV, and by which rule; ends with 1 if not",
    )


def _check(options: argparse.Namespace) -> int:
    if options.access:
        return _check_access(options)
    from dmioc.check import check_station  # noqa: PLC0415 - heavy

    settings = _settings(options)
    _log_to_stderr("ERROR")
    report = check_station(settings, os.environ, options.config)
    print(report.as_json() if options.json else report.table(), end="")
    return 1 if report.has_failed else 0


def _check_access(options: argparse.Namespace) -> int:
    from dmioc.access import explained, load_rules, question_about  # noqa: PLC0415 - heavy
    from dmioc.app import catalogue_of  # noqa: PLC0415

    settings = _settings(options)
    question = question_about(catalogue_of(settings), settings.gateway.prefix, *options.access)
    is_allowed, lines = explained(load_rules(settings.access.file), question)
    print("\n".join(lines))
    return 0 if is_allowed else 1


def _config_arguments(parser: argparse.ArgumentParser) -> None:
    _add_settings(parser)
    parser.add_argument("--schema", action="store_true", help="print the JSON schema of the settings file instead")


def _config(options: argparse.Namespace) -> int:
    from dmioc.config import Settings  # noqa: PLC0415 - not needed for --help

    if options.schema:
        print(json.dumps(Settings.model_json_schema(), indent=2))
        return 0
    settings = _settings(options)
    for section, content in settings.model_dump(mode="json").items():
        print(f"[{section}]")
        for key, value in content.items():
            described = getattr(settings, section).__class__.model_fields[key].description
            print(f"{key} = {json.dumps(value)}" if value is not None else f"# {key} is not set", f"  # {described}")
        print()
    return 0


_COMMANDS = (
    ("run", "serve DM as PVs until Ctrl-C", _run, _run_arguments),
    ("localdm", "serve the small DM alone", _localdm, _localdm_arguments),
    ("pvs", "list the PVs", _pvs, _pvs_arguments),
    ("render", "write the files that are made from the catalogue", _render, _render_arguments),
    (
        "check",
        "look at everything a gateway needs, or explain a decision of the access rules",
        _check,
        _check_arguments,
    ),
    ("config", "print the settings in force", _config, _config_arguments),
)
