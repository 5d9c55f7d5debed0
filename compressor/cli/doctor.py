"""`compressor doctor`: what this machine can do, and what is missing."""

from typing import Annotated

import typer

from compressor.api import user_cache
from compressor.errors import ExitCode


def doctor(as_json: Annotated[bool, typer.Option("--json", help="Every finding as JSON.")] = False) -> int:
    """Say what this machine can do, what is missing, and how to get it.

    compressor doctor
    """
    import json
    from dataclasses import asdict

    from compressor.cli.watching import one_stage
    from compressor.profiles.examination import State, examine
    from compressor.report import plain_table

    with one_stage("doctor", "look at the machine and try the runtimes", brief=True):
        found = examine(user_cache())
    if as_json:
        typer.echo(json.dumps([asdict(finding) for finding in found], indent=1))
    else:
        rows = [(finding.subject, str(finding.state), finding.found, finding.advice) for finding in found]
        typer.echo(plain_table(("what", "state", "found", "advice"), rows))
    broken = any(finding.needed and finding.state is State.MISSING for finding in found)
    return int(ExitCode.UNAVAILABLE if broken else ExitCode.MET)
