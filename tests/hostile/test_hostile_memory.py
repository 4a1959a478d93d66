"""The limit that keeps one message from taking all memory of the host is the gateway's own."""

from __future__ import annotations

import resource

import psutil
from gateway_process import GatewayProcess
from waiting import wait_until

from dmioc.serve.memory import MEMORY_BYTES


def test_the_limit_of_memory_is_the_gateways_own(gateway: GatewayProcess) -> None:
    """The stages of workflows, which the local DM starts, have all that there is; also once it was started again."""
    own = resource.getrlimit(resource.RLIMIT_DATA)
    assert resource.prlimit(gateway.process.pid, resource.RLIMIT_DATA)[0] == MEMORY_BYTES
    first = gateway.localdm()
    assert resource.prlimit(first.pid, resource.RLIMIT_DATA) == own
    first.kill()

    def again() -> bool:
        children = psutil.Process(gateway.process.pid).children()
        return any("localdm" in " ".join(child.cmdline()) for child in children if child.pid != first.pid)

    wait_until(again, what="the local DM is started again")
    assert resource.prlimit(gateway.localdm().pid, resource.RLIMIT_DATA) == own
