"""Handlers of the data storage service DS (``dm-protocol.md §3, §7.4``)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from dmioc.localdm.answers import InvalidObjectState
from dmioc.localdm.calls import Call, Handlers, in_thread
from dmioc.localdm.experiments import ExperimentStore
from dmioc.localdm.storage import StoredFiles
from dmioc.localdm.users import Users


class StorageRoutes:
    """Experiments, users and stored files.

    ``forget`` removes what the catalog has of an experiment that was deleted, ``in_use`` answers the experiments that a
    transfer works on.
    """

    def __init__(
        self,
        experiments: ExperimentStore,
        users: Users,
        files: StoredFiles,
        forget: Callable[[str], None],
        in_use: Callable[[], set[str]],
    ) -> None:
        self._experiments = experiments
        self._users = users
        self._files = files
        self._forget = forget
        self._in_use = in_use

    def handlers(self) -> Handlers:
        """The handlers by endpoint."""
        return {
            "getExperimentsByStation": in_thread(self._list),
            "getExperimentByName": in_thread(lambda call: self._experiments.by_name(self._name(call))),
            "getExperimentById": in_thread(lambda call: self._experiments.by_name(self._name_by_id(call))),
            "updateExperimentGroup": in_thread(lambda call: self._experiments.by_name(call.needed("name"))),
            "downloadFile": in_thread(self._download),
            "addExperiment": in_thread(lambda call: self._experiments.add(call.document("experiment"), call.username)),
            "updateExperiment": in_thread(lambda call: self._experiments.update(call.document("experiment"))),
            "deleteExperimentByName": self._delete_by_name,
            "deleteExperimentById": self._delete_by_id,
            "startExperiment": in_thread(lambda call: self._experiments.mark(self._name(call), "start_date")),
            "stopExperiment": in_thread(lambda call: self._experiments.mark(self._name(call), "end_date")),
            "upsertExperimentMetadata": in_thread(self._set_metadata),
            "getUsers": in_thread(lambda call: self._users.all()),
            "getUserByUsername": in_thread(lambda call: self._users.user(call.text("username"))),
            "addUserExperimentRole": in_thread(lambda call: self._users.add_role(*self._role(call))),
            "deleteUserExperimentRole": in_thread(lambda call: self._users.delete_role(*self._role(call))),
            "statFile": in_thread(lambda call: self._files.stat(self._name(call), call.needed("path"))),
            "deleteFile": in_thread(lambda call: self._files.delete(self._name(call), call.needed("path"))),
        }

    def _name(self, call: Call) -> str:
        self._experiments.check_station(call.text("station"))
        return call.needed("name")

    def _name_by_id(self, call: Call) -> str:
        return self._experiments.name_of(call.text("id"))

    def _list(self, call: Call) -> object:
        self._experiments.check_station(call.text("station"))
        return self._experiments.all()

    def _download(self, call: Call) -> Path:
        return self._files.path(call.text("name"), call.needed("experimentFilePath"))

    def _set_metadata(self, call: Call) -> object:
        return self._experiments.set_metadata(self._name(call), call.needed("key"), call.text("value"))

    def _role(self, call: Call) -> tuple[str, str, str]:
        """Experiment, user and role; raises `ObjectNotFound` for an experiment that does not exist."""
        name = self._name(call)
        self._experiments.places(name)
        return name, call.needed("username"), call.needed("roleName")

    async def _delete_by_name(self, call: Call) -> object:
        return await self._delete(call, self._name)

    async def _delete_by_id(self, call: Call) -> object:
        return await self._delete(call, self._name_by_id)

    async def _delete(self, call: Call, name_of: Callable[[Call], str]) -> object:
        """Delete an experiment and what the catalog has of it, unless a transfer works on it (§3.3)."""
        in_use = self._in_use()

        def delete(_: Call) -> object:
            name = name_of(call)
            if name in in_use:
                raise InvalidObjectState(f"Experiment {name} has a DAQ or upload that is running: stop it first.")
            operation = self._experiments.delete(name)
            self._forget(name)
            return operation

        return await in_thread(delete)(call)
