"""What a gateway is seen to use during a soak, and what follows from it."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field

import psutil
from figures import Figure, at_most, plain, quantile
from gateway_process import GatewayProcess
from gateway_resources import held_by

P99_MOST_MS = 50.0
RSS_MOST_PERCENT = 2.0
STALLED_MOST_MB = 10.0
P99_SAME = 1.25
P99_SAME_MS = 2.0
"""The others' p99 counts as unchanged within this factor, or this much."""


@dataclass(frozen=True)
class Sample:
    """One look at the gateway; ``at_s`` since the start of the soak."""

    at_s: float
    rss_mb: float
    fds: int
    threads: int
    tasks: int
    native: int
    localdm_rss_mb: float
    cpu_s: float


def sample(gateway: GatewayProcess, at_s: float) -> Sample:
    """Look now; tasks and native objects by SIGUSR1."""
    process, held = psutil.Process(gateway.process.pid), held_by(gateway)
    return Sample(
        at_s=round(at_s, 1),
        rss_mb=round(process.memory_info().rss / 2**20, 2),
        fds=process.num_fds(),
        threads=process.num_threads(),
        tasks=sum(held.tasks.values()),
        native=sum(held.native.values()),
        localdm_rss_mb=round(gateway.localdm().memory_info().rss / 2**20, 2),
        cpu_s=round(sum(process.cpu_times()[:2]), 2),
    )


@dataclass
class Phase:
    """A stretch of work and the quiet after it.

    ``gets_s`` are times of gets while work goes on, ``gets_then_s`` while all clients get all their PVs to compare; ``events``
    those of all clients since the start.
    """

    number: int
    name: str
    samples: list[Sample] = field(default_factory=list[Sample])
    gets_s: list[float] = field(default_factory=list[float])
    gets_then_s: list[float] = field(default_factory=list[float])
    checked: int = 0
    lost: list[str] = field(default_factory=list[str])
    events: int = 0

    @property
    def rss_mb(self) -> float:
        """Median of its samples."""
        return statistics.median(one.rss_mb for one in self.samples)

    def line(self) -> str:
        """Progress, for people."""
        last = self.samples[-1]
        return (
            f"{self.number:3} {self.name:12} RSS {self.rss_mb:.1f} MB, fds {last.fds}, threads {last.threads},"
            f" tasks {last.tasks}, native {last.native}; p99 of {len(self.gets_s)} gets {p99_ms([self]):.1f} ms;"
            f" {len(self.lost)} of {self.checked} newest values lost; {self.events} events"
        )

    def as_json(self) -> dict[str, object]:
        """Without every single get."""
        found = asdict(self)
        del found["gets_s"], found["gets_then_s"]
        return {**found, "gets": len(self.gets_s), "p99_ms": p99_ms([self])}


def p99_ms(phases: Sequence[Phase]) -> float:
    """Of all gets while work went on."""
    return 1e3 * quantile([seconds for phase in phases for seconds in phase.gets_s], 0.99)


WARM_UP, SOAK, STALLED_CA, STALLED_BOTH, AFTER = "warm-up", "", "stalled CA", "stalled both", "after"
"""Phases: the first minutes; those that count; with one stalled client of Channel Access, then one of PVAccess too; without."""


def soak_figures(phases: Sequence[Phase], unanswered: int) -> list[Figure]:
    """What the phases show; bars as in issue D."""
    named = {
        name: [phase for phase in phases if phase.name == name] for name in dict.fromkeys(one.name for one in phases)
    }
    counted = named[SOAK]
    first, last = counted[0], counted[-1]
    growth = 100 * (last.rss_mb - first.rss_mb) / first.rss_mb
    lost = sum(len(phase.lost) for phase in phases)
    then_ms = 1e3 * quantile([seconds for phase in counted for seconds in phase.gets_then_s], 0.99)
    worked = (first.samples[0], last.samples[-1])
    cpu = 100 * (worked[1].cpu_s - worked[0].cpu_s) / (worked[1].at_s - worked[0].at_s)
    return [
        at_most("soak", "newest values lost", lost, "", 0, f"of {sum(phase.checked for phase in phases)} looked at"),
        plain("soak", "events delivered", phases[-1].events, ""),
        at_most("soak", "RSS growth", growth, "%", RSS_MOST_PERCENT, f"{first.rss_mb:.1f} -> {last.rss_mb:.1f} MB"),
        at_most(
            "soak",
            "p99 of a CA get",
            p99_ms(counted),
            "ms",
            P99_MOST_MS,
            f"{sum(len(one.gets_s) for one in counted)} gets",
        ),
        plain("soak", "p99 while all get all", then_ms, "ms", "to compare, 4,400 gets at once"),
        plain("soak", "CPU of the gateway", cpu, "%", "of a core"),
        at_most("soak", "commands not answered", unanswered, "", 0),
        *_counts(first.samples[-1], last.samples[-1]),
        *_stalled_figures(counted, named),
    ]


def _counts(first: Sample, last: Sample) -> list[Figure]:
    """What is held when all is quiet, at the beginning and at the end."""
    return [
        plain("soak", name, getattr(last, name), "", f"{getattr(first, name)} after the warm-up")
        for name in ("fds", "threads", "tasks", "native")
    ]


def _stalled_figures(counted: Sequence[Phase], named: Mapping[str, Sequence[Phase]]) -> list[Figure]:
    """What each stalled client costs: most memory while it is there, above the phase before; and what the others see."""
    before_mb = counted[-1].rss_mb
    figures = list[Figure]()
    for name, what in ((STALLED_CA, "CA"), (STALLED_BOTH, "PVA")):
        most_mb = max(one.rss_mb for phase in named[name] for one in phase.samples)
        note = "it monitors every PV"
        figures.append(at_most("soak", f"stalled {what} client", most_mb - before_mb, "MB", STALLED_MOST_MB, note))
        before_mb = most_mb
    # As many phases just before, so that both see the same state.
    stalled = [*named[STALLED_CA], *named[STALLED_BOTH]]
    with_ms, usual_ms = p99_ms(stalled), p99_ms(counted[-len(stalled) :])
    holds = with_ms <= max(P99_SAME * usual_ms, usual_ms + P99_SAME_MS)
    bar = f"<= {P99_SAME:.2f} x or + {P99_SAME_MS:g} ms"
    ratio = with_ms / usual_ms
    return [
        *figures,
        Figure("soak", "p99 with stalled clients", with_ms, "ms", usual_ms, ratio, bar, holds, "before them"),
        plain("soak", "RSS at the end", named[AFTER][-1].rss_mb, "MB", "stalled clients have gone"),
    ]
