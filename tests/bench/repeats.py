"""How often a figure is taken, whatever the way."""

LEAST, PATIENCE = 3, 120
"""Repeats at least, and seconds after which no more are begun."""
SHORT = 8
"""Tokens of a prompt that warms a model up."""
