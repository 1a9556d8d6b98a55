"""Two small models that travel with the package, so that the first minute needs no network."""

from dataclasses import dataclass
from pathlib import Path

# At its last token the induction heads look at what followed the first "M".
DEFAULT_PROMPT = "There was once a queen who loved Doctor Mirabel. Every day Doctor M"
DEFAULT_MASKED_PROMPT = "The boy opened the [MASK] and went into the garden."
JAPANESE_MASKED_PROMPT = "吾輩は[MASK]である。"


@dataclass(frozen=True)
class BundledModel:
    folder: Path
    description: str
    prompt: str
    head: tuple[int, int] = (0, 0)
    """The head to open on, (layer, head): the one that the default prompt shows."""


MODELS: dict[str, BundledModel] = {
    "demo": BundledModel(
        Path(__file__).parent / "demo",
        "a small causal Llama trained on English tales: 4 layers x 4 heads",
        DEFAULT_PROMPT,
        head=(1, 2),
    ),
    "demo-bert": BundledModel(
        Path(__file__).parent / "demo-bert",
        "a small masked BERT trained on English and Japanese: 4 layers x 6 heads",
        DEFAULT_MASKED_PROMPT,
        head=(0, 3),
    ),
}
