"""The local users and their roles in experiments (``dm-protocol.md §3.4``)."""

from __future__ import annotations

import re
import sqlite3
import time

import msgspec

from dmioc.localdm.answers import InvalidArgument, ObjectAlreadyExists, ObjectNotFound
from dmioc.localdm.database import Database, Row
from dmioc.localdm.wire import local_timestamp, shortened

USER_ROLE = "User"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")
_BADGE = re.compile(r"d(\d+)")
_SCHEMA = """
CREATE TABLE IF NOT EXISTS users (
    id INTEGER PRIMARY KEY AUTOINCREMENT, username TEXT NOT NULL UNIQUE, record TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS experiment_roles (
    experiment TEXT NOT NULL, username TEXT NOT NULL, role TEXT NOT NULL, PRIMARY KEY (experiment, username, role));
"""


class Users:
    """Everybody localdm has heard of; every call blocks and is safe in any thread."""

    def __init__(self, database: Database) -> None:
        self._database = database
        database.script(_SCHEMA)

    def ensure(self, username: str) -> None:
        """Make the user known; unlike DM, which takes its users from the facility, localdm takes any name.

        A name ``d<badge>`` gets that badge. Raises `InvalidArgument` for a name that cannot be one.
        """
        if not _NAME.fullmatch(username):
            raise InvalidArgument(f"a user name has letters, digits and ._@- (at most 64), not {shortened(username)}")
        badge = _BADGE.fullmatch(username)
        record = {
            "username": username,
            "badge": badge[1] if badge else "",
            "firstName": "Local",
            "lastName": f"User {badge[1]}" if badge else username,
            "email": f"{username}@localhost",
            "isLocalUser": True,
            "lastUpdate": local_timestamp(time.time()),
        }
        self._database.rows(
            "INSERT INTO users (username, record) VALUES (?, ?) ON CONFLICT(username) DO NOTHING",
            (username, msgspec.json.encode(record).decode()),
        )

    def all(self) -> list[dict[str, object]]:
        """Every user, in the order in which they became known."""
        return [_record(row) for row in self._database.rows("SELECT id, record FROM users ORDER BY id")]

    def user(self, username: str) -> dict[str, object]:
        """One user; raises `ObjectNotFound`."""
        rows = self._database.rows("SELECT id, record FROM users WHERE username = ?", (username,))
        if not rows:
            raise ObjectNotFound(f"User {username} does not exist.")
        return _record(rows[0])

    def members(self, experiment: str) -> list[str]:
        """Names of the users that have a role in an experiment, in the order in which they got it."""
        sql = "SELECT username FROM experiment_roles WHERE experiment = ? GROUP BY username ORDER BY min(rowid)"
        return [str(row[0]) for row in self._database.rows(sql, (experiment,))]

    def add_role(self, experiment: str, username: str, role: str) -> dict[str, object]:
        """Give a user, who is made known if need be, a role, and answer both; raises `ObjectAlreadyExists`."""
        self.ensure(username)
        try:
            self._database.rows("INSERT INTO experiment_roles VALUES (?, ?, ?)", (experiment, username, role))
        except sqlite3.IntegrityError:
            raise ObjectAlreadyExists(f"User {username} already has role {role} in experiment {experiment}.") from None
        return self._role(experiment, username, role)

    def delete_role(self, experiment: str, username: str, role: str) -> dict[str, object]:
        """Take a role from a user; raises `ObjectNotFound` when the user does not have it."""
        sql = "DELETE FROM experiment_roles WHERE experiment = ? AND username = ? AND role = ? RETURNING username"
        if not self._database.rows(sql, (experiment, username, role)):
            raise ObjectNotFound(f"Role {role} of user {username} in experiment {experiment} does not exist.")
        return self._role(experiment, username, role)

    def delete_roles(self, experiment: str) -> None:
        """Take every role of an experiment from everybody."""
        self._database.rows("DELETE FROM experiment_roles WHERE experiment = ?", (experiment,))

    def _role(self, experiment: str, username: str, role: str) -> dict[str, object]:
        return {**self.user(username), "experimentName": experiment, "roleName": role}


def _record(row: Row) -> dict[str, object]:
    return {"id": row[0], **msgspec.json.decode(str(row[1]), type=dict[str, object])}
