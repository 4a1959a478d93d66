"""Settings: models with a description for each key, and how they are loaded; nothing else reads the environment."""

from dmioc.config.load import load_settings, read_setup_file
from dmioc.config.settings import (
    AccessSettings,
    AliasSettings,
    AuditForm,
    AuditSettings,
    BackendName,
    CaSettings,
    DmSettings,
    GatewaySettings,
    LocalSettings,
    PvaSettings,
    Settings,
    SlotSettings,
)

__all__ = [
    "AccessSettings",
    "AliasSettings",
    "AuditForm",
    "AuditSettings",
    "BackendName",
    "CaSettings",
    "DmSettings",
    "GatewaySettings",
    "LocalSettings",
    "PvaSettings",
    "Settings",
    "SlotSettings",
    "load_settings",
    "read_setup_file",
]
