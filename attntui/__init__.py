"""Explore the attention of Hugging Face transformers in the terminal.

Importing this package imports neither torch nor textual.
"""

__version__ = "0.1.0"
