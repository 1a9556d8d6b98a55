"""The screen."""

import os

# Textual paints what has changed at the next of so many ticks a second, 60 unless told. An answer
# comes between two of them: of 4,096 tokens another head's cells were there after 66 ms with 60
# ticks and 46 with 240, for 1 % more bytes. Read when Textual is imported.
os.environ.setdefault("TEXTUAL_FPS", "240")
