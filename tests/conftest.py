"""One environment for all tests, whatever the developer's is. Textual reads it when imported."""

import os

for name in [name for name in os.environ if name.startswith("TEXTUAL_")]:
    del os.environ[name]
os.environ.pop("NO_COLOR", None)
os.environ.pop("COLORFGBG", None)
os.environ["TEXTUAL_COLOR_SYSTEM"] = "truecolor"
os.environ["TEXTUAL_ANIMATIONS"] = "none"
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"
