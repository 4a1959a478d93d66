"""A client's hold on a channel."""

from __future__ import annotations

from caproto import AccessRights, CAStatus

from dmioc.serve.ca.channels import Channel, failed, status_code
from dmioc.serve.ca.events import Subscription
from dmioc.serve.ca.samples import Answer, Sample

_NO_READ_ACCESS = status_code(CAStatus.ECA_NORDACCESS)


class Attachment:
    """One channel of the circuit.

    Attributes:
        channel: what it is.
        client_id: the client's number of it.
        alias: the second name by which the client asked for it; empty for its own.
        rights: what the client may do.
        subscriptions: its monitors by the client's number.
    """

    __slots__ = ("alias", "channel", "client_id", "rights", "subscriptions")

    def __init__(self, channel: Channel, client_id: int, rights: AccessRights, alias: str) -> None:
        self.channel = channel
        self.client_id = client_id
        self.rights = rights
        self.alias = alias
        self.subscriptions: dict[int, Subscription] = {}

    def answer(self, sample: Sample, data_type: int, count: int) -> Answer:
        """The sample for this client: an error if it may not read."""
        if AccessRights.READ in self.rights:
            return self.channel.answer(sample, data_type, count)
        return failed(_NO_READ_ACCESS, data_type)
