"""Whether two models say things that can stand beside each other."""

from attntui.engine.model import LoadedModel


def same_outputs(one: LoadedModel, other: LoadedModel) -> bool:
    """Whether an output of one is the output of that number of the other, said of the same place.

    A masked model's output at a token is of that token, a causal one's of the next.
    """
    if one is other:
        return True
    return one.predicts == other.predicts and _outputs(one) == _outputs(other)


def _outputs(loaded: LoadedModel) -> dict[str, int]:
    """The numbers of outputs by their texts, asked of the tokenizer once: it takes its time."""
    if loaded.outputs is None:
        if loaded.predicts == "classes":
            labels = getattr(loaded.model.config, "id2label", None) or {}
            loaded.outputs = {str(name): int(number) for number, name in labels.items()}
        else:
            loaded.outputs = loaded.tokenizer.get_vocab()
    return loaded.outputs
