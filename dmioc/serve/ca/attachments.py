"""A client's hold on a channel."""

from __future__ import annotations

from collections.abc import Callable

from caproto import AccessRights, CAStatus

from dmioc.catalogue import PV
from dmioc.serve.ca.channels import Channel
from dmioc.serve.ca.dbr import Encoded, Sample, failed, status_code

Rights = Callable[[PV, str, str], tuple[bool, bool]]
"""Whether a user (as claimed by the client) at a host (as seen by the server) may read and may write a PV."""

_NO_READ_ACCESS = status_code(CAStatus.ECA_NORDACCESS)


def catalogue_rights(pv: PV, _user: str, _host: str) -> tuple[bool, bool]:
    """Everybody reads everything and writes what the catalogue says is writable."""
    return True, pv.writable


class Attachment:
    """One channel of one circuit, with what its client may do.

    Attributes:
        client_id: the client's number of it.
        server_id: ours.
        subscription_ids: the client's numbers of its monitors.
    """

    __slots__ = ("channel", "client_id", "may_read", "may_write", "server_id", "subscription_ids")

    def __init__(self, channel: Channel, client_id: int, server_id: int) -> None:
        self.channel = channel
        self.client_id = client_id
        self.server_id = server_id
        self.may_read = False
        self.may_write = False
        self.subscription_ids: set[int] = set()

    @property
    def rights(self) -> int:
        """The rights as they go over the wire."""
        may_read = AccessRights.READ if self.may_read else AccessRights.NO_ACCESS
        return int(may_read | (AccessRights.WRITE if self.may_write else AccessRights.NO_ACCESS))

    def ask(self, rights: Rights, user: str, host: str) -> bool:
        """Find out what the client may do; answers whether that changed."""
        before = self.rights
        self.may_read, may_write = rights(self.channel.pv, user, host)
        self.may_write = may_write and self.channel.takes_puts
        return self.rights != before

    def answer(self, sample: Sample, data_type: int, count: int) -> Encoded:
        """The sample for this client."""
        if not self.may_read:
            return failed(_NO_READ_ACCESS, data_type)
        return self.channel.encoded(sample, data_type, count)
