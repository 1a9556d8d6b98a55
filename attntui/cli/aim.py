"""The lens that was ordered, once there is a run to look at."""

from attntui.cli.lens import Aim, LensOrder
from attntui.client.questions import OnProgress, ask
from attntui.core.protocol import Flow, GetTarget, Gradient, Lens, Norm, Relevance, Targeted
from attntui.export.source import Source


async def aimed(
    order: LensOrder, source: Source, progress: OnProgress
) -> tuple[Lens, Targeted | None]:
    """The lens, of some stack, layer and head, and what its target is called.

    Raises:
        UserError: there is no such logit.
    """
    if order.name == "norm":
        return Norm("self", 0), None
    if order.name == "flow":
        return Flow("self"), None
    found = await targeted(order.aim, source, progress)
    if order.name == "gradient":
        return Gradient("self", 0, None, found.target), found
    return Relevance("self", found.target), found


async def targeted(aim: Aim, source: Source, progress: OnProgress) -> Targeted:
    """The logit that is meant, and the texts of its outputs.

    Raises:
        UserError: there is no such logit.
    """
    request = GetTarget(source.run.run, aim.position, aim.token, aim.foil)
    return (await ask(source.engine, request, Targeted, progress))[0]
