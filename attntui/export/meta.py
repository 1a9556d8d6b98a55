"""Where the numbers of a file come from and how far to trust them, in a form that JSON knows."""

import msgspec

import attntui
from attntui.core.edit_names import cut_name, head_name
from attntui.core.protocol import Chosen, Gradient, Hidden, Lens, Relevance, Rollout
from attntui.core.tokens import whole_text
from attntui.export.matrices import NAMES, Numbers
from attntui.export.source import Source


def describe_source(source: Source, numbers: Numbers, hidden: Hidden | None) -> dict[str, object]:
    """The entry `meta`. `hidden` is what the reading hides, None where it hides nothing."""
    model, run, tower = source.model, source.run, numbers.tower
    views = [matrix.view for section in numbers.sections for matrix in section.matrices]
    rollout = next((view for view in views if isinstance(view, Rollout)), None)
    mean_of = next((view.heads for view in views if isinstance(view, Chosen)), None)
    lens = next((view for view in views if isinstance(view, Lens)), None)
    target = lens.target if isinstance(lens, Gradient | Relevance) else None
    return {
        "attntui": attntui.__version__,
        "model": whole_text(model.name),
        "revision": model.revision,
        "architecture": model.architecture,
        "dtype": model.dtype,
        "device": model.device,
        "capture": model.capture,
        "attention": tower.stack.name,
        "learned_sink": tower.stack.learned_sink,
        "trust": _plain(run.trust),
        "prompt": _plain(source.prompt),
        "ablated": [head_name(head) for head in source.edits.ablated],
        "ablated_with": source.edits.ablate_with if source.edits.ablated else None,
        "cut": [cut_name(cut) for cut in source.edits.cuts],
        "generated": _generated(source),
        "truncated": run.truncated,
        "words": numbers.reading.words,
        "sinks": numbers.reading.sinks,
        "between": numbers.reading.between,
        "hidden_keys": None if hidden is None else sorted({*hidden.special, *hidden.sinks}),
        "statistics_on": numbers.statistics,
        "rollout": None if rollout is None else _plain(rollout),
        "mean_of": mean_of,
        "lens": None if lens is None else NAMES[type(lens)],
        "target": None if target is None else _plain(target),
        "notes": [*source.remarks, *tower.remarks],
    }


def _generated(source: Source) -> dict[str, object] | None:
    """The tokens that the model added, how they were chosen, and how likely each was to it."""
    found = source.run.generated
    if found is None:
        return None
    added = source.run.sides[-1].tokens[found.first :]
    return {
        "first": found.first,
        "token_ids": [token.id for token in added],
        "tokens": [token.text for token in added],
        "probabilities": list(found.probabilities),
        **({} if source.sampling is None else _plain(source.sampling)),
    }


def _plain(value: msgspec.Struct) -> dict[str, object]:
    """A struct's fields as JSON knows them: NaN, which it does not know, becomes null."""
    fields: dict[str, object] = msgspec.json.decode(msgspec.json.encode(value))
    return {name: field for name, field in fields.items() if name not in ("type", "stack")}
