"""`--start` and `--fixed`: where the weights of a command begin, and which rows stay there."""

from __future__ import annotations

from pathlib import Path
from typing import TypeAlias

from graphtune.check import bad, one_of
from graphtune.cli.options.learn import EmbedOptions, FinetuneOptions
from graphtune.cli.settings import own_recipes
from graphtune.cli.talk import Talk
from graphtune.models import Model
from graphtune.start import (
    DRAWS,
    MISSING,
    RESIZE,
    SCALES,
    SUFFIX,
    StartReport,
    randomise,
    start_from,
    start_from_closed_form,
    start_from_model,
    start_from_state,
    start_from_svd,
)
from graphtune.store import load
from graphtune.vectors import SUFFIXES, read_vectors

SPECTRAL, SVD = "spectral", "svd"
NAMES = (*DRAWS, SPECTRAL, SVD)  # what is none of these is a file or a directory
Options: TypeAlias = EmbedOptions | FinetuneOptions


def check_start(options: Options, who: str) -> None:
    """Refuse what cannot be started from, before anything is read.

    Raises:
        ArgumentError: there is no such file, it is of a kind that is not read, or an option has nothing to act on.
    """
    start = options.start
    asked = ("--missing", options.missing, MISSING), ("--resize", options.resize, RESIZE)
    for option, value, choices in (*asked, ("--scale", options.scale, SCALES)):
        if value is not None:
            one_of(option, who, value, choices)
            if start is None or start in DRAWS or (start in (SPECTRAL, SVD) and option != "--missing"):
                what = "left out where --start names no vectors and no model"
                raise bad(option, who, what, value)
            if option == "--scale" and Path(start).suffix == SUFFIX:
                raise bad(option, who, f"left out for the state of a module, {SUFFIX}", value)
    if start is None or start in NAMES or Path(start).is_dir():
        return
    if not Path(start).is_file():
        raise bad("--start", who, f"one of {', '.join(NAMES)}, a file or a model directory", start)
    if Path(start).suffix not in (*SUFFIXES, SUFFIX):
        fix = "Other files may run code when they are read; a state goes through safetensors.torch.save_file."
        raise bad("--start", who, f"a file that ends in {', '.join((*SUFFIXES, SUFFIX))}", start, fix)


def read_fixed(file: str | None, kind: str | None, who: str) -> list[str] | dict[str, list[str]] | None:
    """The ids of --fixed, a line each; by kind where one is given, as `graphtune.finetune` takes them.

    Raises:
        ArgumentError: there is no such file, or no id in it.
    """
    if file is None:
        return None
    ids = read_ids(file, "--fixed", who)
    return ids if kind is None else {kind: ids}


def read_ids(file: str, option: str, who: str) -> list[str]:
    """The ids in the file of an option, a line each; one that is there twice is taken once.

    Raises:
        ArgumentError: there is no such file, or no id in it.
    """
    if not Path(file).is_file():
        raise bad(option, who, "a file of ids, one a line", file)
    try:
        ids = [line.strip() for line in Path(file).read_text(encoding="utf-8-sig").splitlines() if line.strip()]
    except UnicodeDecodeError:
        ids = []
    if not ids:
        raise bad(option, who, "a file of ids, one a line", file, "It holds none in UTF-8.")
    return list(dict.fromkeys(ids))


def begin(model: Model, options: Options, seed: int, own: str | None, who: str, talk: Talk) -> StartReport:
    """Start a model as --start says, which is given.

    Args:
        model: changed in place.
        options: checked by `check_start`.
        seed: of every random choice.
        own: "package.module:Class" of a model of one's own, which a directory may hold.
        who: the command, for errors.
        talk: is told how it went.

    Raises:
        ArgumentError: nothing in it is about the nodes of the model, or what `graphtune.start` raises.
    """
    start = str(options.start)
    report = _begin(model, start, options, seed, own)
    if start not in NAMES and model.table_parameters() and not report.known:
        fix = f"Ids of the graph look like {', '.join(map(str, model.ids.values(range(min(3, len(model.ids))))))}."
        raise bad("--start", who, f"about nodes of the graph; {start} knows none of them", str(report), fix)
    talk.say(f"{start}: {report}")
    return report


def _begin(model: Model, start: str, options: Options, seed: int, own: str | None) -> StartReport:
    missing, resize, scale = options.missing or MISSING[0], options.resize or RESIZE[0], options.scale or SCALES[0]
    if start in DRAWS:
        return randomise(model, start, seed)
    if start == SPECTRAL:
        return start_from_closed_form(model, missing=missing, seed=seed)
    if start == SVD:
        return start_from_svd(model, missing, seed)
    if Path(start).is_dir():
        return start_from_model(model, load(start, own_recipes(own)), missing, resize, seed, scale)
    if Path(start).suffix == SUFFIX:
        return start_from_state(model, start, missing=missing, resize=resize, seed=seed)
    return start_from(model, read_vectors(start), missing, resize, seed, scale)
