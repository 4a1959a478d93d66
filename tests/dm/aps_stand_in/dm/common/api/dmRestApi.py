"""The base of every Api class; session requests, and the faults that a test asks for."""

from __future__ import annotations

import builtins
import json
import os
import time
import urllib.parse

from dm.common.client.sessionManager import SessionManager
from dm.common.exceptions import class_of
from dm.common.exceptions.dmException import DmException
from dm.common.utility.configurationManager import ConfigurationManager
from dm.common.utility.encoder import Encoder


class DmRestApi:
    SERVICE = ""

    def __init__(self, username=None, password=None, url=None):
        self.configurationManager = ConfigurationManager.getInstance()
        if username is None:
            username, password = self.configurationManager.parseLoginFile()
        self.username = username
        self.password = password
        self.url = url or self.configurationManager[self.SERVICE]
        self.sessionManager = SessionManager()

    def encode(self, value):
        """Bytes, which interpolated give the literal ``b'...'`` of the wire."""
        return Encoder.encode(value)

    def encodeJson(self, value):
        return Encoder.encode(json.dumps(value))

    def sendSessionRequest(self, url, method, contentType="html", data="", rawOutput=False):
        login = (self.url, self.username, self.password)
        address = self.url + urllib.parse.quote(url, safe="/?&='%")
        try:
            body = self.sessionManager.sendSessionRequest(address, method, contentType, data, login)
            return body if rawOutput else json.loads(body)
        except DmException:
            raise
        except Exception as ex:
            raise DmException(exception=ex)  # noqa: B904

    def __getattribute__(self, name):
        """What a test asked for instead of the call: a file names the method and the fault."""
        path = os.environ.get("APS_STAND_IN_FAULTS", "")
        if path and not name.startswith("_") and os.path.exists(path):
            fault = _fault(path, name)
            while fault == "hang":
                time.sleep(0.02)
                fault = _fault(path, name)
            if fault:
                return lambda *args, **kwargs: _fail(fault)
        return super().__getattribute__(name)


def _fault(path, name):
    with open(path, encoding="utf-8") as file:
        return json.load(file).get(name, "")


def _fail(fault):
    kind, _, text = fault.partition(": ")
    if kind == "answer":
        return json.loads(text)
    if kind.startswith("python."):
        raise getattr(builtins, kind.removeprefix("python."))(text)
    raise class_of(kind)(text)
