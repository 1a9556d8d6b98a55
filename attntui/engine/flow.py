"""Attention flow (Abnar & Zuidema 2020, arXiv 2005.00928, section 3).

Each row is as many largest flows as there are tokens, through a network of layers x tokens nodes.
All of a row are found together, by pushing what a node holds along edges that lead nearer to the
sink (Goldberg & Tarjan 1988, with exact distances), a whole layer at a time.
"""

import torch
from torch import Tensor

from attntui.core.errors import UserError
from attntui.core.protocol import SIDES, Flow
from attntui.engine.forward import CheckCancel, never
from attntui.engine.rollout import fuse
from attntui.engine.stacks import Tower

MOST_TOKENS = 40
"""The work grows with their fourth power: a minute for 40 through 12 causal layers on two busy
cores, more where every token sees every other."""
NOTHING = 1e-12
"""Less than this, of a capacity of 1, is rounding."""
FAR = 1 << 20
"""The distance of a node from which nothing reaches the sink."""


def capacities(tower: Tower, view: Flow, check_cancel: CheckCancel = never) -> Tensor:
    """(layers, queries, keys) float64 on the CPU, the first layer first.

    Raises:
        UserError: queries and keys are different tokens, there are too many, or the residual is
            out of its range.
    """
    if SIDES[tower.name][0] != SIDES[tower.name][1]:
        raise UserError("flow needs queries and keys of the same tokens; cross-attention has not.")
    if tower.shape[0] > MOST_TOKENS:
        raise UserError(
            f"flow needs a largest flow for every pair of tokens: it is for {MOST_TOKENS} tokens at"
            f" most, and here are {tower.shape[0]}; rollout is for longer ones."
        )
    tower.check_recorded("Flow")
    if not 0 <= view.residual <= 1:
        raise UserError(f"the residual must be between 0 and 1, not {view.residual:g}.")
    steps = []
    for layer in tower.present:
        step = fuse(layer, "mean", check_cancel).double().cpu()
        step /= step.sum(-1, keepdim=True).clamp_min(torch.finfo(step.dtype).tiny)
        steps.append((1 - view.residual) * step + view.residual * torch.eye(len(step)))
    return torch.stack(steps)


def flow_row(capacities: Tensor, query: int, check_cancel: CheckCancel = never) -> Tensor:
    """(keys) float32: what can flow from a query at the top to each key, divided by its sum."""
    seen = _reachable(capacities, query)
    network = _Network(capacities[:, seen][:, :, seen], int(seen[:query].sum()))
    while network.active():
        check_cancel()
        network.push()
    flows = torch.zeros(len(seen))
    flows[seen] = (network.arrived / network.arrived.sum()).float()
    return flows


def _reachable(capacities: Tensor, query: int) -> Tensor:
    """(tokens) bool: those on any way down from the query."""
    reached = torch.zeros(capacities.shape[1], dtype=torch.bool)
    reached[query] = True
    for capacity in capacities.flip(0):
        reached = reached | (capacity[reached] > NOTHING).any(0)
    return reached


class _Network:
    """As many copies of the layered graph as it has sinks: token b at the bottom of copy b.

    A copy is put away when nothing in it can reach its sink any more.
    """

    def __init__(self, capacities: Tensor, source: int) -> None:
        layers, tokens, _ = capacities.shape
        self.arrived = torch.zeros(tokens, dtype=torch.float64)
        self._sinks = torch.arange(tokens)
        self._down = capacities.repeat(tokens, 1, 1, 1)
        """(copies, layers, upper, lower): what an edge can take yet."""
        self._up = torch.zeros_like(self._down)
        """What it carries, and may give back."""
        self._held = torch.zeros(tokens, layers + 1, tokens, dtype=torch.float64)
        self._held[:, layers, source] = 1  # a row of capacities sums to 1
        self._distance = torch.empty(0)

    def active(self) -> bool:
        """Whether anything can still reach its sink; measures how far each node is from it."""
        self._measure()
        copies = torch.arange(len(self._sinks))
        self.arrived[self._sinks] = self._held[copies, 0, self._sinks]
        able = (self._held > NOTHING) & (self._distance < FAR)
        able[copies, 0, self._sinks] = False
        alive = able.flatten(1).any(1)
        for name in ("_sinks", "_down", "_up", "_held", "_distance"):
            setattr(self, name, getattr(self, name)[alive])
        return bool(alive.any())

    def _measure(self) -> None:
        """Edges to the sink from each node (copies, layers + 1, tokens)."""
        copies, layers = self._down.shape[:2]
        distance = torch.full(self._held.shape, FAR, dtype=torch.int32)
        distance[torch.arange(copies), 0, self._sinks] = 0
        down, up = self._down > NOTHING, self._up > NOTHING
        before = None
        while before is None or not torch.equal(before, distance):
            before = distance.clone()
            for at in range(layers):
                nearer = torch.where(down[:, at], distance[:, at, None, :] + 1, FAR).amin(-1)
                distance[:, at + 1] = torch.minimum(distance[:, at + 1], nearer)
            for at in reversed(range(layers)):
                nearer = torch.where(up[:, at], distance[:, at + 1, :, None] + 1, FAR).amin(-2)
                distance[:, at] = torch.minimum(distance[:, at], nearer)
        self._distance = distance

    def push(self) -> None:
        """Everything that is held goes on, down first."""
        layers = self._down.shape[1]
        for at in reversed(range(layers)):
            self._move(at, self._down, self._up, at + 1, at, -1)
        for at in range(layers):
            self._move(at, self._up, self._down, at, at + 1, -2)

    def _move(
        self, layer: int, edges: Tensor, back: Tensor, start: int, end: int, axis: int
    ) -> None:
        """Push what the nodes of a level hold over the edges that lead nearer to the sink.

        `axis`: that of `edges` along which a node's edges lie.
        """
        other = -3 - axis
        here = self._distance[:, start].unsqueeze(axis)
        there = self._distance[:, end].unsqueeze(other)
        room = torch.where((here == there + 1) & (here < FAR), edges[:, layer], 0)
        held = self._held[:, start].unsqueeze(axis)
        until = room.cumsum(axis)
        pushed = torch.minimum(until, held) - torch.minimum(until - room, held)
        edges[:, layer] -= pushed
        back[:, layer] += pushed
        self._held[:, start] -= pushed.sum(axis)
        self._held[:, end] += pushed.sum(other)
