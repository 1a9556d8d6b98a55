"""Which installed fonts have the characters of the labels: matplotlib's own has no CJK."""

from collections.abc import Iterable, Iterator

from matplotlib import font_manager
from matplotlib.ft2font import FT2Font

OWN = "DejaVu Sans"
NO_LETTERS = "Last Resort"
"""A font, among matplotlib's, that has a box for every character there is."""
PREFERRED = ("Noto Sans CJK JP", "Noto Sans JP", "Hiragino Sans", "Yu Gothic", "IPAexGothic")
"""Looked at before all others: sans serif, and with Japanese forms of the shared characters."""


def families_for(texts: Iterable[str]) -> tuple[list[str], set[str]]:
    """Names of fonts that have the characters of `texts`, and the characters that none has."""
    missing = {ord(char) for text in texts for char in text}
    missing -= _characters(font_manager.findfont(OWN))
    families = [OWN]
    for name, path in _others():
        if not missing:
            break
        found = missing & _characters(path)
        if found:
            families.append(name)
            missing -= found
    return families, {chr(code) for code in missing}


def _others() -> Iterator[tuple[str, str]]:
    """(name, path) of every upright font of ordinary weight, preferred ones first."""
    known = [font for font in font_manager.fontManager.ttflist if _is_ordinary(font)]
    rank = {name: at for at, name in enumerate(PREFERRED)}
    for font in sorted(known, key=lambda font: (rank.get(font.name, len(rank)), font.name)):
        yield font.name, font.fname
    # matplotlib lists fonts once and keeps the list: one that was installed later is not in it.
    listed = {font.fname for font in font_manager.fontManager.ttflist}
    for path in sorted(set(font_manager.findSystemFonts()) - listed):
        try:
            font_manager.fontManager.addfont(path)
        except (OSError, RuntimeError):
            continue  # Bitmap fonts, which matplotlib cannot draw.
        font = font_manager.fontManager.ttflist[-1]
        if _is_ordinary(font):
            yield font.name, font.fname


def _is_ordinary(font: font_manager.FontEntry) -> bool:
    is_upright = font.style == "normal" and font.weight in (400, "normal", "regular")
    return is_upright and not font.name.startswith(NO_LETTERS)


def _characters(path: str) -> set[int]:
    """Codes of the characters that a font file has."""
    try:
        return set(FT2Font(path).get_charmap())
    except (OSError, RuntimeError):
        return set()
