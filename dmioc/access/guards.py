"""The settings ``[access]`` and ``[audit]`` as what the engine works with."""

from __future__ import annotations

from pathlib import Path

from dmioc.access.rules import load_rules
from dmioc.config import AccessSettings, AuditForm, AuditSettings
from dmioc.engine.audit import Outlet
from dmioc.engine.audit_file import RotatingFile
from dmioc.engine.audit_lines import caputlog_line, json_line
from dmioc.engine.entrance import Guards
from dmioc.engine.roots import Roots, is_root
from dmioc.errors import ConfigurationError

AUDIT_FILE = "audit.log"


def load_guards(access: AccessSettings, audit: AuditSettings, state_directory: Path) -> Guards:
    """What stands between clients and DM; blocks as `load_rules` does, and raises `ConfigurationError` as it does."""
    for key in ("daq_roots", "upload_roots"):
        for root in getattr(access, key):
            if not is_root(root):
                text = "an absolute directory such as /data, or @host:/data, without .. is needed"
                raise ConfigurationError(f"[access] {key}: {root!r}: {text}")
    roots = Roots(access.daq_roots, access.upload_roots)
    return Guards(load_rules(access.file), roots, _outlets(audit, state_directory), audit.burst_s)


def _outlets(audit: AuditSettings, state_directory: Path) -> tuple[Outlet, ...]:
    if not audit.enabled:
        return ()
    path = audit.file or state_directory / AUDIT_FILE
    outlets: list[Outlet] = []
    if audit.format is not AuditForm.JSON:
        outlets.append(Outlet(caputlog_line, RotatingFile(path, audit.size_bytes, audit.count)))
    if audit.format is not AuditForm.CAPUTLOG:
        json_path = path.with_name(f"{path.name}.json") if audit.format is AuditForm.BOTH else path
        outlets.append(Outlet(json_line, RotatingFile(json_path, audit.size_bytes, audit.count)))
    return tuple(outlets)
