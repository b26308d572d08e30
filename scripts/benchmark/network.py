"""How long the messages of a training step take on a network: a model with a latency and a bandwidth."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from scripts.benchmark.messages import BACKWARD, CONTROL, FORWARD, GRADIENTS, SUMS, Message

BACKWARD_FRACTION = 0.5
"""Fraction of the computing time of a step in which gradients can travel while further ones are computed."""


class Network(Protocol):
    """Anything that says how many seconds a message takes among `gpus` processes."""

    def seconds(self, message: Message, gpus: int) -> float: ...


@dataclass(frozen=True)
class Cluster:
    """GPUs in nodes, with NCCL.

    An all_gather is a ring: `gpus` - 1 steps in a row. An all_reduce is two passes of a ring, or of a tree over the
    nodes with a chain in each, whichever has the smaller latency. Bytes flow as in a ring in both.

    Attributes:
        gpus_per_node: GPUs that are joined by the faster links.
        latency, node_latency: seconds of a step between nodes, and within one.
        bandwidth, node_bandwidth: bytes a second out of a node, and out of a GPU within a node.
        overhead: seconds of each message besides: launching its kernel, and the small ones before and after it.
    """

    gpus_per_node: int
    latency: float
    bandwidth: float
    node_latency: float
    node_bandwidth: float
    overhead: float

    def seconds(self, message: Message, gpus: int) -> float:
        """Seconds of a message among `gpus` GPUs."""
        if gpus == 1:
            return 0.0
        nodes = math.ceil(gpus / self.gpus_per_node)
        bandwidth = self.node_bandwidth if nodes == 1 else min(self.bandwidth, self.node_bandwidth)
        ring = (nodes - 1) * self.latency + (gpus - nodes) * self.node_latency
        if message.kind == "all_gather":
            return self.overhead + ring + (gpus - 1) * message.size / bandwidth
        tree = math.ceil(math.log2(nodes)) * self.latency + (min(gpus, self.gpus_per_node) - 1) * self.node_latency
        return self.overhead + 2 * min(ring, tree) + 2 * (gpus - 1) / gpus * message.size / bandwidth


@dataclass(frozen=True)
class Gloo:
    """Processes on CPUs whose links are slowed, with gloo.

    Both operations are rings. Every step of one takes a round trip: the sender waits until the receiver is ready. A
    single number has no second half of the ring.

    Attributes:
        latency: seconds one way.
        bandwidth: bytes a second out of a process.
    """

    latency: float
    bandwidth: float

    def seconds(self, message: Message, gpus: int) -> float:
        """Seconds of a message among `gpus` processes."""
        steps, sent = gpus - 1, (gpus - 1) * message.size
        if message.kind == "all_reduce":
            steps, sent = steps * (1 if message.size <= 8 else 2), 2 * sent / gpus
        return 2 * steps * self.latency + sent / self.bandwidth


@dataclass(frozen=True)
class Step:
    """The seconds of a predicted step.

    Attributes:
        compute: of one GPU alone.
        statistics: of synchronized norms. Everything waits for them.
        gradients: those that are not hidden by the backward pass.
        others: control messages and sums.
    """

    compute: float
    statistics: float
    gradients: float
    others: float

    @property
    def total(self) -> float:
        return self.compute + self.statistics + self.gradients + self.others

    @property
    def efficiency(self) -> float:
        """Images per second and GPU, as a fraction of those of one GPU alone."""
        return self.compute / self.total

    @property
    def binds(self) -> str:
        """What takes the most time after computing."""
        parts = {"statistics": self.statistics, "gradients": self.gradients, "control": self.others}
        largest = max(parts, key=lambda name: parts[name])
        return largest if self.efficiency < 0.99 else "nothing"


def predict_step(messages: Sequence[Message], compute: float, network: Network, gpus: int) -> Step:
    """The step that takes `compute` seconds in one process, among `gpus` that exchange `messages`.

    DDP sends gradients during the backward pass, in buckets. The last bucket of a player is complete only at its end,
    so it is never hidden; the others are, as far as the backward pass takes as long as they do, waiting included.
    """

    def seconds(*purposes: str, player: str | None = None) -> float:
        chosen = (m for m in messages if m.purpose in purposes and player in (None, m.player))
        return sum(network.seconds(message, gpus) for message in chosen)

    gradients: dict[str, list[float]] = {}
    for message in messages:
        if message.purpose == GRADIENTS:
            gradients.setdefault(message.player, []).append(network.seconds(message, gpus))
    exposed = 0.0
    for player, buckets in gradients.items():
        hidden = BACKWARD_FRACTION * compute / len(gradients) + seconds(BACKWARD, player=player)
        exposed += buckets[-1] + max(0.0, sum(buckets[:-1]) - hidden)
    return Step(compute, seconds(FORWARD, BACKWARD), exposed, seconds(CONTROL, SUMS))


def message_table(messages: Iterable[Message]) -> list[str]:
    """Markdown: number and bytes of the messages of a step, by player and purpose."""
    groups: dict[tuple[str, str, str], list[int]] = {}
    for message in messages:
        groups.setdefault((message.player or "after the step", message.purpose, message.kind), []).append(message.size)
    lines = ["| player | purpose | operation | messages | bytes |", "|---|---|---|---|---|"]
    lines += [f"| {' | '.join(key)} | {len(sizes)} | {sum(sizes):,} |" for key, sizes in groups.items()]
    total = [size for sizes in groups.values() for size in sizes]
    return [*lines, f"| all | | | {len(total)} | {sum(total):,} |"]


def scaling_table(steps: Mapping[str, Step], images: Mapping[str, float]) -> list[str]:
    """Markdown: a row for each predicted step.

    Args:
        images: of the step of a row, over all GPUs.
    """
    lines = [
        "| | step, ms | images/s | efficiency | statistics, ms | gradients not hidden, ms | control, ms | what binds |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, step in steps.items():
        parts = " | ".join(f"{1000 * part:.1f}" for part in (step.statistics, step.gradients, step.others))
        lines.append(
            f"| {name} | {1000 * step.total:.1f} | {images[name] / step.total:.4g} | {step.efficiency:.0%} | {parts} "
            f"| {step.binds} |"
        )
    return lines
