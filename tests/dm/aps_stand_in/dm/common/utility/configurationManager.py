"""A singleton that reads the environment once, when it is made."""

from __future__ import annotations

import os

_DEFAULTS = {"DS": "https://127.0.0.1:22237", "DAQ": "https://127.0.0.1:33336"}
_DEFAULTS |= {"PROC": "https://127.0.0.1:55536", "CAT": "https://127.0.0.1:44436"}


class ConfigurationManager(dict):
    __instance = None

    @classmethod
    def getInstance(cls):
        if cls.__instance is None:
            cls.__instance = cls()
        return cls.__instance

    def __init__(self):
        super().__init__()
        self["stationName"] = os.environ.get("DM_STATION_NAME", "")
        self["loginFile"] = os.environ.get("DM_LOGIN_FILE", "")
        self["rootDir"] = os.environ.get("DM_ROOT_DIR", "")
        for service, default in _DEFAULTS.items():
            self[service] = os.environ.get(f"DM_{service}_WEB_SERVICE_URL", default)

    def getDsWebServiceUrl(self):
        return self["DS"]

    def getProcWebServiceUrl(self):
        return self["PROC"]

    def parseLoginFile(self):
        with open(self["loginFile"], encoding="utf-8") as file:
            user, password = file.readline().strip().split("|")
        return user, password
