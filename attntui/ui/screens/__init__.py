"""The main screen and the windows over it."""
