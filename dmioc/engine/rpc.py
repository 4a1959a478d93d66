"""Queries and commands by name, for programs that need no slot (``pv-contract.md §9``)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dmioc.engine.puts import CommandState
from dmioc.engine.rpc_answers import Answers
from dmioc.engine.rpc_arguments import Given, checked
from dmioc.engine.rpc_methods import Parts
from dmioc.engine.rpc_table import Method, method_named
from dmioc.errors import CommandFailedError, InterruptedCommandError, RefusedError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dmioc.engine.core import Core
    from dmioc.engine.experiment import ExperimentInUse
    from dmioc.engine.jobs import JobBoard
    from dmioc.engine.puts import Origin, RpcAnswer
    from dmioc.engine.transfers import TransferBoard
    from dmioc.engine.workflow_slot import WorkflowSlot

_ERRORS = {CommandState.REFUSED: RefusedError, CommandState.INTERRUPTED: InterruptedCommandError}


class Queries:
    """Takes queries by name; those that change something by the rules of commands, with an entry in the journal."""

    def __init__(
        self,
        core: Core,
        experiment: ExperimentInUse,
        jobs: JobBoard,
        boards: Sequence[TransferBoard],
        workflow_slots: Sequence[WorkflowSlot],
        *,
        prefix: str,
    ) -> None:
        self._core = core
        self._parts = Parts(core, experiment, jobs, boards, workflow_slots, Answers(), prefix)

    async def call(self, name: str, arguments: Mapping[str, object], origin: Origin) -> RpcAnswer:
        """Answer a query; raises a `DmiocError` whose text is for the client: what is wrong, and what would be right."""
        method = method_named(name)
        given = checked(name, method.arguments, method.takes_more, arguments)
        if method.is_command:
            return await self._command(method, given, origin)
        return await method.answer(self._parts, given)

    async def _command(self, method: Method, given: Given, origin: Origin) -> RpcAnswer:
        answers: list[RpcAnswer] = []

        async def carry_out() -> str:
            answers.append(await method.answer(self._parts, given))
            fields = answers[0].fields
            return " ".join(str(fields[name]) for name in ("id", "name", "status") if name in fields)

        outcome = await self._core.commands.carry_out(f"RPC {method.name}", carry_out, origin)
        if not outcome.is_ok:
            raise _ERRORS.get(outcome.state, CommandFailedError)(outcome.message)
        return answers[0]
