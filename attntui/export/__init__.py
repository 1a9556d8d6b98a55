"""Attention into files: numbers and pictures of a run that an engine holds."""
