"""`attntui doctor`: what this terminal and this machine can do, and what to do about the rest."""

import json
from collections.abc import Callable, Iterator
from typing import TextIO

from attntui.cli.findings import Finding
from attntui.core.tokens import sanitise


def examine(stream: TextIO, as_json: bool = False) -> int:
    """Print every finding; 2 where something must be mended, else 0."""
    worst = 0
    if as_json:
        found = list(findings())
        print(json.dumps([finding._asdict() for finding in found], indent=1), file=stream)
        return 2 if any(finding.verdict == "problem" for finding in found) else 0
    for finding in findings():
        text = f"{finding.verdict:<8}{finding.subject:<18}{sanitise(finding.text)}"
        print(text, file=stream, flush=True)
        if finding.verdict == "problem":
            worst = 2
    return worst


def findings() -> Iterator[Finding]:
    """All findings, the quick ones first."""
    from attntui.cli import config_findings, hub_findings, machine_findings, terminal_findings

    sources: tuple[Callable[[], Iterator[Finding]], ...] = (
        terminal_findings.find,
        config_findings.find,
        machine_findings.find,
        hub_findings.find,
    )
    for source in sources:
        yield from source()
