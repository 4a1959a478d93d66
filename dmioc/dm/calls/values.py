"""Values on their way to DM, whatever carries them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from dmioc.errors import DmRefusedError

INVALID_ARGUMENT = 10  # DM's code for an argument that cannot be (dm-protocol.md §2.3)


def json_text(content: Mapping[str, object] | Sequence[str] | str, what: str) -> str:
    """Content as JSON text for DM.

    Raises:
        DmRefusedError: code 10, for content that JSON cannot carry.
    """
    try:
        return json.dumps(content, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise DmRefusedError(f"{what} cannot be sent as JSON: {error}", INVALID_ARGUMENT) from error
