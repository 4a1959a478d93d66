"""Sends requests with urllib and without any time-out, logs in once, and says everything at DEBUG, the cookie included."""

from __future__ import annotations

import os
import ssl
import urllib.error
import urllib.parse
import urllib.request

from dm.common.exceptions import NAMES, class_of
from dm.common.exceptions.invalidSession import InvalidSession
from dm.common.exceptions.urlError import UrlError
from dm.common.utility.loggingManager import LoggingManager


class SessionManager:
    def __init__(self):
        self.logger = LoggingManager.getInstance().getLogger(self.__class__.__name__)
        self.sessionCookie = None
        self.opener = None

    def establishSession(self, url, username, password, selector="/dm/login"):
        self.logger.debug("Establishing session for user %s with %s", username, password)
        self.sessionCookie = None
        form = urllib.parse.urlencode({"username": username, "password": password})
        self.sendRequest(f"{url}{selector}", "POST", "application/x-www-form-urlencoded", form)
        self.logger.debug("User %s session cookie: %s", username, self.sessionCookie)

    def sendSessionRequest(self, url, method, contentType="html", data="", login=None):
        if self.sessionCookie is None:
            self.establishSession(*login)
        try:
            return self.sendRequest(url, method, contentType, data)
        except InvalidSession:
            if os.environ.get("APS_STAND_IN_LOGIN") == "once":
                raise
            self.establishSession(*login)
            return self.sendRequest(url, method, contentType, data)

    def sendRequest(self, url, method, contentType="html", data=""):
        if os.environ.get("APS_STAND_IN_LOGGING") in ("late", "crude"):
            LoggingManager.getInstance().configureHandlers()
        headers = {"Content-Type": contentType}
        if self.sessionCookie is not None:
            headers["Cookie"] = self.sessionCookie
        request = urllib.request.Request(url, data.encode(), headers, method=method)
        try:
            with self.getOpener().open(request) as response:
                body = response.read()
                self.checkHeaders(response.headers)
                self.sessionCookie = response.headers.get("Set-Cookie") or self.sessionCookie
                return body
        except urllib.error.HTTPError as ex:
            with ex:
                self.checkHeaders(ex.headers)
            self.logger.exception("%s", ex)
            raise UrlError(exception=ex)  # noqa: B904
        except urllib.error.URLError as ex:
            self.logger.exception("%s", ex)
            raise UrlError(exception=ex)  # noqa: B904

    def getOpener(self):
        if self.opener is None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
            self.opener = urllib.request.build_opener(
                urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
            )
        return self.opener

    def checkHeaders(self, headers):
        code = int(headers.get("Dm-Status-Code", "0"))
        if code:
            raise class_of(NAMES.get(code, "DmException"))(headers.get("Dm-Status-Message", ""))
