"""The command line: what `attntui` does without, before and after the screen."""


def main() -> None:
    """The console entry."""
    import sys

    from attntui.cli.run import run

    sys.exit(run(sys.argv[1:]))
