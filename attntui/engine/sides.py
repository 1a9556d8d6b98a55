"""A side of a run as the protocol tells it: its tokens as text, and the words they make."""

from collections.abc import Sequence
from itertools import pairwise

from transformers.tokenization_utils_base import PreTrainedTokenizerBase

from attntui.core.protocol import Side, SideInfo, Token
from attntui.engine.pieces import from_bytes, special_ids, spelled
from attntui.engine.tokenising import Piece
from attntui.engine.words import words


def side(tokenizer: PreTrainedTokenizerBase, name: Side, pieces: Sequence[Piece]) -> SideInfo:
    """The tokens and words of one side."""
    special = special_ids(tokenizer)
    data = spelled(tokenizer, [piece.id for piece in pieces])
    tokens = tuple(
        Token(
            id=piece.id,
            text=from_bytes(each),
            special=piece.id in special and not _is_text(tokenizer, piece),
            start=piece.start if piece.part >= 0 else -1,
            end=piece.end if piece.part >= 0 else -1,
            part=piece.part,
            role=piece.role,
            gap=gap,
        )
        for piece, each, gap in zip(pieces, data, _gaps(pieces), strict=True)
    )
    return SideInfo(name, tokens, words(pieces, tokens, data))


def _gaps(pieces: Sequence[Piece]) -> list[str]:
    """The white space between each token and the one before, where offsets leave some out."""
    gaps = [""] * len(pieces)
    for at, (before, piece) in enumerate(pairwise(pieces), 1):
        apart = 0 <= before.end < piece.start
        if apart and before.source == piece.source and before.part == piece.part:
            between = piece.source[before.end : piece.start]
            gaps[at] = "".join(filter(str.isspace, between))
    return gaps


def _is_text(tokenizer: PreTrainedTokenizerBase, piece: Piece) -> bool:
    """Whether a token is [UNK] or its like in place of some text, and so no sign."""
    typed = piece.source[piece.start : piece.end].strip()
    return piece.id == tokenizer.unk_token_id and piece.part >= 0 and typed != tokenizer.unk_token
