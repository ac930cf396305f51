"""`graphtune run CONFIG.toml`: the same as `embed`, and then `finetune`, from a file."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any, get_args

from graphtune.check import ArgumentError, bad
from graphtune.cli.data import NAMED
from graphtune.cli.embed import embed, show_embedding
from graphtune.cli.finetune import finetune, show_finetuning
from graphtune.cli.grouped import made, options_of
from graphtune.cli.options.data import DataOptions
from graphtune.cli.options.learn import EmbedOptions, FinetuneOptions
from graphtune.cli.settings import nearest, plain_type
from graphtune.cli.start import NAMES
from graphtune.cli.talk import Talk

SECTIONS = {"data": DataOptions, "embed": EmbedOptions, "finetune": FinetuneOptions}
FILES = (
    "edges", "labels", "features", "texts", "user_features", "item_features", "social", "item_graph", "start", "fixed",
    "out", "directory", "on_disk",
)  # fmt: skip
Config = dict[str, dict[str, Any]]


def run(path: str, resume: bool, overwrite: bool, talk: Talk) -> dict[str, Any]:
    """Do what the sections of a file say. With `resume`, sections whose run is finished are passed over.

    Raises:
        ArgumentError: the file is no such TOML file, or an option in it is of no use.
    """
    return {"config": path, **run_sections(read_config(path), talk, resume, overwrite)}


def run_sections(config: Config, talk: Talk, resume: bool = False, overwrite: bool = False) -> dict[str, Any]:
    """Do what the sections of a file that was read say."""
    result: dict[str, Any] = {}
    if "embed" in config:
        to_embed = embed_options(config, resume, overwrite)
        if "finetune" in config:
            config = {**config, "finetune": {"directory": to_embed.out.out, **config["finetune"]}}
        result["embed"] = embed(to_embed, talk)
    if "finetune" in config:
        result["finetune"] = finetune(finetune_options(config, resume, overwrite), talk)
    return result


def show_run(result: dict[str, Any]) -> None:
    if "embed" in result:
        show_embedding(result["embed"])
    if "finetune" in result:
        show_finetuning(result["finetune"])


def read_config(path: str) -> Config:
    """The sections of a TOML file, every key known and of its type; names of files are relative to the file.

    Raises:
        ArgumentError: the file is missing or no TOML, or a section or a key is wrong.
    """
    try:
        config = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except (FileNotFoundError, IsADirectoryError):
        raise ArgumentError(f"`CONFIG` of run must name a file. Got {path!r}, which is none.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ArgumentError(f"`CONFIG` of run must be TOML. Got {path!r}: {error}.") from None
    return check_config(config, path)


def check_config(config: Config, path: str) -> Config:
    """The sections that stand in the file `path`, every key known and of its type; names of files as seen from here.

    Raises:
        ArgumentError: a section or a key is wrong, or there is nothing to do.
    """
    for section, values in config.items():
        if section not in SECTIONS or not isinstance(values, dict):
            raise bad("CONFIG", "run", f"of sections {', '.join(f'[{s}]' for s in SECTIONS)}", section)
        _check_keys(section, values)
    if not {"embed", "finetune"} & set(config):
        raise bad("CONFIG", "run", "a file with a section [embed] or [finetune]", path)
    base = Path(path).parent
    return {section: _beside(values, base) for section, values in config.items()}


def embed_options(config: Config, resume: bool = False, overwrite: bool = False) -> EmbedOptions:
    """What [data] and [embed] ask for."""
    _need(config, "data", "edges")
    _need(config, "embed", "out")
    return made(EmbedOptions, {**config["data"], **_asked(config["embed"], resume, overwrite)})


def finetune_options(config: Config, resume: bool = False, overwrite: bool = False) -> FinetuneOptions:
    """What [finetune] asks for."""
    for key in ("directory", "task", "out"):
        _need(config, "finetune", key)
    return made(FinetuneOptions, _asked(config["finetune"], resume, overwrite))


def _check_keys(section: str, values: dict[str, Any]) -> None:
    types = _types(section)
    for key, value in values.items():
        if key not in types:
            fix = f"{nearest(key, types)}The keys are {', '.join(types)}."
            raise bad(f"[{section}]", "run", "of known keys", key, fix)
        allowed = (int, float) if types[key] is float else types[key]
        if not isinstance(value, allowed) or (types[key] is not bool and isinstance(value, bool)):
            raise bad(f"{key} in [{section}]", "run", f"of type {types[key].__name__}", value)


def _types(section: str) -> dict[str, type]:
    """The keys of a section, and the type that each has in TOML."""
    elsewhere = {"resume", "overwrite"}
    if section == "embed":
        elsewhere |= set(_types("data"))
    options = [option for option in options_of(SECTIONS[section]) if option.name not in elsewhere]
    found = {option.name: plain_type(get_args(option.annotation)[0])[0] for option in options}
    return found if section == "data" else {**found, "set": dict}


def _need(config: Config, section: str, key: str) -> None:
    if key not in config.get(section, {}):
        raise bad("CONFIG", "run", f"a file with `{key}` in [{section}]", list(config.get(section, {})))


def _asked(values: dict[str, Any], resume: bool, overwrite: bool) -> dict[str, Any]:
    """The values of a section, as the command line has them."""
    settings = [f"{key}={value}" for key, value in values.get("set", {}).items()]
    return {**values, "set": settings, "resume": resume, "overwrite": overwrite}


def file_keys(values: dict[str, Any]) -> list[str]:
    """The keys of a section that name a file, and no data set or start by name."""
    keys = [key for key in values if key in FILES and not values[key].startswith(NAMED)]
    return [key for key in keys if key != "start" or values[key] not in NAMES]


def _beside(values: dict[str, Any], base: Path) -> dict[str, Any]:
    """Names of files as they are seen from here, where `base` is the directory of the file they stand in."""
    return {**values, **{key: str(base / values[key]) for key in file_keys(values)}}
