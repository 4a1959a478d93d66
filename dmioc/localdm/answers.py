"""How localdm says no: DM's exceptions with their codes (``dm-protocol.md §2.3``)."""

from __future__ import annotations


class DmAnswerNo(Exception):  # noqa: N818 - DM's own names follow
    """Root of what localdm refuses with; ``code`` and the class name go on the wire, the text is one line."""

    code = 1
    wire_name = "DmException"


class AuthorizationError(DmAnswerNo):
    """The user may not do this."""

    code = 5
    wire_name = "AuthorizationError"


class AuthenticationError(DmAnswerNo):
    """User name or password were not taken."""

    code = 6
    wire_name = "AuthenticationError"


class InvalidArgument(DmAnswerNo):
    """An argument has a value that cannot be."""

    code = 10
    wire_name = "InvalidArgument"


class InvalidRequest(DmAnswerNo):
    """The request cannot be done as asked."""

    code = 11
    wire_name = "InvalidRequest"


class InvalidSession(DmAnswerNo):
    """No session, or one that has expired."""

    code = 12
    wire_name = "InvalidSession"


class ObjectNotFound(DmAnswerNo):
    """No such object."""

    code = 14
    wire_name = "ObjectNotFound"


class ObjectAlreadyExists(DmAnswerNo):
    """An object of that name exists."""

    code = 15
    wire_name = "ObjectAlreadyExists"


class InvalidObjectState(DmAnswerNo):
    """The object is in a state in which this cannot be done."""

    code = 16
    wire_name = "InvalidObjectState"
