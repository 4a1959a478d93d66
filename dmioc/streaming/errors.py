"""What can go wrong on the workflow's side of a stream.

StreamError
├── StreamSettingsError   a name that the workflow needs is missing or wrong: correct the command line or the variable
├── StreamTimeoutError    a PV, or a command, did not come within the time given
├── StreamRefused         the gateway did not take a report: the session is over or another one, in the gateway's words
└── StreamAborted         the session was aborted: stop, there is nothing to report any more
"""


class StreamError(Exception):
    """Root of the errors of `dmioc.streaming`; its text is one readable line."""


class StreamSettingsError(StreamError):
    """The handshake cannot begin: the text names the setting, its value and what would be right."""


class StreamTimeoutError(StreamError, TimeoutError):
    """No answer of the gateway, or no command of the plan, within the time given."""


class StreamRefused(StreamError):  # noqa: N818 - what happened, as a workflow's author says it
    """The gateway refused a report; the text is the gateway's reason."""


class StreamAborted(StreamError):  # noqa: N818 - what happened, as a workflow's author says it
    """The plan aborted the session."""
