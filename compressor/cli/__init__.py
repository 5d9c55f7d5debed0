"""The command line: parse, call, map errors to exit codes; no logic.

Nothing heavy is imported until a command needs it, so that `--help` answers at once.
"""

from compressor.cli.app import main

__all__ = ["main"]
