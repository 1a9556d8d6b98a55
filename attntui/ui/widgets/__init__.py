"""The panes of the screen; each shows one thing and tells what was picked on it."""
