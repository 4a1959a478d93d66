"""Login and session cookies of one service (``dm-protocol.md §1.5, §11``)."""

from __future__ import annotations

import hmac
import re
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from dmioc.localdm.answers import AuthenticationError, InvalidSession
from dmioc.localdm.wire import cookie_expiry

_MAX_SESSIONS = 10_000


@dataclass(frozen=True, slots=True)
class Credentials:
    """User name and password of the login file."""

    username: str
    password: str

    @classmethod
    def read(cls, login_file: Path) -> Credentials:
        """The first line of a login file, ``username|password``; raises `OSError` when it cannot be read."""
        lines = login_file.read_text(encoding="utf-8").splitlines() or [""]
        username, _, password = lines[0].strip().partition("|")
        return cls(username, password)


class Sessions:
    """The sessions of one service, in memory: after a restart every client logs in again, as clients of DM do.

    The cookie's name carries the service, so that a client with one cookie jar for all ports of one host keeps them
    apart (the name of DM's own cookie is not known).
    """

    def __init__(
        self, service: str, login_file: Path, lifetime_s: float, clock: Callable[[], float] = time.time
    ) -> None:
        self.cookie_name = f"session_id_{service.lower()}"
        self._login_file = login_file
        self._lifetime_s = lifetime_s
        self._clock = clock
        self._pattern = re.compile(rf"(?:^|[;,\s]){self.cookie_name}=\"?([0-9a-f]+)")
        self._sessions: dict[str, tuple[str, float]] = {}

    def check(self, form: Mapping[str, str]) -> str:
        """The user that a login form names; blocks for one read of the login file.

        ``form`` holds ``username`` and ``password``. Raises `AuthenticationError` when they are not those of the file.
        """
        wanted = Credentials.read(self._login_file)
        username, password = form.get("username", ""), form.get("password", "")
        same = hmac.compare_digest(f"{username}|{password}".encode(), f"{wanted.username}|{wanted.password}".encode())
        if not same or not wanted.password:
            raise AuthenticationError(f"Incorrect username or password for user {username!r}")
        return username

    def open(self, username: str) -> str:
        """The ``Set-Cookie`` value of a new session of a user who was checked."""
        now = self._clock()
        if len(self._sessions) >= _MAX_SESSIONS:
            self._sessions = {key: entry for key, entry in self._sessions.items() if entry[1] > now}
        while len(self._sessions) >= _MAX_SESSIONS:
            del self._sessions[next(iter(self._sessions))]
        key = secrets.token_hex(20)
        self._sessions[key] = (username, now + self._lifetime_s)
        # `expires` must be the second part: the vendor's Python client reads it there.
        return f"{self.cookie_name}={key}; expires={cookie_expiry(now + self._lifetime_s)}; Path=/"

    def username(self, cookie: str) -> str:
        """Who a request is from, by its ``Cookie`` header, which may carry the attributes of ``Set-Cookie`` too.

        Raises `InvalidSession`.
        """
        now = self._clock()
        keys = self._pattern.findall(cookie)
        for key in keys:
            username, expires_s = self._sessions.get(key, ("", 0.0))
            if expires_s > now:
                return username
            self._sessions.pop(key, None)
        raise InvalidSession("Session has expired: log in again" if keys else "Valid session has not been established")

    def logout(self, cookie: str) -> None:
        """Forget the session of a request, if it has one."""
        for key in self._pattern.findall(cookie):
            self._sessions.pop(key, None)

    def forget_all(self) -> None:
        """Forget every session, as a start does."""
        self._sessions.clear()
