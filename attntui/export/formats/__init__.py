"""The formats of numbers, by the suffix of their files."""

from typing import Literal

from attntui.export.formats.csv import Csv
from attntui.export.formats.format import NOWHERE, Entry, Format, Place
from attntui.export.formats.json import Json
from attntui.export.formats.npz import Npz
from attntui.export.formats.safetensors import Safetensors

FormatName = Literal["npz", "safetensors", "json", "csv"]
FORMATS: dict[FormatName, type[Format]] = {
    "npz": Npz,
    "safetensors": Safetensors,
    "json": Json,
    "csv": Csv,
}

__all__ = ["FORMATS", "NOWHERE", "Entry", "Format", "FormatName", "Place"]
