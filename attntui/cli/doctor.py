"""`attntui doctor`: what this terminal and this machine can do, and what to do about the rest."""

from collections.abc import Callable, Iterator
from typing import TextIO

from attntui.cli.findings import Finding
from attntui.core.tokens import sanitise


def examine(stream: TextIO) -> int:
    """Print every finding; 2 where something must be mended, else 0."""
    worst = 0
    for finding in findings():
        text = f"{finding.verdict:<8}{finding.subject:<18}{sanitise(finding.text)}"
        print(text, file=stream, flush=True)
        if finding.verdict == "problem":
            worst = 2
    return worst


def findings() -> Iterator[Finding]:
    """All findings, the quick ones first."""
    from attntui.cli import hub_findings, machine_findings, terminal_findings

    sources: tuple[Callable[[], Iterator[Finding]], ...] = (
        terminal_findings.find,
        machine_findings.find,
        hub_findings.find,
    )
    for source in sources:
        yield from source()
