"""Running one processing job: its input files, then its stages in the order of their keys (``§6.3, §6.5``)."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from dmioc.localdm.answers import ObjectNotFound
from dmioc.localdm.ports import Experiments
from dmioc.localdm.workflows.commands import CommandRunner, JobFailed
from dmioc.localdm.workflows.executor import StageExecutor
from dmioc.localdm.workflows.expressions import ExpressionError, is_true
from dmioc.localdm.workflows.files import FileResolver, FindFiles, InputError, InputFiles, input_files
from dmioc.localdm.workflows.outputs import format_pattern
from dmioc.localdm.workflows.record_shapes import RESERVED_KEYS
from dmioc.localdm.workflows.records import JobRecord
from dmioc.localdm.workflows.regexes import RegexError, RegexSearcher
from dmioc.localdm.workflows.settings import JobSettings
from dmioc.localdm.workflows.stage_keys import Document, number, truth
from dmioc.localdm.workflows.variables import substituted, substituted_command, uses

_DEFAULT_REPEAT_PERIOD_S = 1.0
_ROUNDS_AT_ONCE = 200


@dataclass(frozen=True, slots=True)
class JobParts:
    """What every job is run with."""

    settings: JobSettings
    experiments: Experiments
    executor: StageExecutor
    regexes: RegexSearcher
    find_files: FindFiles | None = None


class JobRunner:
    """Runs one job once.

    The stage key ``monitorCmd`` (old) is kept in the record and has no effect. ``runIf`` is looked at once, before the
    first run of a stage; for each file if the command is run once per file (assumed).
    """

    def __init__(self, record: JobRecord, parts: JobParts) -> None:
        self._record = record
        self._parts = parts
        self._commands = CommandRunner(record, parts.executor, parts.settings)
        self._files: list[str] = []

    async def run(self) -> None:
        """Run every stage; raises `JobFailed`, and on cancellation ends what is at work."""
        self._record.begin()
        try:
            self._files = await self._job_files()
            for key in sorted(self._record.stages):
                await self._stage(key, self._record.stages[key])
        except InputError as error:
            raise JobFailed(str(error)) from None
        finally:
            await self._commands.end_left_behind()

    def kill(self) -> None:
        """End every process of the job at once."""
        self._commands.kill()

    async def _job_files(self) -> list[str]:
        """Files named by the job's arguments; a job without any needs a stage that names some (``§6.5``)."""
        given = input_files(self._record.document)
        if not given.is_given:
            if not any(input_files(stage).is_given for stage in self._record.stages.values()):
                raise InputError
            return []
        found = await self._resolved(given, str(self._record.document.get("dataDir") or ""))
        self._record.set_files(len(found), None if given.is_path_alone else found)
        return found

    async def _resolved(self, files: InputFiles, data_directory: str) -> list[str]:
        if files.is_path_alone and Path(files.path).is_absolute():
            return [files.path]
        experiment = self._record.document.get("experimentName")
        name = experiment if isinstance(experiment, str) else ""

        def resolve() -> list[str]:
            directory = self._directory(data_directory, name)
            limit = self._parts.settings.max_files
            return FileResolver(directory, name, self._parts.find_files, limit).resolved(files)

        return await asyncio.to_thread(resolve)

    def _directory(self, data_directory: str, experiment: str) -> Path | None:
        """Where relative paths belong: ``dataDir``, else the data directory of the experiment, if there is one."""
        if Path(data_directory).is_absolute():
            return Path(data_directory)
        try:
            base = self._parts.experiments.places(experiment).data_directory if experiment else None
        except ObjectNotFound:
            base = None
        return base / data_directory if base is not None else None

    async def _stage(self, key: str, stage: Document) -> None:
        self._record.enter_stage(key)
        files = await self._stage_files(stage)
        rounds = self._rounds(key, stage, files)
        if not rounds:
            self._record.skip_stage(key)
            return
        period_s = number(stage.get("repeatPeriod"))
        period_s = _DEFAULT_REPEAT_PERIOD_S if period_s is None else period_s
        most = number(stage.get("maxRepeats"))
        runs, delay_s = 0, 0.0
        while True:
            await self._run_once(key, stage, rounds, delay_s)
            runs += 1
            if not self._goes_on(key, stage, rounds[0]):
                return
            if most is not None and runs >= most:
                self._no_more_repeats(key, stage, runs)
                return
            delay_s = period_s

    async def _stage_files(self, stage: Document) -> list[str]:
        variables = self._variables(stage, {})
        texts = {key: substituted(text, variables) for key, text in stage.items() if isinstance(text, str)}
        own = input_files({**stage, **texts})
        if not own.is_given:
            return self._files
        return await self._resolved(own, texts.get("dataDir") or str(self._record.document.get("dataDir") or ""))

    def _rounds(self, key: str, stage: Document, files: list[str]) -> list[dict[str, str]]:
        """Variables of each command of one run: one for each file if the command names it, and only where ``runIf``."""
        if uses(stage["command"], "filePath") and files:
            rounds = [{"filePath": path} for path in files]
        else:
            rounds = [{"filePath": path} for path in files[:1]] or [{}]
        condition = stage.get("runIf")
        if not condition:
            return rounds
        return [extra for extra in rounds if self._is_true(key, stage, "runIf", extra)]

    async def _run_once(self, key: str, stage: Document, rounds: list[dict[str, str]], delay_s: float) -> None:
        """Queue the commands of one run, start them after the delay, and end when all have (``§6.5``, repeat rule)."""
        directory = stage.get("workingDir")
        waiting: list[int] = []
        for count, extra in enumerate(rounds):
            if count % _ROUNDS_AT_ONCE == 0:
                await asyncio.sleep(0)  # thousands of files must not hold up the event loop
            variables = self._variables(stage, extra)
            command = substituted_command(stage["command"], variables)
            place = substituted(directory, variables) if directory else None
            waiting.append(self._record.add_child(key, command, place))
        if delay_s:
            await asyncio.sleep(delay_s)
        parallel = truth(stage.get("parallelExec")) is not False
        await self._commands.run(waiting, parallel, lambda text: self._take_variables(key, stage, text))

    async def _take_variables(self, key: str, stage: Document, text: str) -> None:
        """Read the output variables of a command that succeeded; raises `JobFailed`."""
        patterns: list[str] = [*(stage.get("outputVariableRegexList") or ())]
        if stage.get("execOutFormat"):
            patterns.append(format_pattern(stage["execOutFormat"]))
        if not patterns:
            return
        try:
            variables = await self._parts.regexes.variables(patterns, text)
        except RegexError as error:
            raise JobFailed(f"Stage {key}: outputVariableRegexList: {error}") from None
        for name in variables:
            if name in RESERVED_KEYS:
                raise JobFailed(f"Stage {key}: an output variable cannot be called {name!r}, a key of the job itself.")
        self._record.set_variables(variables)

    def _goes_on(self, key: str, stage: Document, extra: Mapping[str, str]) -> bool:
        """Whether the stage repeats, its last run being a success."""
        if stage.get("repeatUntil"):
            return not self._is_true(key, stage, "repeatUntil", extra)
        return stage.get("repeatPeriod") is not None or stage.get("maxRepeats") is not None

    def _no_more_repeats(self, key: str, stage: Document, runs: int) -> None:
        """The limit is reached: the stage fails if it waited for something, else it is done (assumed)."""
        until = stage.get("repeatUntil")
        if until:
            raise JobFailed(f"Stage {key}: repeatUntil {until!r} was not true after {runs} runs (maxRepeats).")

    def _is_true(self, key: str, stage: Document, name: str, extra: Mapping[str, str]) -> bool:
        try:
            return is_true(stage[name], self._variables(stage, extra))
        except ExpressionError as error:
            raise JobFailed(f"Stage {key}: {name}: {error}.") from None

    def _variables(self, stage: Document, extra: Mapping[str, str]) -> dict[str, object]:
        """What ``$name`` means: the stage's file and directories, else a key of the job, else what is filled in."""
        job = self._record.document
        variables: dict[str, object] = {"username": job["owner"], "execHost": socket.gethostname(), **job}
        for key in ("workingDir", "dataDir"):
            if stage.get(key):
                variables[key] = substituted(stage[key], variables)
        return {**variables, **extra}
