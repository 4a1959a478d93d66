"""What can go wrong, split by what the reader of the message can do about it.

DmiocError
├── ConfigurationError       the settings are wrong: correct the file, the variable or the option
├── PrefixInUseError         another gateway serves this prefix, or uses its directory: stop it or choose another
│   └── PortInUseError       ... or the port that was set (a ConfigurationError too: another port is the other remedy)
├── StateFileError           a file under the state directory cannot be used: it is kept and named
├── RefusedError             the caller asked for what cannot be done: nothing was changed
│   └── DeniedError          ... or the access rules do not let this caller do it
├── CommandFailedError       a command was carried out and did not succeed, or its end is not known
│   ├── InterruptedCommandError  ... because the gateway stopped or was started anew in the middle
│   └── JobFailedError       ... because the job, DAQ, upload or stream it waited for did not end as Done
├── GatewayLostError         the gateway does not answer: nothing is known of what it does now
├── WaitTimeoutError         the time given to a wait has passed; what was waited for goes on
└── DmError                  DM did not do what was asked
    ├── DmUnreachableError   no answer: connection refused, lost, or the deadline passed
    ├── DmAnswerError        an answer that makes no sense: HTML, cut JSON, a missing key
    └── DmRefusedError       DM answered no, in its own words
        ├── DmNotFoundError  ... it does not know the object (code 14)
        ├── DmExistsError    ... an object of that name exists (code 15)
        └── DmLoginError     ... user name or password were not taken (codes 5, 6)
"""


class DmiocError(Exception):
    """Root of every error this package raises on purpose; its text is one readable line."""


class ConfigurationError(DmiocError):
    """A setting is wrong; the text names the key, its value and what would be right."""


class PrefixInUseError(DmiocError):
    """Another gateway already serves this prefix, or holds this state directory."""


class PortInUseError(PrefixInUseError, ConfigurationError):
    """The port that was set is taken; the text names address and port."""


class StateFileError(DmiocError):
    """A file of the gateway's own (autosave, journal) cannot be read or written."""


class RefusedError(DmiocError):
    """A put or a command cannot be done as asked; nothing was changed by it."""


class DeniedError(RefusedError):
    """The access rules do not let this user at this host put to this PV; the text names all of them and the rule."""


class CommandFailedError(DmiocError):
    """A command was taken and did not end well: the object failed, a wait ended, or DM fell silent in the middle."""


class InterruptedCommandError(CommandFailedError):
    """The gateway stopped or was started anew while the command ran; how it ended is not known."""


class JobFailedError(CommandFailedError):
    """What was waited for has ended, and not as Done.

    Attributes:
        object_id: DM's id of the job, DAQ or upload, or the session of a stream.
        status: the status word it ended with, e.g. ``Failed`` (``pv-contract.md §1``).
    """

    def __init__(self, message: str, object_id: str, status: str) -> None:
        super().__init__(message)
        self.object_id = object_id
        self.status = status


class GatewayLostError(DmiocError):
    """The gateway was not reached, or has been away for longer than was allowed; DM may be working all the same."""


class WaitTimeoutError(DmiocError, TimeoutError):
    """The time given to a wait has passed; what was waited for is unaffected and goes on."""


class DmError(DmiocError):
    """DM did not do what was asked of it, or did not say that it did."""

    @property
    def may_be_done(self) -> bool:
        """Whether DM may have done all the same what it was asked to do."""
        return True


class DmUnreachableError(DmError):
    """DM gave no whole answer before the deadline: refused, lost or silent.

    Attributes:
        request_sent: whether DM may have received the request, and so may have done what was asked.
    """

    def __init__(self, message: str, request_sent: bool = True) -> None:
        super().__init__(message)
        self.request_sent = request_sent

    @property
    def may_be_done(self) -> bool:
        """Not if DM never got the request."""
        return self.request_sent


class DmAnswerError(DmError):
    """DM gave an answer that is none: not JSON, cut, of a wrong type, or with a needed key missing."""


class DmRefusedError(DmError):
    """DM answered with an error.

    Attributes:
        code: DM's error code (``dm-protocol.md §2.3``), or 0 when it gave none.
    """

    def __init__(self, message: str, code: int = 0) -> None:
        super().__init__(message)
        self.code = code

    @property
    def may_be_done(self) -> bool:
        """Only if DM failed on the request, rather than refused it."""
        return self.code in _FAILURES


_FAILURES = frozenset({2, 3, 7, 9, 22})
"""InternalError, CommunicationError, DbError, TimeoutError and the task time-out (``dm-protocol.md §2.3``)."""


class DmNotFoundError(DmRefusedError):
    """DM answers and does not know the object (code 14)."""


class DmExistsError(DmRefusedError):
    """DM already has an object of that name (code 15)."""


class DmLoginError(DmRefusedError):
    """DM did not take the user name or the password, or the user may not do this (codes 5 and 6)."""
