"""The root of DM's exceptions."""

from __future__ import annotations


class DmException(Exception):
    """Made with a text, or with another exception that it stands for."""

    CODE = 1

    def __init__(self, error="", code=None, **kwargs):
        args = error or kwargs.get("args", "")
        cause = kwargs.get("exception")
        if cause is not None:
            args = f"{args} ({cause})" if args else str(cause)
        super().__init__(args)
        self.code = self.CODE if code is None else code

    def getErrorCode(self):
        return self.code

    def getErrorMessage(self):
        return f"{self.args[0]}"
