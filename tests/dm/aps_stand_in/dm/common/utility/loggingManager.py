"""Configures the root logger, as the real package does: handlers, level, and DEBUG for its own loggers."""

from __future__ import annotations

import logging
import os
import sys


class LoggingManager:
    __instance = None

    @classmethod
    def getInstance(cls):
        if cls.__instance is None:
            cls.__instance = cls()
        return cls.__instance

    def configureHandlers(self):
        root = logging.getLogger("")
        if os.environ.get("APS_STAND_IN_LOGGING") == "silences":
            logging.disable(logging.CRITICAL)
            for name in list(logging.root.manager.loggerDict):
                logging.getLogger(name).disabled = True
        if os.environ.get("APS_STAND_IN_LOGGING") == "crude":
            root.handlers = [logging.NullHandler()]
            root.level = logging.CRITICAL
            return
        for handler in list(root.handlers):
            root.removeHandler(handler)
        console = logging.StreamHandler(sys.stdout)
        console.setFormatter(logging.Formatter("STAND-IN %(levelname)s %(message)s"))
        root.addHandler(console)
        root.setLevel(logging.ERROR)

    def getLogger(self, name="defaultLogger"):
        logger = logging.getLogger(name)
        logger.setLevel(logging.DEBUG)
        return logger
