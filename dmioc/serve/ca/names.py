"""From a name that a client asks for to the channel it means."""

from __future__ import annotations

from dmioc.catalogue import Catalogue
from dmioc.serve.ca.channels import Channel, channel_of
from dmioc.serve.ca.fields import field, long_string

_LONG_STRING = "$"


class Names:
    """Every channel, by its full name; those of fields are made at the first question and kept."""

    def __init__(self, prefix: str, catalogue: Catalogue) -> None:
        self.prefix = prefix
        self._by_pv = {pv.name: channel_of(prefix, pv) for pv in catalogue.scalars()}
        self._by_name = {channel.name: channel for channel in self._by_pv.values()}

    def of_pv(self, name: str) -> Channel | None:
        """The channel of a PV by its name without prefix; None for what Channel Access does not serve."""
        return self._by_pv.get(name)

    def find(self, name: str) -> Channel | None:
        """The channel of ``NAME``, ``NAME.FIELD``, ``NAME.VAL`` and of each with a ``$``; None if there is none."""
        channel = self._by_name.get(name)
        if channel is None and name.startswith(self.prefix):
            channel = self._make(name)
            if channel is not None:
                self._by_name[name] = channel
        return channel

    def _make(self, name: str) -> Channel | None:
        if name.endswith(_LONG_STRING):
            plain = name[: -len(_LONG_STRING)]
            of = None if plain.endswith(_LONG_STRING) else self.find(plain)
            return None if of is None else long_string(of)
        head, dot, field_name = name.partition(".")
        of = self._by_name.get(head)
        if of is None or not dot:
            return None
        return of if field_name in ("", "VAL") else field(of, field_name)
