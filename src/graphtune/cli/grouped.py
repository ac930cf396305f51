"""From a class of options to the options of a command, and from what was typed to an object of the class.

A class of options is a dataclass whose fields are options, `Annotated` for typer, or further classes of options.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from inspect import Parameter, Signature, signature
from typing import Any, TypeVar, get_type_hints

T = TypeVar("T")


def grouped(command: Callable[..., None]) -> Callable[..., None]:
    """The command as typer is to see it: in the place of a class of options it has the options themselves."""
    asked = signature(command, eval_str=True).parameters

    def typed(**values: Any) -> None:
        command(**{name: _value(name, one.annotation, values) for name, one in asked.items()})

    typed.__name__, typed.__doc__ = command.__name__, command.__doc__
    options = [option for name, one in asked.items() for option in _flat(name, one.annotation, one.default)]
    typed.__signature__ = Signature(options)  # type: ignore[attr-defined]
    return typed


def options_of(cls: type) -> list[Parameter]:
    """Every option of a class, those of the classes in it too, in their order."""
    types = get_type_hints(cls, include_extras=True)
    return [option for field in fields(cls) for option in _flat(field.name, types[field.name], _default(field))]


def made(cls: type[T], values: Mapping[str, Any]) -> T:
    """An object of a class of options, from the values of its options by name; what is not there is at its default."""
    types = get_type_hints(cls)
    given = [name for name in types if name in values or _is_group(types[name])]
    return cls(**{name: _value(name, types[name], values) for name in given})


def _is_group(annotation: Any) -> bool:
    """Whether it is a class of options, and not one option."""
    return is_dataclass(annotation)


def _flat(name: str, annotation: Any, default: Any) -> list[Parameter]:
    if _is_group(annotation):
        return options_of(annotation)
    return [Parameter(name, Parameter.KEYWORD_ONLY, default=default, annotation=annotation)]


def _value(name: str, annotation: Any, values: Mapping[str, Any]) -> Any:
    return made(annotation, values) if _is_group(annotation) else values[name]


def _default(field: Field[Any]) -> Any:
    if field.default_factory is not MISSING:
        return field.default_factory()
    return Parameter.empty if field.default is MISSING else field.default
