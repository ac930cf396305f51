"""`graphtune run CONFIG.toml`: the same as `embed`, and then `finetune`, from a file."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from graphtune.check import ArgumentError, bad
from graphtune.cli.data import NAMED, NO_SPLIT, DataOptions, LabelOptions
from graphtune.cli.embed import EmbedOptions, embed, show_embedding
from graphtune.cli.finetune import FinetuneOptions, finetune, show_finetuning
from graphtune.cli.output import OutOptions
from graphtune.cli.settings import nearest
from graphtune.cli.talk import Talk

SECTIONS = ("data", "embed", "finetune")
LABELS = tuple(f.name for f in fields(LabelOptions))
OUT = tuple(f.name for f in fields(OutOptions))
DATA = tuple(f.name for f in fields(DataOptions))
EMBED = (*(f.name for f in fields(EmbedOptions) if f.name not in ("data",)), *OUT)
FINETUNE = (*(f.name for f in fields(FinetuneOptions)), *OUT, *LABELS)
FILES = ("edges", "labels", "features", "start", "out", "directory")


def run(path: str, resume: bool, overwrite: bool, talk: Talk) -> dict[str, Any]:
    """Do what the sections of a file say. Names of files in it are relative to the file."""
    config = read_config(path)
    steps = plan(config, Path(path).resolve().parent, resume, overwrite)
    result: dict[str, Any] = {"config": path}
    for options in steps:
        if isinstance(options, EmbedOptions):
            result["embed"] = embed(options, talk)
        else:
            result["finetune"] = finetune(options, talk)
    return result


def show_run(result: dict[str, Any]) -> None:
    if "embed" in result:
        show_embedding(result["embed"])
    if "finetune" in result:
        show_finetuning(result["finetune"])


def read_config(path: str) -> dict[str, Any]:
    """The sections of a TOML file, every key known.

    Raises:
        ArgumentError: the file is missing or no TOML, or a section or key is unknown.
    """
    try:
        config = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except (FileNotFoundError, IsADirectoryError):
        raise ArgumentError(f"`CONFIG` of run must name a file. Got {path!r}, which is none.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ArgumentError(f"`CONFIG` of run must be TOML. Got {path!r}: {error}.") from None
    _known(config, SECTIONS, "sections")
    for section, keys in (("data", (*DATA, *LABELS)), ("embed", EMBED), ("finetune", FINETUNE)):
        if section in config:
            if not isinstance(config[section], dict):
                raise bad(section, path, f"a section, [{section}]", config[section])
            _known(config[section], keys, f"keys of [{section}]")
    return config


def plan(
    config: Mapping[str, Any], base: Path, resume: bool, overwrite: bool
) -> list[EmbedOptions | FinetuneOptions]:
    """The commands that a file asks for, in order.

    Raises:
        ArgumentError: a section that is needed is missing, or a key that is.
    """
    steps: list[EmbedOptions | FinetuneOptions] = []
    again = {"resume": resume, "overwrite": overwrite}
    if "embed" in config:
        _need(config, "data", "edges")
        _need(config, "embed", "out")
        data, asked = _at(config["data"], base), _at(config["embed"], base)
        labels = LabelOptions(**_only(data, LABELS))
        source = DataOptions(**{**_only(data, DATA), "labels": labels})
        out = OutOptions(**{**_only(asked, OUT), **again})
        rest = {k: v for k, v in asked.items() if k not in OUT}
        steps.append(EmbedOptions(data=source, out=out, **{**rest, "set": _settings(asked)}))
    if "finetune" in config:
        _need(config, "finetune", "task")
        _need(config, "finetune", "out")
        asked = _at(config["finetune"], base)
        if steps and "directory" not in asked:
            asked["directory"] = str(steps[0].out.out)
        _need({"finetune": asked}, "finetune", "directory")
        if again["resume"] and steps and not (Path(asked["directory"]) / "run.json").exists():
            pass
        labels = LabelOptions(**_only(asked, LABELS))
        out = OutOptions(**{**_only(asked, OUT), **again})
        rest = {k: v for k, v in asked.items() if k not in (*OUT, *LABELS)}
        steps.append(FinetuneOptions(out=out, labels=labels, **{**rest, "set": _settings(asked)}))
    if not steps:
        raise bad("CONFIG", "run", "a file with a section [embed] or [finetune]", list(config))
    return steps
