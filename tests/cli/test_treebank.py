"""CoNLL-U: words as stretches of text, words as tokens, and what is no treebank."""

import sys
from pathlib import Path

import pytest

from attntui.cli.treebank import Relation, Sentence, read_treebank
from attntui.cli.word_tokens import placed
from attntui.core.errors import UserError
from attntui.core.protocol import Token
from tests.cli.treebanks import ENGLISH, JAPANESE, OTHER

FRENCH = """\
# sent_id = 1
# text = Il ne va pas du\u00a0tout, n'est-ce pas?
1\tIl\t_\t_\t_\t_\t3\tnsubj\t_\t_
2\tne\t_\t_\t_\t_\t3\tadvmod\t_\t_
3\tva\t_\t_\t_\t_\t0\troot\t_\t_
4\tpas\t_\t_\t_\t_\t3\tadvmod:neg\t_\t_
5-6\tdu\t_\t_\t_\t_\t_\t_\t_\t_
5\tde\t_\t_\t_\t_\t7\tcase\t_\t_
6\tle\t_\t_\t_\t_\t7\tdet\t_\t_
7\ttout\t_\t_\t_\t_\t3\tobl\t_\tSpaceAfter=No
7.1\tva\t_\t_\t_\t_\t_\t_\t3:conj\t_
8\t,\t_\t_\t_\t_\t10\tpunct\t_\t_
9-10\tn'est\t_\t_\t_\t_\t_\t_\t_\tSpaceAfter=No
9\tn'\t_\t_\t_\t_\t10\tadvmod\t_\t_
10\test\t_\t_\t_\t_\t3\tparataxis\t_\t_
11\t-ce\t_\t_\t_\t_\t10\tnsubj\t_\t_
12\tpas\t_\t_\t_\t_\t10\tadvmod\t_\tSpaceAfter=No
13\t?\t_\t_\t_\t_\t3\tpunct\t_\t_
"""


def read(folder: Path, content: str, subtypes: bool = False) -> list[Sentence]:
    (folder / "bank.conllu").write_text(content, "utf-8")
    return read_treebank(str(folder / "bank.conllu"), subtypes)


def test_words_stand_where_they_were_written(tmp_path: Path) -> None:
    written = (ENGLISH, OTHER, JAPANESE)
    content = "".join(each.lines for each in written)
    found = read(tmp_path, content)
    bare = read(tmp_path, "".join(f"{line}\n" for line in content.split("\n") if line[:1] != "#"))
    for sentence, spelled, each in zip(found, bare, written, strict=True):
        assert sentence.text == spelled.text == each.text
        assert list(sentence.words) == list(spelled.words) == each.spans
        assert sentence.relations == tuple(
            Relation(name.split(":")[0], at, head - 1)
            for at, (_, head, name) in enumerate(each.words)
            if head
        )


def test_multiword_tokens_and_empty_nodes(tmp_path: Path) -> None:
    (sentence,) = read(tmp_path, FRENCH)
    text = sentence.text
    forms = [None if span is None else text[slice(*span)] for span in sentence.words]
    assert forms == [
        *"Il ne va pas".split(),
        None,
        None,
        "tout",
        ",",
        "n'",
        "est",
        "-ce",
        "pas",
        "?",
    ]
    assert sentence.words[6] == (16, 20) and sentence.words[11] == (31, 34)
    assert Relation("advmod", 3, 2) in sentence.relations and len(sentence.relations) == 12
    (full,) = read(tmp_path, FRENCH, subtypes=True)
    assert Relation("advmod:neg", 3, 2) in full.relations


def tokens(text: str, *spans: tuple[int, int]) -> list[Token]:
    return [
        Token(at, text[first:end], start=first, end=end) for at, (first, end) in enumerate(spans)
    ]


def test_tokens_of_words() -> None:
    #       0123456789012345678
    text = "do n't  re-enter 吾輩は猫 x"
    words = ((0, 2), (3, 6), (8, 10), (10, 11), (11, 16), (17, 19), (19, 20), (20, 21), (22, 23))
    sentence = Sentence(text, words, ())
    found = placed(
        sentence,
        [
            Token(0, "[CLS]", special=True),
            Token(1, "do", start=0, end=2),
            Token(2, " n", start=2, end=4),
            Token(3, "'t", start=4, end=6),
            Token(4, "  ", start=6, end=8),
            Token(5, "re-", start=8, end=11),
            Token(6, "ent", start=11, end=14),
            Token(7, "er", start=14, end=16),
            Token(8, " ⟨E5⟩", start=16, end=18),  # two halves of a character
            Token(9, "⟨90⟩", start=17, end=18),
            Token(10, "輩", start=18, end=19),
            Token(11, "は猫", start=19, end=21),
            Token(12, "[SEP]", special=True),
        ],
    )
    assert found.words == (0, 1, 4, 5)
    assert found.tokens == ((1, 2), (2, 4), (6, 8), (8, 11))
    assert (found.straddled, found.missing) == (4, 1)


def test_a_token_of_words_that_are_no_stretch() -> None:
    sentence = Sentence("du tout", (None, None, (3, 7)), ())
    apart = placed(sentence, tokens("du tout", (0, 2), (3, 7)))
    assert (apart.words, apart.straddled, apart.missing) == ((2,), 0, 2)
    together = placed(sentence, tokens("du tout", (0, 7)))
    assert (together.words, together.straddled, together.missing) == ((), 1, 2)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "holds no sentence"),
        ("\n\n# text = a\n\n", "holds no sentence"),
        ("Once there was a king.\n", "sentence 1: no CoNLL-U: Invalid line format"),
        ('{"prompt": "a  b"}\n', "sentence 1: no CoNLL-U"),
        ("1\tking\t_\t_\t_\t_\n", "word 1 has no head or no relation"),
        ("1\tking\t_\t_\t_\t_\t_\t_\t_\t_\n", "word 1 has no head or no relation"),
        ("1\tking\t_\t_\t_\t_\tx\troot\t_\t_\n", "Failed parsing field 'head'"),
        ("1\tking\t_\t_\t_\t_\t7\tobj\t_\t_\n", "word 1 has the head 7, and there are 1 words"),
        ("2\tking\t_\t_\t_\t_\t0\troot\t_\t_\n", "not numbered from 1"),
        ("1-2\tking\t_\t_\t_\t_\t0\troot\t_\t_\n", "not numbered from 1"),
        ("# text = queen\n1\tking\t_\t_\t_\t_\t0\troot\t_\t_\n", "does not go on with 'king'"),
        ("# text = kings\n1\tking\t_\t_\t_\t_\t0\troot\t_\t_\n", "after the last word"),
        ("# global.columns = LEMMA\n1\tking\n", "no column 'id'"),
        ("1\n", "no CoNLL-U"),
        (f"{'9' * 5000}\tking\t_\t_\t_\t_\t0\troot\t_\t_\n", "no CoNLL-U"),
    ],
)
def test_what_is_no_treebank(tmp_path: Path, content: str, words: str) -> None:
    with pytest.raises(UserError) as caught:
        read(tmp_path, content)
    assert words in str(caught.value) and "bank.conllu" in str(caught.value)


def test_without_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "conllu", None)
    with pytest.raises(
        UserError, match=r"needs the conllu package: pip install 'attntui\[conllu\]'"
    ):
        read(tmp_path, ENGLISH.lines)
