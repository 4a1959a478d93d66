"""Which client of DM would be used, as whom, and what of DM it can ask."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from dmioc.check.findings import Finding, fail, listed, ok, warning
from dmioc.config import BackendName, Settings
from dmioc.dm.aps import ApsDm
from dmioc.dm.backend import LocalDm, make_backend
from dmioc.dm.login import LoginFile
from dmioc.dm.rest import RestDm
from dmioc.errors import ConfigurationError, DmLoginError
from dmioc.localdm.child import USERNAME
from dmioc.localdm.directory import last_running
from dmioc.model import Service

WHAT = "DM"
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


@dataclass(frozen=True)
class Reached:
    """The client, where each service is, and whether DM is the embedded one; ``dm`` is None where none can be asked."""

    dm: RestDm | ApsDm | None
    urls: dict[Service, str]
    is_local: bool


def reached(settings: Settings) -> tuple[Reached, list[Finding]]:
    """The client that ``dmioc run`` would use, and what is to be said about it; to be called before other threads run."""
    dm = settings.dm
    is_local = dm.backend is BackendName.LOCAL
    urls = {service: str(getattr(dm, f"{service.value.lower()}_url")) for service in Service}
    local: LocalDm | None = None
    if is_local:
        local = _running(settings)
        if local is None:
            directory = settings.local.directory or settings.gateway.state_directory / "localdm"
            text = f"the embedded DM in {directory} does not run: dmioc run starts it"
            return Reached(None, {}, is_local), [ok(WHAT, text, backend="local", running=False)]
        urls = {service: local.urls[service.value] for service in Service}
    try:
        backend = make_backend(dm, local)
    except ConfigurationError as error:
        findings = [fail(WHAT, str(error), backend=dm.backend.value), login_file(dm.login_file)]
        return Reached(None, urls, is_local), findings
    client = backend.dm
    text = f"{client.name} ({backend.reason}), station {client.station}, as owner {client.owner}"
    values = {"backend": client.name, "reason": backend.reason, "station": client.station, "owner": client.owner}
    findings = [ok(WHAT, text, **values)]
    findings += [warning(WHAT, line) for line in (*backend.warnings, *client.warnings) if "login file" not in line]
    if isinstance(client, ApsDm):
        package = client.package
        findings.append(
            ok("aps-dm-api", f"{package.title} at {package.path}", version=package.version, path=package.path)
        )
    findings.append(login_file(local.login_file if local else dm.login_file))
    return Reached(client, urls, is_local), findings


def _running(settings: Settings) -> LocalDm | None:
    """The embedded DM if it runs now."""
    directory = (settings.local.directory or settings.gateway.state_directory / "localdm").absolute()
    running = last_running(directory)
    if running is None:
        return None
    try:
        os.kill(running.pid, 0)
    except OSError:
        return None
    return LocalDm(running.urls, running.station, Path(running.login_file), USERNAME)


def login_file(path: Path | None) -> Finding:
    """Whose it is, whether it can be read, and by whom; the password is not looked at."""
    what, remedy = "login file", "set [dm] login_file or DM_LOGIN_FILE"
    if path is None:
        return fail(what, "none is set", remedy)
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        user = LoginFile(path).read().user
    except OSError as error:
        return fail(what, f"{path} cannot be read: {error.strerror}", remedy)
    except DmLoginError as error:
        return fail(what, str(error), remedy)
    values = {"path": str(path), "mode": f"{mode:o}", "user": user}
    if mode & _OTHERS:
        text = f"{path}: user {user}, mode {mode:o}: others can reach the password"
        return warning(what, text, f"chmod 600 {path}", **values)
    return ok(what, f"{path}: user {user}, mode {mode:o}", **values)


def endpoints(dm: RestDm, is_local: bool, answered: Iterable[str]) -> list[Finding]:
    """Which endpoints are known and which assumed, by service; ``answered`` are those that this check has used."""
    used = set(answered)
    findings: list[Finding] = []
    for service in Service:
        table = [endpoint for endpoint in dm.endpoints if endpoint.service is service]
        known = [endpoint.name for endpoint in table if endpoint.is_known]
        proven = [endpoint.name for endpoint in table if not endpoint.is_known and endpoint.name in used]
        assumed = [endpoint.name for endpoint in table if not endpoint.is_known and endpoint.name not in used]
        text = ", ".join(
            [
                f"{len(known)} known",
                listed("assumed and answered now", proven),
                listed("assumed and not tried", assumed),
            ]
        )
        what, values = f"DM {service.value} endpoints", {"known": known, "answered": proven, "assumed": assumed}
        if assumed and not is_local:
            remedy = "[dm.endpoints] corrects one that DM has elsewhere"
            findings.append(warning(what, text, remedy, **values))
        else:
            findings.append(ok(what, text, **values))
    return findings


def methods(dm: ApsDm) -> list[Finding]:
    """Which methods of the package are used, by service."""
    findings: list[Finding] = []
    for service in Service:
        table = [method for method in dm.methods if method.service is service]
        lacking = [method.qualified for method in table if dm.package.lacks(method)]
        there = [method.qualified for method in table if not dm.package.lacks(method)]
        what, values = f"DM {service.value} methods", {"there": there, "missing": lacking}
        text = f"{len(there)} there, {listed('missing', lacking)}"
        remedy = "what needs them is refused; [dm.methods] names others"
        findings.append(warning(what, text, remedy, **values) if lacking else ok(what, text, **values))
    return findings
