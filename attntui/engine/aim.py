"""Which logit a user means, by words."""

from attntui.core.errors import UserError
from attntui.core.protocol import GetTarget, Target, Targeted
from attntui.core.tokens import sanitise
from attntui.engine.again import Again
from attntui.engine.late_logits import logits_at
from attntui.engine.model import has_decoder
from attntui.engine.predict import named
from attntui.engine.questions import class_of, tokens_of


def aim(again: Again, request: GetTarget) -> Targeted:
    """The answer that `GetTarget` describes.

    Raises:
        UserError: there is no such position or output, or a text is not one token.
    """
    position = _position(again, request.position)
    again.check(Target(position, 0))
    assert again.logits is not None
    if request.token is None:
        row = logits_at(again.logits, position)
        token = int(row.argmax())
    else:
        token = _output(again, request.token)
    foil = None if request.foil is None else _output(again, request.foil)
    target = Target(position, token, foil)
    again.check(target)
    texts = named(again.loaded, [token] if foil is None else [token, foil])
    return Targeted(request.run, target, *texts)


def _position(again: Again, position: int | None) -> int:
    tokens = [token.id for token in again.encoded.sides[-1].tokens]
    if position is not None:
        return position + len(tokens) if position < 0 else position
    mask = again.loaded.tokenizer.mask_token_id
    return tokens.index(mask) if mask is not None and mask in tokens else len(tokens) - 1


def _output(again: Again, named: int | str) -> int:
    if isinstance(named, int):
        return named
    if again.loaded.predicts == "classes":
        return class_of(again.loaded, named)
    found = tokens_of(again.loaded, named, target=has_decoder(again.loaded.model))
    if len(found) != 1:
        raise UserError(
            f"The target {sanitise(repr(named))} is {len(found)} tokens: name one token, with the"
            " space before it where it begins a word, or an output's number."
        )
    return found[0].id
