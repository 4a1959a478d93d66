"""Two passes of base64 (dm-protocol.md section 2.1)."""

from __future__ import annotations

import base64


class Encoder:
    @classmethod
    def encode(cls, text):
        return base64.b64encode(base64.encodebytes(text.encode("utf-8")))

    @classmethod
    def decode(cls, text):
        text = text.removeprefix("b'").removesuffix("'")
        return base64.decodebytes(base64.b64decode(text)).decode("utf-8")
