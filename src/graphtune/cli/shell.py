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
OPTIONS = {
    "header=False": "--no-header",
    "header=True": "--header",
    'kind="multi"': "--label-type multi",
    "`delimiter`": "`--delimiter`",
    "without strict": "without --strict",
    "begin anew without resume": "begin anew with --overwrite",
    "by='user'": "--by user",
    "by='time'": "--by time",
    "a ratio of 0 to validation or test": "learn all with --split none",
    "a ratio of 0 to a part that may stay empty": "learn all with --split none",
    "a ratio of 0 to validation": "learn all with --split none",
    "Name the kind: ('user', 'item')": "Add --kind user or --kind item",
}
"""What fixes in error messages call an argument of a function, and what it is on the command line."""

FAILED, BAD_USE, INTERRUPTED = 1, 2, 130


class Shell(TyperGroup):
    """The group of all commands. `--debug`, or GRAPHTUNE_DEBUG=1, shows the traceback of an error."""

    def main(self, args: Sequence[str] | None = None, *others: Any, **extra: Any) -> Any:
        args = list(sys.argv[1:] if args is None else args)
        debug = "--debug" in args or os.environ.get(DEBUG, "") not in ("", "0")
        args = [arg for arg in args if arg != "--debug"]
        extra["standalone_mode"] = False
        try:
            with warnings.catch_warnings():
                if not debug:
                    warnings.simplefilter("ignore")  # warnings of libraries speak to programmers
                code = super().main(args, *others, **extra)
        except Exception as error:
            if debug:
                traceback.print_exc()
            code, text = explain(error)
            if text:
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
        said = error.format_message().rstrip(".")
        minus = " An id that begins with a minus goes last, behind --." if said.startswith("No such option") else ""
        return BAD_USE, f"{said}.{minus} {_help_of(error)}" if said else ""  # without arguments the help has been shown
    if isinstance(error, GraphtuneError):
        return BAD_USE if isinstance(error, ArgumentError) else FAILED, _as_options(str(error))
    if _is_out_of_memory(error):
        fix = "Set a smaller `--dim` or `--set batch_size=`; `graphtune inspect` estimates what a graph needs."
        return FAILED, f"The memory ran out. {fix}"
    if isinstance(error, OSError):
        return FAILED, _system_failure(error)
    what = f"{type(error).__name__}: {error}"
    return FAILED, f"Something unexpected went wrong ({what}). Please report it; --debug shows where it happened."


def _as_options(text: str) -> str:
    for argument, option in OPTIONS.items():
        text = text.replace(argument, option)
    return text


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
