"""`tinyanime doctor`: what is installed, what is missing, what to do."""

from __future__ import annotations

from dataclasses import asdict

import click

from tinyanime.codegen.errors import ToolError
from tinyanime.host.commands.options import examples, output_options
from tinyanime.host.console import Console


@click.command(epilog=examples("tinyanime doctor", "tinyanime doctor --json"))
@output_options
def doctor(console: Console) -> None:
    """Say what is installed, what is missing and what to do.

    Exits with 0 where everything that the demo needs is there, else with 5.
    """
    from tinyanime.host.diagnosis import diagnose

    findings = []
    for finding in diagnose():
        findings.append(finding)
        mark = "ok     " if finding.ok else "MISSING" if finding.essential else "absent "
        console.say(f"{mark}  {finding.name}: {finding.detail}")
        if finding.remedy:
            console.say(f"         -> {finding.remedy}")
    console.result([asdict(finding) for finding in findings])
    missing = [finding.name for finding in findings if finding.essential and not finding.ok]
    if missing:
        raise ToolError(
            f"The demo cannot run on this computer yet: {', '.join(missing)} is missing.",
            hint="Follow the arrows above (`tinyanime doctor`), or let `make demo` install everything.",
        )
    console.say("Everything that the demo needs is there; `make demo` runs it.")
