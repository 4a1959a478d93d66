"""Settings from a TOML file, DMIOC_* variables, DM's own environment and the command line; the later ones win."""

from __future__ import annotations

import re
import shlex
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, cast

from pydantic import ValidationError

from dmioc.config.settings import BackendName, Settings
from dmioc.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping

_VARIABLE = "DMIOC_"
_SEPARATOR = "__"

_DM_VARIABLES = {
    "station": "DM_STATION_NAME",
    "login_file": "DM_LOGIN_FILE",
    "ds_url": "DM_DS_WEB_SERVICE_URL",
    "daq_url": "DM_DAQ_WEB_SERVICE_URL",
    "proc_url": "DM_PROC_WEB_SERVICE_URL",
    "cat_url": "DM_CAT_WEB_SERVICE_URL",
}
"""Keys of ``[dm]`` and the variables of DM that stand in for them (``dm-protocol.md §1.3``)."""

_EPICS_VARIABLES = {
    section: {"interfaces": f"{server}_INTF_ADDR_LIST", "beacon_addresses": f"{server}_BEACON_ADDR_LIST"}
    for section, server in (("ca", "EPICS_CAS"), ("pva", "EPICS_PVAS"))
}
"""Keys of ``[ca]`` and ``[pva]`` and the variables of EPICS that stand in for them. The servers read EPICS' ports themselves:
unlike a port that was set here, those are not insisted on where another server of the host has them."""
_LISTS = frozenset({"interfaces", "beacon_addresses", "daq_roots", "upload_roots"})

Table = dict[str, dict[str, object]]


def load_settings(
    path: Path | None, environment: Mapping[str, str], overrides: Mapping[tuple[str, str], object] | None = None
) -> Settings:
    """The settings in force.

    Args:
        path: a TOML file, or None.
        environment: variables; ``DMIOC_PREFIX`` sets ``prefix`` of ``[gateway]``, ``DMIOC_DM__BACKEND`` sets ``backend`` of
            ``[dm]``; DM's and EPICS' own variables stand in for keys that nobody set.
        overrides: by section and key, from the command line; None values are left out.

    Raises `ConfigurationError` naming the key, its value and what would be right.
    """
    table = _read(path) if path else {}
    _add_variables(table, environment)
    for (section, key), value in (overrides or {}).items():
        if value is not None:
            table.setdefault(section, {})[key] = value
    for section, variables in _EPICS_VARIABLES.items():
        _stand_in(table, section, {key: environment.get(name, "") for key, name in variables.items()})
    backend = table.get("dm", {}).get("backend", BackendName.AUTO)
    if backend != BackendName.LOCAL:
        _stand_in(table, "dm", _dm_environment(table, environment))
    settings = _validated(table, str(path) if path else "settings")
    return _with_backend(settings)


def read_setup_file(path: Path) -> dict[str, str]:
    """The variables that DM's ``dm.setup.sh`` exports by plain ``export NAME=value`` lines; other lines are passed over.

    Raises `ConfigurationError` when the file cannot be read.
    """
    try:
        text = path.read_text("utf-8", "replace")
    except OSError as error:
        raise ConfigurationError(f"dm.setup_file {path} cannot be read: {error.strerror}") from error
    variables: dict[str, str] = {}
    for line in text.splitlines():
        words = line.strip().split(maxsplit=1)
        if len(words) == 2 and words[0] == "export" and "=" in words[1]:
            name, value = words[1].split("=", 1)
            variables[name.strip()] = _unquoted(value)
    return variables


def _unquoted(value: str) -> str:
    try:
        return " ".join(shlex.split(value, comments=True))
    except ValueError:
        return value.strip()


def _read(path: Path) -> Table:
    try:
        text = path.read_text("utf-8")
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{path} is not TOML: {error}") from error
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{path} is not TOML: {error}{_quoted_line(text, error)}") from error
    table: Table = {}
    for section, content in document.items():
        if not isinstance(content, dict):
            raise ConfigurationError(f"{path}: {section} = {content!r} stands outside of a section such as [gateway]")
        table[section] = cast("dict[str, object]", content)
    return table


def _quoted_line(text: str, error: tomllib.TOMLDecodeError) -> str:
    """The line that is wrong, which tells more than its number where a key was given twice."""
    found = re.search(r"at line (\d+)", str(error))
    lines = text.splitlines()
    number = int(found[1]) if found else 0
    return f": {lines[number - 1].strip()}" if 0 < number <= len(lines) else ""


def _add_variables(table: Table, environment: Mapping[str, str]) -> None:
    for name, value in environment.items():
        if name.startswith(_VARIABLE):
            words = name.removeprefix(_VARIABLE).lower().split(_SEPARATOR, 1)
            section, key = words if len(words) == 2 else ("gateway", words[0])
            table.setdefault(section, {})[key] = value.split() if key in _LISTS else value


def _stand_in(table: Table, section: str, values: Mapping[str, str]) -> None:
    """Fill keys that nobody set."""
    for key, value in values.items():
        if value:
            table.setdefault(section, {}).setdefault(key, value.split() if key in _LISTS else value)


def _dm_environment(table: Table, environment: Mapping[str, str]) -> dict[str, str]:
    variables = dict(environment)
    setup_file = table.get("dm", {}).get("setup_file")
    if setup_file is not None:
        # A file that was named counts more than what the shell happens to hold.
        variables |= read_setup_file(Path(str(setup_file)))
    return {key: variables.get(name, "") for key, name in _DM_VARIABLES.items()}


def _validated(table: Table, where: str) -> Settings:
    try:
        return Settings.model_validate(table)
    except ValidationError as error:
        raise ConfigurationError("; ".join(_line(where, one) for one in error.errors())) from error


def _line(where: str, error: object) -> str:
    details = cast("Mapping[str, object]", error)
    location = cast("tuple[object, ...]", details["loc"])
    section, keys = str(location[0]), ".".join(str(word) for word in location[1:])
    if details["type"] == "extra_forbidden":
        return (
            f"{where}: [{section}] {keys}: there is no such key"
            if keys
            else f"{where}: there is no section [{section}]"
        )
    return f"{where}: [{section}] {keys} = {details['input']!r}: {details['msg']}"


def _with_backend(settings: Settings) -> Settings:
    """``auto`` is the local DM where none is configured; else check that the client of a DM knows where to go.

    Which client ``auto`` then means is decided where clients are made: it depends on what is installed.
    """
    dm = settings.dm
    urls = {key: getattr(dm, key) for key in _DM_VARIABLES if key.endswith("_url")}
    backend = dm.backend
    if backend is BackendName.AUTO and not any(urls.values()) and not dm.setup_file:
        backend = BackendName.LOCAL
    if backend is not BackendName.LOCAL:
        missing = [key for key in _DM_VARIABLES if not getattr(dm, key)]
        if missing:
            names = ", ".join(f"{key} (or {_DM_VARIABLES[key]})" for key in missing)
            raise ConfigurationError(f"[dm] backend {backend.value} needs {names}")
    return settings.model_copy(update={"dm": dm.model_copy(update={"backend": backend})})
