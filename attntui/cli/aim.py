"""The lens that was ordered, once there is a run to look at."""

from attntui.cli.lens import LensOrder
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
    request = GetTarget(source.run.run, order.position, order.token, order.foil)
    found, _ = await ask(source.engine, request, Targeted, progress)
    if order.name == "gradient":
        return Gradient("self", 0, None, found.target), found
    return Relevance("self", found.target), found
