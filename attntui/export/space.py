"""Whether a disk has room for what is about to be written."""

import shutil
from pathlib import Path

from attntui.core.amounts import human_bytes
from attntui.core.errors import UserError
from attntui.export.write import STDOUT


def check_space(output: str, needed: int) -> None:
    """
    Raises:
        UserError: the folder of `output` has less than `needed` bytes free.
    """
    if output == STDOUT:
        return
    folder = Path(output).resolve().parent
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise UserError(
            f"The file needs at least {human_bytes(needed)}, and {folder} has {human_bytes(free)}"
            " free: choose fewer layers and heads with --layers and --heads."
        )
