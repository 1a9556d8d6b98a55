"""`python -m attntui`."""

from attntui.cli import main

main()
