"""The gateway's own local DM, asked directly: what the PVs are checked against."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from gateway_process import GatewayProcess
from localdm_process import VendorSession, encoded, encoded_json

STATION = "DEMO"


class GatewayDm:
    """Sessions with the services of a gateway's local DM; made anew for each question, since it may have been restarted."""

    def __init__(self, gateway: GatewayProcess) -> None:
        self._directory = gateway.state / "localdm"

    def session(self, service: str) -> VendorSession:
        """A session that has logged in."""
        running = json.loads((self._directory / "localdm.json").read_text("utf-8"))
        username, password = (self._directory / "login").read_text("utf-8").strip().split("|")
        session = VendorSession(running["urls"][service])
        session.login(username, password)
        return session

    def experiment(self, name: str) -> dict[str, Any]:
        """DM's full record of an experiment."""
        return dict(self.session("DS").call("GET", "experimentsByName", encoded(name), STATION))

    def experiments(self) -> list[dict[str, Any]]:
        """Short records of all experiments."""
        return list(self.session("DS").call("GET", "experimentsByStation", STATION))

    def catalogued(self, experiment: str, below: str) -> dict[str, str]:
        """MD5 by path below a directory of the experiment, as the catalog has it."""
        session, found, skip = self.session("CAT"), dict[str, str](), 0
        while True:
            query = {"queryDict": encoded_json({}), "skip": skip, "limit": 1000}
            page = session.call("GET", "experimentFiles", encoded(experiment), query=query)
            for entry in page:
                path = entry["experimentFilePath"]
                if path.startswith(f"{below}/"):
                    found[path.removeprefix(f"{below}/")] = entry["md5Sum"]
            skip += len(page)
            if len(page) < 1000:
                return found

    def dataset(self, experiment: str, name: str) -> dict[str, Any]:
        """One dataset of the catalog."""
        return dict(self.session("CAT").call("GET", "datasetsByExperiment", encoded(experiment), encoded(name)))

    def datasets(self, experiment: str) -> list[dict[str, Any]]:
        """Every dataset of an experiment, oldest first."""
        return list(self.session("CAT").call("GET", "datasetsByExperiment", encoded(experiment)))

    def jobs(self, owner: str = "dmioc") -> list[dict[str, Any]]:
        """Every job of the owner, complete."""
        session = self.session("PROC")
        rows = session.call("GET", "processingJobsByOwner", owner)
        return [dict(session.call("GET", "processingJobsByOwner", owner, row["id"])) for row in rows]

    def upsert_workflow(self, document: dict[str, Any]) -> None:
        """Store a workflow."""
        query = {"allowCurrentUsername": 0, "workflow": encoded_json(document)}
        self.session("PROC").call("PUT", "workflows", "upsertWorkflow", query=query)


def md5s(root: Path) -> dict[str, str]:
    """MD5 of every file below a directory, by relative path."""
    return {
        str(path.relative_to(root)): hashlib.md5(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }
