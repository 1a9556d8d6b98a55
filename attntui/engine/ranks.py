"""Several processes with one model between them, started by torchrun: a group of ranks.

transformers splits a model over processes: each layer's heads (tensor parallel) or whole layers
(pipeline parallel). These wait for each other inside the model, so every rank carries out every
request, in the same order. What a rank knows of itself alone, such as its free memory or a missing
file, is agreed on before anything depends on it. What ranks tell each other here goes over a gloo
group of its own, beside the model's.

Without a group, a process agrees with itself.
"""

import os
import platform
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Literal, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn

from attntui.core.errors import UserError
from attntui.engine.model import Cancelled

Parallel = Literal["tensor", "pipeline"]
Answer = TypeVar("Answer")

PATIENCE = timedelta(days=365)
"""How long a rank waits for the next request; one that has died ends the wait at once."""
DTYPES = (torch.float32, torch.float64, torch.int64, torch.uint8)
"""Of what is shared."""
MOST_DIMENSIONS = 4


@dataclass(eq=False)
class Group:
    """This process among all that hold the model."""

    rank: int
    size: int
    parallel: Parallel
    _talk: Any
    """The gloo group."""
    peers: list[tuple[str, int]] = field(default_factory=list)
    """Machine and process of each rank."""
    apart: bool = False
    """Whether ranks are at work by themselves, and meet afterwards."""
    inside: int = 0
    """Forwards of a pipeline that have begun and not ended."""

    def share(self, owner: int, tensor: Tensor | None) -> Tensor:
        """The owner's tensor on the CPU of every rank; the others give None."""
        header = torch.zeros(2 + MOST_DIMENSIONS, dtype=torch.int64)
        if tensor is not None:
            tensor = tensor.detach().cpu().contiguous()
            facts = [DTYPES.index(tensor.dtype), tensor.ndim, *tensor.shape]
            header[: len(facts)] = torch.tensor(facts)
        dist.broadcast(header, owner, group=self._talk)
        kind, dimensions, *shape = header.tolist()
        if tensor is None:
            tensor = torch.empty(shape[:dimensions], dtype=DTYPES[kind])
        if tensor.numel():
            dist.broadcast(tensor, owner, group=self._talk)
        return tensor

    def every(self, fact: Answer) -> list[Answer]:
        """What each rank says, by rank."""
        facts: list[Any] = [None] * self.size
        dist.all_gather_object(facts, fact, group=self._talk)
        return facts

    def from_first(self, fact: Any) -> Any:
        """What rank 0 says."""
        facts = [fact]
        dist.broadcast_object_list(facts, 0, group=self._talk)
        return facts[0]

    @contextmanager
    def alone(self) -> Iterator[None]:
        """In this block, the ranks work by themselves."""
        self.apart = True
        try:
            yield
        finally:
            self.apart = False

    def watch(self, model: nn.Module) -> None:
        """Know when a pipeline's forward runs: there, ranks have nothing to say to each other, as a
        stage waits for the one before. One that ends by an exception counts as running for good."""
        if self.parallel == "pipeline":
            model.register_forward_pre_hook(lambda *_: self._count(1))
            model.register_forward_hook(lambda *_: self._count(-1))

    def _count(self, more: int) -> None:
        self.inside += more

    def settle(self, done: bool) -> None:
        """At the end of a request: see that all ranks came to the same one.

        Raises:
            RuntimeError: they did not, or one is still waiting inside the model.
        """
        if self.inside:
            raise RuntimeError("a stage of the pipeline was broken off")
        if len(set(self.every(done))) > 1:
            raise RuntimeError("the ranks did not come to the same end")


_group: Group | None = None


def group() -> Group | None:
    """The group that this process is of; None: it holds the model alone."""
    return _group


def count() -> int:
    """How many processes have the model between them."""
    return 1 if _group is None else _group.size


def join(parallel: Parallel) -> Group:
    """Meet the other ranks, as torchrun's environment says where."""
    global _group
    backend = "gloo"
    if torch.cuda.is_available():
        torch.cuda.set_device(local_rank() % torch.cuda.device_count())
        backend = "cpu:gloo,cuda:nccl"
    dist.init_process_group(backend, timeout=PATIENCE)
    talk = dist.new_group(backend="gloo", timeout=PATIENCE)
    _group = Group(dist.get_rank(), dist.get_world_size(), parallel, talk)
    _group.peers = _group.every((platform.node(), os.getpid()))
    return _group


def local_rank() -> int:
    """This process's number among those of the group on its machine."""
    return int(os.environ.get("LOCAL_RANK", "0"))


def agreed(work: Callable[[], Answer]) -> Answer:
    """What `work` gives, which every rank does by itself; where one cannot, none goes on.

    Raises:
        UserError, Cancelled: as `work`, or another rank's does.
    """
    if _group is None:
        return work()
    answers: list[Answer] = []
    error: UserError | Cancelled | None = None
    with _group.alone():
        try:
            answers.append(work())
        except (UserError, Cancelled) as found:
            error = found
    troubles = _group.every(None if error is None else (type(error), str(error)))
    if error is not None:
        raise error
    for rank, trouble in enumerate(troubles):
        if trouble is not None:
            kind, words = trouble
            raise kind(f"Rank {rank} on {_group.peers[rank][0]}: {words}")
    return answers[0]


def farewell() -> str:
    """One sentence on why the group ends."""
    if _group is None:
        return "The engine was told to end before its ranks had met."
    here, size = platform.node(), _group.size
    for rank, (machine, process) in enumerate(_group.peers):
        if machine == here and not _lives(process):
            return f"Rank {rank} of the engine's {size} has ended, and so the others do."
    return f"The engine's {size} ranks were told to end."


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def pooled(facts: list[Answer]) -> list[Answer]:
    """Facts of all ranks, of rank 0 first."""
    if _group is None:
        return facts
    return [fact for some in _group.every(facts) for fact in some]


def of_first(fact: Answer) -> Answer:
    """What rank 0 says in the place of a fact."""
    found: Answer = fact if _group is None else _group.from_first(fact)
    return found


def in_stages() -> bool:
    """Whether this process holds a stage of a pipeline."""
    return _group is not None and _group.parallel == "pipeline"


def check_whole(what: str) -> None:
    """
    Raises:
        UserError: stages of a pipeline hold the model's layers.
    """
    if in_stages():
        raise UserError(f"{what} needs all layers in one process: use --parallel tensor.")
