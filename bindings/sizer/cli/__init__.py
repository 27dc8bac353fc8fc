"""The command line, one module a command.

Exit codes: 0 yes, 1 it does not fit or the check failed, 2 usage, 3 bad data, 4 internal.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

from .. import __version__
from .._errors import DataError, SizerError, UnknownNameError
from . import (
    accuracy,
    audit,
    calibrate,
    ceiling,
    compare,
    detect,
    diagnose,
    estimate,
    hardware,
    measure,
    models,
    plan,
    validate,
)
from .output import Output, abandon

YES, NO, USAGE, BAD_DATA, INTERNAL = range(5)

#: The command that lists what a field may name.
_LISTS = {"model": "models", "hardware": "hardware"}
_COMMANDS = (
    estimate,
    compare,
    plan,
    diagnose,
    ceiling,
    audit,
    models,
    hardware,
    detect,
    measure,
    calibrate,
    accuracy,
    validate,
)


class _UsageError(Exception):
    """argparse's complaint, before it is printed."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise _UsageError(f"{message}\ntry: {self.prog} --help")


def parser() -> argparse.ArgumentParser:
    """All commands and their options."""
    top = _Parser(
        prog="sizer",
        description="Sizes hardware for running language models: what memory, how fast, which machine.",
        epilog="exit codes: 0 yes, 1 it does not fit or the check failed, 2 usage, 3 bad data, 4 internal. "
        "SIZER_CATALOGUE names files and folders of your own entries.",
        allow_abbrev=False,
    )
    top.add_argument("--version", action="version", version=f"sizer {__version__}")
    commands = top.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for module in _COMMANDS:
        name = module.__name__.rpartition(".")[2]
        summary, _, details = (module.__doc__ or "").partition("\n\n")
        sub = commands.add_parser(
            name,
            help=summary[:1].lower() + summary[1:].rstrip("."),
            description=summary,
            epilog=details.strip() or None,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        module.add_arguments(sub)
        sub.add_argument("--json", action="store_true", help="print JSON instead of tables")
        sub.set_defaults(run=module.run)
    return top


def _failure(error: BaseException, kind: str, code: int) -> dict[str, Any]:
    """An error as JSON has it."""
    described: dict[str, Any] = {"type": kind, "message": str(error), "exit_code": code}
    for name in ("field", "got", "expected", "name", "nearest", "reason", "file", "where", "problem"):
        value = getattr(error, name, None)
        if value is not None and not callable(value):
            described[name] = value
    return described


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code. Never raises for an error of the user."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    output = Output(json="--json" in given)
    try:
        return _run(given, output)
    except BrokenPipeError:  # of the help: there is no answer to give a code for
        abandon(sys.stdout)
        return YES


def _run(given: Sequence[str], output: Output) -> int:
    try:
        options = parser().parse_args(given)
        return int(options.run(options, output))
    except _UsageError as error:
        output.error(_failure(error, "UsageError", USAGE))
        return USAGE
    except DataError as error:
        output.error(_failure(error, "DataError", BAD_DATA))
        return BAD_DATA
    except SizerError as error:
        failure = _failure(error, type(error).__name__, USAGE)
        if isinstance(error, UnknownNameError) and error.field in _LISTS:
            failure["message"] += f"; `sizer {_LISTS[error.field]}` lists what is known"
        output.error(failure)
        return USAGE
    except KeyboardInterrupt:
        print("sizer: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        raise
    except Exception as error:  # the last resort: one line and a code instead of a page of internals
        if os.environ.get("SIZER_DEBUG"):
            raise
        message = f"internal error: {type(error).__name__}: {error} (SIZER_DEBUG=1 shows where)"
        output.error({**_failure(error, "InternalError", INTERNAL), "message": message})
        return INTERNAL
