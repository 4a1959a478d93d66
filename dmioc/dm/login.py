"""User name and password, from DM's login file only (``dm-protocol.md §1.4``)."""

from __future__ import annotations

import logging
import stat
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote_plus

from dmioc.errors import DmLoginError, DmRefusedError

_log = logging.getLogger(__name__)
_READABLE_BY_OTHERS = stat.S_IRGRP | stat.S_IROTH
_LONGEST_FILE_BYTES = 4096
_PASSWORDS_KEPT = 4


@dataclass(frozen=True, slots=True)
class Login:
    """A user and the password, which stays out of ``repr``."""

    user: str
    password: str = field(repr=False)


class LoginFile:
    """The file with ``user|password`` in one line; it is read each time that a login is needed.

    The passwords that were read are kept for one purpose: to be taken out of what DM says (`secrets`).
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._passwords: deque[str] = deque(maxlen=_PASSWORDS_KEPT)
        self.warnings: list[str] = []

    def __repr__(self) -> str:
        return f"LoginFile({str(self._path)!r})"

    @property
    def secrets(self) -> list[str]:
        """The passwords, as they are and as they go over the network: what must not be shown to people."""
        return [form for password in self._passwords for form in (quote_plus(password), password)]

    def read(self) -> Login:
        """User and password as the file holds them now; blocks for as long as the file system needs.

        Raises:
            DmLoginError: the file cannot be read, or holds no such line; the text names the file and never its content.
        """
        try:
            with self._path.open("rb") as file:
                mode = self._path.stat().st_mode
                content = file.read(_LONGEST_FILE_BYTES)
            line = content.decode("utf-8").strip().partition("\n")[0].strip()
        except OSError as error:
            raise DmLoginError(f"login file {str(self._path)!r} cannot be read: {error.strerror}") from None
        except UnicodeDecodeError:
            raise DmLoginError(f"login file {str(self._path)!r} is not UTF-8 text") from None
        user, bar, password = line.partition("|")
        if not user or not bar or not password:
            raise DmLoginError(f"login file {str(self._path)!r}: one line 'user|password' is needed")
        if mode & _READABLE_BY_OTHERS and not self.warnings:
            text = f"login file {str(self._path)!r} can be read by other users: chmod 600 it"
            self.warnings.append(text)
            _log.warning(text)
        if password not in self._passwords:
            self._passwords.append(password)
        return Login(user, password)


class LoginPause:
    """Keeps a login that DM refused from being tried again at every poll: accounts get locked by that.

    The pause is 5 s after the first refusal and doubles up to 60 s; a request in it fails at once with DM's last
    answer. Times are those of a clock that never jumps, in seconds.
    """

    _FIRST_S = 5.0
    _LONGEST_S = 60.0

    def __init__(self) -> None:
        self._refusals = 0
        self._ends_s = 0.0
        self._error: DmRefusedError | None = None

    def check(self, now_s: float) -> None:
        """Return when a login may be tried; raises the last refusal again when it may not."""
        if self._error is not None and now_s < self._ends_s:
            text = f"{self._error}; the login is not tried again for {self._ends_s - now_s:.0f} s"
            raise type(self._error)(text, self._error.code)

    def refused(self, error: DmRefusedError, now_s: float) -> None:
        """Start a pause, or a longer one."""
        self._error = error
        self._ends_s = now_s + min(self._FIRST_S * 2**self._refusals, self._LONGEST_S)
        self._refusals += 1

    def taken(self) -> None:
        """Forget the refusals: DM has taken a login and what was asked with it."""
        self._refusals = 0
        self._error = None
