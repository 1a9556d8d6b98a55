"""A side of a run as the protocol tells it: its tokens as text, and the words they make."""

from collections.abc import Sequence

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
        )
        for piece, each in zip(pieces, data, strict=True)
    )
    return SideInfo(name, tokens, words(pieces, tokens, data))


def _is_text(tokenizer: PreTrainedTokenizerBase, piece: Piece) -> bool:
    """Whether a token is [UNK] or its like in place of some text, and so no sign."""
    typed = piece.source[piece.start : piece.end].strip()
    return piece.id == tokenizer.unk_token_id and piece.part >= 0 and typed != tokenizer.unk_token
