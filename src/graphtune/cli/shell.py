"""How every command ends: an exit code and, where it fails, one line that says what to do."""

from __future__ import annotations

import errno
import os
import sys
import traceback
import warnings
from collections.abc import Sequence
from typing import Any

import typer
from typer.core import TyperGroup

from graphtune.check import ArgumentError, GraphtuneError

DEBUG = "GRAPHTUNE_DEBUG"
FAILED, BAD_USE, INTERRUPTED = 1, 2, 130


class Shell(TyperGroup):
    """The group of all commands. `--debug`, or GRAPHTUNE_DEBUG=1, shows the traceback of an error."""

    def main(self, args: Sequence[str] | None = None, *others: Any, **extra: Any) -> Any:
        args = list(sys.argv[1:] if args is None else args)
        debug = "--debug" in args or os.environ.get(DEBUG, "") not in ("", "0")
        args = [arg for arg in args if arg != "--debug"]
        extra["standalone_mode"] = False
        _quiet_warnings(debug)
        try:
            code = super().main(args, *others, **extra)
        except Exception as error:
            if debug:
                traceback.print_exc()
            code, text = explain(error)
            complain(text)
        sys.exit(code if isinstance(code, int) else 0)

    def invoke(self, ctx: typer.Context) -> Any:  # type: ignore[override]
        try:
            return super().invoke(ctx)  # type: ignore[arg-type]
        except KeyboardInterrupt as interrupt:
            complain(" ".join(map(str, interrupt.args)) or "Interrupted.")
            raise typer.Exit(INTERRUPTED) from None


def complain(text: str) -> None:
    """One line on stderr, however many `text` has."""
    print("error:", " ".join(text.split()), file=sys.stderr, flush=True)


def explain(error: Exception) -> tuple[int, str]:
    """The exit code for an error, and what to tell the user."""
    if hasattr(error, "format_message"):  # how typer says that a command was misspelt
        return BAD_USE, f"{error.format_message()} {_help_of(error)}"
    if isinstance(error, GraphtuneError):
        return BAD_USE if isinstance(error, ArgumentError) else FAILED, str(error)
    if _is_out_of_memory(error):
        fix = "Set a smaller `--dim` or `--set batch_size=`; `graphtune inspect` estimates what a graph needs."
        return FAILED, f"The memory ran out. {fix}"
    if isinstance(error, OSError):
        return FAILED, _system_failure(error)
    what = f"{type(error).__name__}: {error}"
    return FAILED, f"Something unexpected went wrong ({what}). Please report it; --debug shows where it happened."


def _help_of(error: Any) -> str:
    context = getattr(error, "ctx", None)
    return f"See `{context.command_path} --help`." if context is not None else ""


def _is_out_of_memory(error: Exception) -> bool:
    named = type(error).__name__ == "OutOfMemoryError" or "can't allocate memory" in str(error)
    return isinstance(error, MemoryError) or named or getattr(error, "errno", None) == errno.ENOMEM


def _system_failure(error: OSError) -> str:
    reason = error.strerror or str(error)
    where = f" ({error.filename})" if error.filename else ""
    fix = " Free some space, or choose another place." if error.errno in (errno.ENOSPC, errno.EDQUOT) else ""
    return f"The system refused: {reason}{where}.{fix}"


def _quiet_warnings(debug: bool) -> None:
    """Warnings of libraries speak to programmers; they are shown with --debug only."""
    if not debug:
        warnings.simplefilter("ignore")
