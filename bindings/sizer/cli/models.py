"""The models of the catalogue or of this machine, or one of them.

NAME may also be a GGUF file, a folder with config.json and safetensors files, ollama:NAME, hf:ORG/REPO[:FILE] or a URL,
of which the headers are read: every tensor's bytes, the number formats, and whether the context it states is the one it
was trained for. --local lists what Ollama, LM Studio, llama.cpp and the Hugging Face hub keep on this machine.

examples:
  sizer models --family qwen3moe
  sizer models qwen3-coder-30b-a3b
  sizer models ./model.gguf --tensors
  sizer models --local --match coder"""

from __future__ import annotations

import argparse

from .. import _reports
from .._catalogue import current, model, models
from .._errors import InvalidValueError
from .._records import plain
from .output import Output


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the arguments of the command."""
    parser.add_argument("name", nargs="?", metavar="NAME", help="show this model, file or address")
    parser.add_argument("--mmproj", metavar="FILE", help="projector file that is loaded with a GGUF model")
    parser.add_argument("--tensors", action="store_true", help="list every tensor of the model's files")
    parser.add_argument("--family", metavar="FAMILY", help="only models of this GGUF architecture")
    parser.add_argument("--match", metavar="TEXT", help="only models with this text in id or name")
    parser.add_argument("--local", action="store_true", help="models that lie on this machine")


def run(options: argparse.Namespace, output: Output) -> int:
    """Answers, and returns the exit code."""
    if options.local:
        return _local(options, output)
    if options.name is not None:
        one = model(options.name, mmproj=options.mmproj)
        answer = one.to_dict()
        blocks = _reports.model(one)
        if one.file is not None:
            answer["file"] = plain(one.file)
        if options.tensors:
            answer["tensors"] = plain(one.tensors)
            blocks += _reports.tensors(one.tensors)
        output.answer(answer, blocks)
        return 0
    rows = models()
    if options.family is not None:
        rows = [row for row in rows if row.family == options.family.lower()]
    if options.match is not None:
        wanted = options.match.lower()
        rows = [row for row in rows if wanted in row.id or wanted in row.name.lower()]
    output.answer({"schema_version": 1, "models": [row.to_dict() for row in rows]}, _reports.models(rows))
    return 0 if rows else 1


def _local(options: argparse.Namespace, output: Output) -> int:
    """The models of this machine. Having none is no failure."""
    from .._stores import models as stores
    from .._stores import report

    for other in ("name", "family"):
        if getattr(options, other) is not None:
            raise InvalidValueError("--local", f"{other} '{getattr(options, other)}' beside it", "--match or nothing")
    rows = stores.find_local_models()
    if options.match is not None:
        rows = [row for row in rows if options.match.lower() in row.name.lower()]
    rows = [stores.with_header(row, current()) for row in rows]
    blocks = report.local_models(rows, stores.store_folders(), match=options.match)
    output.answer({"schema_version": 1, "models": plain(rows)}, blocks)
    return 0
