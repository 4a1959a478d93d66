"""DM's exceptions by code (dm-protocol.md section 2.3); each in a module named after it, as in the real package."""

from __future__ import annotations

import importlib

NAMES = {
    1: "DmException",
    2: "InternalError",
    3: "CommunicationError",
    4: "ConfigurationError",
    5: "AuthorizationError",
    6: "AuthenticationError",
    7: "DbError",
    8: "UrlError",
    9: "TimeoutError",
    10: "InvalidArgument",
    11: "InvalidRequest",
    12: "InvalidSession",
    13: "CommandFailed",
    14: "ObjectNotFound",
    15: "ObjectAlreadyExists",
    16: "InvalidObjectState",
    17: "FileProcessingError",
    19: "ServiceLimitError",  # exists; the real name of the class is unknown
    22: "TaskTimeoutError",  # likewise
}


def class_of(name: str) -> type[Exception]:
    """The exception of a name."""
    return getattr(importlib.import_module(f"dm.common.exceptions.{name[0].lower()}{name[1:]}"), name)
