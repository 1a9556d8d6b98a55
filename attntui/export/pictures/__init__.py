"""Pictures of attention, by the suffix of their files."""

from typing import Literal

from attntui.export.pictures.picture import Panel, Picture, take_picture

PictureName = Literal["svg", "png", "html"]

__all__ = ["Panel", "Picture", "PictureName", "take_picture"]
