"""`--set key=value` and `--model`: from text to the fields of a recipe, of a task and of the training."""

from __future__ import annotations

import dataclasses
import difflib
import importlib
import os
import sys
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, is_dataclass
from types import NoneType
from typing import TYPE_CHECKING, Any, TypeVar, get_args, get_type_hints

from graphtune.check import ArgumentError, bad, one_of
from graphtune.config import TrainConfig

if TYPE_CHECKING:
    from graphtune.graph import Graph

T = TypeVar("T")
VARIANTS = ("base", "enhanced")
NUMBERS = tuple[float, ...]
READABLE = (bool, int, float, str, NUMBERS)
WORDS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


@dataclass(frozen=True)
class Settings:
    """Values by name, as text; each must find a field.

    Attributes:
        values: what was set.
        who: the command, for errors.
    """

    values: Mapping[str, str]
    who: str

    def check(self, *classes: type, hidden: Collection[str] = ()) -> None:
        """Refuse a name that no class has a field for.

        Raises:
            ArgumentError: naming the nearest one and all there are.
        """
        known = {name: cls for cls in classes for name in settable(cls) if name not in hidden}
        for name in self.values:
            if name not in known:
                what = "the name of a setting of " + " or ".join(cls.__name__ for cls in classes)
                fix = f"{nearest(name, known)}The settings are {', '.join(known)}."
                raise bad("--set", self.who, what, name, fix)

    def of(self, cls: type) -> dict[str, Any]:
        """The values that are fields of `cls`, as their types."""
        types = settable(cls)
        return {name: read(name, text, types[name]) for name, text in self.values.items() if name in types}


def parse_settings(pairs: Iterable[str], who: str, named: Mapping[str, int | None]) -> Settings:
    """Settings from `key=value` texts and from options of their own, such as --dim.

    Raises:
        ArgumentError: no `=`, or a name set twice.
    """
    values: dict[str, str] = {name: str(value) for name, value in named.items() if value is not None}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        name = name.strip()
        if not equals or not name:
            raise bad("--set", who, "key=value", pair, "For example --set epochs=5.")
        if name in values:
            raise bad("--set", who, "given once for each key", name, f"It is {values[name]} already.")
        values[name] = text.strip()
    return Settings(values, who)


def settable(cls: type) -> dict[str, Any]:
    """The fields of a dataclass that text can spell, with their types."""
    hints = get_type_hints(cls)
    return {f.name: hints[f.name] for f in dataclasses.fields(cls) if plain_type(hints[f.name])[0] in READABLE}


def read(name: str, text: str, hint: Any) -> Any:
    """`text` as the type that a field has.

    Raises:
        ArgumentError: it does not spell one.
    """
    kind, optional = plain_type(hint)
    if optional and text.lower() == "none":
        return None
    try:
        if kind == NUMBERS:
            return tuple(map(float, text.split(",")))
        return WORDS[text.lower()] if kind is bool else kind(text)
    except (ValueError, KeyError):
        told = {int: "a whole number", float: "a number", bool: "true or false", NUMBERS: "numbers with commas between"}
        what = told[kind]
        raise bad(name, "--set", what, text) from None


def find_variant(name: str, variant: str | None, graph: Graph | None = None) -> tuple[Any, str]:
    """The class of a model, or the closed form that stands for it with its options; and why that one.

    Args:
        name: of the model.
        variant: "enhanced" for the closed form; "base" or None for the class itself.
        graph: to be learned, by whose size the closed form is chosen; None where it is not read yet.

    Raises:
        ArgumentError: there is none, or it is no recipe.
    """
    from graphtune.models import ENHANCED, enhanced

    if variant is None or one_of("--variant", "embed", variant, VARIANTS) == "base":
        return find_recipe(name), ""
    if name.lower() not in ENHANCED:
        raise bad("--model", "embed", f"one of {', '.join(ENHANCED)} with --variant enhanced", name)
    return (ENHANCED[name.lower()], "") if graph is None else enhanced(name.lower(), graph)


def find_recipe(name: str) -> Any:
    """The class of a model: a name that graphtune knows, or "package.module:Class".

    Raises:
        ArgumentError: there is none, or it is no recipe.
    """
    from graphtune.models import RECIPES

    module, colon, attribute = name.partition(":")
    if colon:
        return _import_recipe(name, module, attribute)
    if name.lower() not in RECIPES:
        fix = f"{nearest(name.lower(), RECIPES)}A model of your own goes as package.module:Class."
        raise bad("--model", "graphtune", f"one of {', '.join(RECIPES)}", name, fix)
    return RECIPES[name.lower()]


def own_recipes(name: str | None) -> tuple[type, ...]:
    """The class to open a directory with, where --model names one."""
    return () if name is None else (find_recipe(name),)


def configure(recipe: Any, settings: Settings) -> tuple[Any, TrainConfig]:
    """The recipe, a class or one with options, with its settings; and how to train it."""
    recipe_class = recipe if isinstance(recipe, type) else type(recipe)
    of_training = set(settable(TrainConfig))
    if hasattr(recipe_class, "solve"):
        of_training = {"seed"}  # nothing else of it matters then
    settings.check(
        recipe_class, TrainConfig, hidden=set(settable(TrainConfig)) - of_training - set(settable(recipe_class))
    )
    recipe = recipe_class(**{**({} if recipe is recipe_class else vars(recipe)), **settings.of(recipe_class)})
    training = {name: value for name, value in settings.of(TrainConfig).items() if name in of_training}
    return recipe, dataclasses.replace(recipe.training(), **training)


def nearest(name: str, known: Iterable[str]) -> str:
    """Did you mean 'epochs'? Or nothing."""
    found = difflib.get_close_matches(name, list(known), n=1)
    return f"Did you mean {found[0]!r}? " if found else ""


def plain_type(hint: Any) -> tuple[Any, bool]:
    """The type in `X` or `X | None`, and whether None may stand."""
    options = [option for option in get_args(hint) if option is not NoneType]
    return (options[0], True) if len(options) == 1 and NoneType in get_args(hint) else (hint, False)


def _import_recipe(name: str, module: str, attribute: str) -> type:
    here = os.getcwd()
    if here not in sys.path:
        sys.path.insert(0, here)  # as `python -m` has it, so that a file beside the data is found
    try:
        found = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise ArgumentError(f"`--model` must name a class that can be imported. Got {name!r}: {error}.") from None
    wanted = ("build", "solve" if hasattr(found, "solve") else "pretraining", "training")
    if not (isinstance(found, type) and is_dataclass(found) and all(hasattr(found, method) for method in wanted)):
        what = f"a dataclass with {', '.join(wanted)} (graphtune.Recipe)"
        raise bad("--model", "graphtune", what, name)
    return found  # type: ignore[return-value]
