"""The two tokenizers: byte-level BPE for the causal model, WordPiece for the masked one."""

import unicodedata
from collections.abc import Iterable
from itertools import chain

from tokenizers import (
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)
from transformers import PreTrainedTokenizerFast

from attntui.demo.corpus import TYPEWRITER

BOUNDARY = "<|endoftext|>"
SPECIALS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


def byte_level(texts: Iterable[str], size: int) -> PreTrainedTokenizerFast:
    """Lossless on any text. Every prompt begins with BOUNDARY, a place for heads to rest on."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.train_from_iterator(
        texts,
        trainers.BpeTrainer(
            vocab_size=size,
            special_tokens=[BOUNDARY],
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        ),
    )
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{BOUNDARY} $A",
        pair=f"{BOUNDARY} $A {BOUNDARY} $B",
        special_tokens=[(BOUNDARY, tokenizer.token_to_id(BOUNDARY))],
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=BOUNDARY,
        eos_token=BOUNDARY,
        model_max_length=1024,
        clean_up_tokenization_spaces=False,
    )


def word_piece(texts: Iterable[str], size: int) -> PreTrainedTokenizerFast:
    """Lower-cased English, and Japanese: a kanji is a token, a run of kana a word to be cut up.

    Accents stay: stripping them would take the voicing marks off kana (が to か).
    """
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    typewriter = [
        normalizers.Replace(chr(sign), plain) for sign, plain in TYPEWRITER.items() if plain
    ]
    tokenizer.normalizer = normalizers.Sequence(
        [*typewriter, normalizers.BertNormalizer(strip_accents=False)]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.train_from_iterator(
        texts,
        trainers.WordPieceTrainer(
            vocab_size=size, special_tokens=SPECIALS, limit_alphabet=10_000, show_progress=False
        ),
    )
    pieces = tokenizer.get_vocab()
    ordered = sorted(pieces, key=lambda piece: pieces[piece])
    complete = list(dict.fromkeys(chain(ordered, kanji(), kana_and_letters())))
    tokenizer.model = models.WordPiece(
        {piece: number for number, piece in enumerate(complete)}, unk_token="[UNK]"
    )
    tokenizer.decoder = decoders.WordPiece()
    cls, sep = (complete.index(name) for name in ("[CLS]", "[SEP]"))
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", sep), ("[CLS]", cls))
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        **{f"{name.strip('[]').lower()}_token": name for name in SPECIALS},
        model_max_length=512,
        model_input_names=["input_ids", "token_type_ids", "attention_mask"],
    )


def kanji() -> Iterable[str]:
    """JIS level 1: the 2,965 kanji of ordinary use, rows 16 to 47 of the code table."""
    for row in range(0xB0, 0xD0):
        for cell in range(0xA1, 0xFF):
            yield from bytes([row, cell]).decode("euc_jp", errors="ignore")


def kana_and_letters() -> Iterable[str]:
    """Every other sign of ordinary English and Japanese, at the start of a word and inside one."""
    latin, kana, full_width = range(0x21, 0x100), range(0x3001, 0x3100), range(0xFF01, 0xFF60)
    for sign in map(chr, chain(latin, kana, full_width)):
        if unicodedata.category(sign)[0] not in "CZ" and sign == sign.lower():
            yield sign
            yield f"##{sign}"
