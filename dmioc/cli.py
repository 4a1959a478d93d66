"""The command line: ``dmioc run | localdm | pvs | render | watch | web | check | config``."""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, cast

from dmioc import __version__
from dmioc.errors import ConfigurationError, DmiocError, GatewayLostError, PrefixInUseError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dmioc.config import Settings

_CONFIGURATION, _IN_USE, _INTERRUPTED = 2, 3, 130

_EPILOG = """examples:
  dmioc run                               serve DEMO:DM:* with a local DM of its own
  dmioc run --prefix 25IDC:DM: --config dmioc.toml
  dmioc pvs WF1:                          the PVs of workflow slot 1
  dmioc pvs --format csv > pvs.csv
  dmioc watch                             the station live in this terminal
  dmioc web                               ... in a browser
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


_SLOT_OPTIONS = {
    "daqs": ("daq", "DAQ"),
    "uploads": ("upload", "upload"),
    "workflows": ("workflow", "workflow"),
    "streams": ("stream", "streaming"),
}
"""Options that stand in for the keys of ``[slots]``, and what they count."""


def _settings(options: argparse.Namespace) -> Settings:
    from dmioc.config import load_settings  # noqa: PLC0415 - heavy, and not needed for --help

    overrides = {
        ("gateway", "prefix"): options.prefix,
        ("gateway", "state_directory"): getattr(options, "state", None),
        ("gateway", "log_level"): getattr(options, "log_level", None),
        ("local", "faults"): getattr(options, "faults", None),
        **{("slots", key): getattr(options, name, None) for name, (key, _) in _SLOT_OPTIONS.items()},
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


_RENDER_EPILOG = """Without --out: db/ and opi/ of a checkout, for DEMO:DM: and the default numbers of slots. With --out:
all of them for one station, with its prefix, slots and aliases, in a directory of your own; what is there under the same
names is replaced. db/README.md there tells what loads each.

examples:
  dmioc render                                  a checkout, after a change of the catalogue
  dmioc render --config /etc/dmioc/25idc.toml --out /APSshare/dmioc/25idc
  dmioc render --prefix 25IDC:DM: --daqs 1 --workflows 8 --out site
"""


def _render_arguments(parser: argparse.ArgumentParser) -> None:
    parser.epilog = _RENDER_EPILOG
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--root", metavar="DIR", type=Path, default=Path(), help="top of the checkout (here)")
    where.add_argument("--out", metavar="DIR", type=Path, help="write a station's own files below this directory")
    _add_settings(parser)
    for name, (_, what) in _SLOT_OPTIONS.items():
        parser.add_argument(f"--{name}", metavar="N", type=int, help=f"number of {what} slots")
    parser.add_argument(
        "--panels", metavar="URL", help="where Phoebus finds the panels, for links in the alarm tree; default: in --out"
    )


def _render(options: argparse.Namespace) -> int:
    from dmioc.render import write  # noqa: PLC0415 - not needed for --help

    try:
        changed = _render_site(options) if options.out else write(_checkout(options))
    except OSError as error:
        raise ConfigurationError(f"{error.filename} cannot be written: {error.strerror}") from error
    for path in changed:
        print(f"written {path}")
    print(f"{len(changed)} files changed" if changed else "nothing changed")
    return 0


def _checkout(options: argparse.Namespace) -> Path:
    """Where to write the files of the repository; those are for no other station."""
    for name in ("config", "prefix", *_SLOT_OPTIONS, "panels"):
        if getattr(options, name) is not None:
            raise ConfigurationError(f"--{name} is for a station's own files: say where to write them with --out DIR")
    return options.root


def _render_site(options: argparse.Namespace) -> list[Path]:
    from dmioc.app import catalogue_of  # noqa: PLC0415 - not needed for --help
    from dmioc.render import PANELS, Site, write  # noqa: PLC0415

    settings = _settings(options)
    out = options.out.absolute()
    panels = options.panels.rstrip("/") if options.panels else (out / PANELS).as_uri()
    return write(options.out, catalogue_of(settings), Site(settings.gateway.prefix, panels))


_WEB_EPILOG = """The page is read-only: nothing can be written through it. Gateways are found by the EPICS_PVA_* variables of
this shell. Only this machine can open the page, unless --host is an address that others reach; then put it behind a
proxy with https and a login where not everybody in the network may read. Displays that speak PVWS, as cs-web-lib, use
ws://HOST:PORT/pvws/pv.

examples:
  dmioc web                                        DEMO:DM:, or the station of DMIOC_PREFIX
  dmioc web 8IDI:DM: 25IDC:DM: --port 0            two stations on one page, at a free port
  dmioc web 25IDC:DM: --host 0.0.0.0               for the whole network
  dmioc web 25IDC:DM: --origin https://beamline.example.org   behind a proxy of that name
