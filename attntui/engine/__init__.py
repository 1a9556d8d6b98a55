"""The model's side: torch and transformers, and nothing of the screen.

`python -m attntui.engine` serves requests over a pipe. Importing this package imports no torch.
"""
