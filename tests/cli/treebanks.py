"""Treebanks written by tests: each word knows where it stands, so that no parser is trusted."""

from dataclasses import dataclass, field


@dataclass
class Written:
    """A sentence as text, and as lines of CoNLL-U."""

    words: list[tuple[str, int, str]]
    """Form, number of the head from 1 (0: root), relation."""
    joined: frozenset[int] = frozenset()
    """Words, from 0, with no space after them."""
    text: str = field(init=False, default="")
    spans: list[tuple[int, int]] = field(init=False, default_factory=list)

    def __post_init__(self) -> None:
        for at, (form, _, _) in enumerate(self.words):
            self.spans.append((len(self.text), len(self.text) + len(form)))
            last = at == len(self.words) - 1
            self.text += form if last or at in self.joined else f"{form} "

    @property
    def lines(self) -> str:
        rows = [f"# text = {self.text}"]
        for at, (form, head, relation) in enumerate(self.words):
            misc = "SpaceAfter=No" if at in self.joined else "_"
            rows.append(f"{at + 1}\t{form}\t_\t_\t_\t_\t{head}\t{relation}\t_\t{misc}")
        return "\n".join(rows) + "\n\n"


ENGLISH = Written(
    [
        ("The", 2, "det"),
        ("princess", 3, "nsubj"),
        ("opened", 0, "root"),
        ("the", 6, "det"),
        ("tall", 6, "amod"),
        ("gate", 3, "obj"),
        (",", 8, "punct"),
        ("laughing", 3, "advcl"),
        (".", 3, "punct"),
    ],
    frozenset({5, 7}),
)
OTHER = Written(
    [
        ("John", 2, "nmod:poss"),
        ("'s", 1, "case"),
        ("grandmother", 4, "nsubj"),
        ("loved", 0, "root"),
        ("the", 6, "det"),
        ("woodcutter", 4, "obj"),
        ("!", 4, "punct"),
    ],
    frozenset({0, 5}),
)
JAPANESE = Written(
    [
        ("吾輩", 3, "nsubj"),
        ("は", 1, "case"),
        ("猫", 0, "root"),
        ("で", 3, "cop"),
        ("ある", 4, "fixed"),
        ("。", 3, "punct"),
    ],
    frozenset(range(5)),
)