"""


def _web_arguments(parser: argparse.ArgumentParser) -> None:
    from dmioc.web import DEFAULT_HOST, DEFAULT_PORT  # noqa: PLC0415 - light, and not needed by clients of dmioc

    parser.epilog = _WEB_EPILOG
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("prefixes", metavar="PREFIX", nargs="*", help="prefix of a station's PVs, e.g. 25IDC:DM:")
    parser.add_argument("--host", metavar="ADDRESS", default=DEFAULT_HOST, help="address to listen at (%(default)s)")
    parser.add_argument("--port", metavar="N", type=int, default=DEFAULT_PORT, help="port; 0: a free one (%(default)s)")
    parser.add_argument(
        "--origin", metavar="URL", action="append", default=[], help="pages of this address may use the socket too"
    )


def _web(options: argparse.Namespace) -> int:
    from dmioc.catalogue.prefix import default_prefix  # noqa: PLC0415 - not needed for --help

    try:
        from dmioc.web.service import serve  # noqa: PLC0415 - heavy, and an extra
    except ModuleNotFoundError as error:
        if error.name not in ("aiohttp", "p4p"):
            raise
        raise ConfigurationError(f"{error.name} is not installed: pip install 'dmioc[web]'") from error
    from dmioc.web.settings import WebSettings  # noqa: PLC0415

    prefixes = tuple(options.prefixes) or (default_prefix(),)
    settings = WebSettings(prefixes, options.host, options.port, tuple(options.origin))
    _log_to_stderr("INFO")
    return serve(settings, _say)


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
        if description := Settings.model_fields[section].description:  # of one whose keys are names that were set
            print(f"# {description}")
            print("".join(f"{json.dumps(key)} = {_toml(value)}\n" for key, value in content.items()))
            continue
        for key, value in content.items():
            described = getattr(settings, section).__class__.model_fields[key].description
            print(f"{key} = {_toml(value)}" if value is not None else f"# {key} is not set", f"  # {described}")
        print()
    return 0


def _toml(value: object) -> str:
    """A setting as TOML."""
    if not isinstance(value, dict):
        return json.dumps(value)
    items = cast("dict[str, object]", value).items()
    return f"{{ {', '.join(f'{json.dumps(key)} = {_toml(content)}' for key, content in items)} }}"


_WATCH_EPILOG = """Without PREFIX the station of DMIOC_PREFIX, else DEMO:DM:. The gateway is found by EPICS_PVA_ADDR_LIST (pva)
or EPICS_CA_ADDR_LIST (ca), and again when it comes back. Nothing is written to any PV. Keys: 1 to 8 pages, arrows, Enter
details, / filter, ? help, q quit. NO_COLOR takes the colours away.
Ends with 0; --once with 1 when the gateway does not answer in time.

examples:
  dmioc watch                                 live, until q
  dmioc watch 25IDC:DM: --protocol ca
  dmioc watch 25IDC:DM: --once
  dmioc watch --once --json | jq -r '.slots.WF1.Status.value'
"""


def _watch_arguments(parser: argparse.ArgumentParser) -> None:
    parser.epilog = _WATCH_EPILOG
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("prefix", metavar="PREFIX", nargs="?", help="of the station's PVs, e.g. 25IDC:DM:")
    parser.add_argument(
        "--protocol",
        choices=("pva", "ca"),
        default="pva",
        help="PVAccess, or Channel Access, which has no tables (%(default)s)",
    )
    parser.add_argument("--once", action="store_true", help="print the overview and end")
    parser.add_argument("--json", action="store_true", help="with --once: one JSON object, for scripts")
    parser.add_argument(
        "--timeout",
        metavar="S",
        type=float,
        default=5.0,
        help="with --once: wait so long for the gateway (%(default)s s)",
    )


def _watch(options: argparse.Namespace) -> int:
    from dmioc.catalogue.prefix import default_prefix  # noqa: PLC0415 - not needed for --help

    prefix = options.prefix or default_prefix()
    is_ascii = "utf" not in (sys.stdout.encoding or "").lower()
    try:
        if options.once:
            return _watch_once(prefix, options, is_ascii)
        if options.json:
            raise ConfigurationError("--json goes with --once")
        if not (sys.stdin.isatty() and sys.stdout.isatty()):
            raise ConfigurationError("the live screen needs a terminal; --once prints without one")
        from dmioc.watch.live import watch_live  # noqa: PLC0415 - heavy

        watch_live(prefix, options.protocol, is_ascii)
    except KeyboardInterrupt:
        return _INTERRUPTED
    return 0


def _watch_once(prefix: str, options: argparse.Namespace, is_ascii: bool) -> int:
    from dmioc.watch.once import station_json, station_text, watch_once  # noqa: PLC0415 - heavy

    try:
        view = watch_once(prefix, options.protocol, options.timeout)
    except GatewayLostError as error:
        return _complain(error, 1)
    print(station_json(view) if options.json else station_text(view, is_ascii), end="", flush=True)
    return 0


_COMMANDS = (
    ("run", "serve DM as PVs until Ctrl-C", _run, _run_arguments),
    ("localdm", "serve the small DM alone", _localdm, _localdm_arguments),
    ("pvs", "list the PVs", _pvs, _pvs_arguments),
    ("render", "write the files that are made from the catalogue", _render, _render_arguments),
    ("watch", "show a station in this terminal, live", _watch, _watch_arguments),
    ("web", "show stations in a browser, live and read-only", _web, _web_arguments),
    (
        "check",
        "look at everything a gateway needs, or explain a decision of the access rules",
        _check,
        _check_arguments,
    ),
    ("config", "print the settings in force", _config, _config_arguments),
)
