"""Real data that every installation has: the source code of Python packages, read but not run."""

from __future__ import annotations

import ast
import importlib.util
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from graphtune.check import DataError

LEFT_OUT = ("externals", "test", "tests", "conftest.py")


@dataclass(frozen=True)
class Code:
    """What the source files of a package say.

    Attributes:
        files: how many there are.
        uses: (file, name): the file imports the name, or reaches it through a module that it imports.
        facts: (head, relation, tail) about the public functions and the classes.
    """

    files: int
    uses: tuple[tuple[str, str], ...]
    facts: tuple[tuple[str, str, str], ...]


def read_code(package: str) -> Code:
    """Read the source files of an installed package, its tests left out.

    Raises:
        DataError: it is not installed, or comes without sources.
    """
    found = importlib.util.find_spec(package)
    root = Path(found.origin).parent if found is not None and found.origin else None
    paths = [] if root is None else [p for p in sorted(root.rglob("*.py")) if _wanted(p.relative_to(root))]
    if root is None or not paths:
        raise DataError(f"The package {package} must be installed with its sources. Got none; reinstall it.")
    uses: set[tuple[str, str]] = set()
    facts: set[tuple[str, str, str]] = set()
    for path in paths:
        file = path.relative_to(root.parent)
        tree = ast.parse(path.read_text(encoding="utf-8"))
        uses |= {(file.as_posix(), name) for name in _uses(tree, file)}
        facts |= set(_facts(tree, ".".join(file.with_suffix("").parts)))
    return Code(len(paths), tuple(sorted(uses)), tuple(sorted(facts)))


def _wanted(path: Path) -> bool:
    return not any(part in LEFT_OUT or part.startswith("test_") for part in path.parts)


def _uses(tree: ast.Module, file: Path) -> set[str]:
    """The full names that a file imports, or reaches as attributes of modules that it imports."""
    used: set[str] = set()
    modules: dict[str, str] = {}
    attributes: list[ast.Attribute] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            home = _home(node, file)
            used |= {f"{home}.{name.name}" for name in node.names}
        elif isinstance(node, ast.Import):
            modules |= {name.asname or name.name: name.name for name in node.names}
        elif isinstance(node, ast.Attribute):
            attributes.append(node)
    for node in attributes:
        if isinstance(node.value, ast.Name) and node.value.id in modules:
            used.add(f"{modules[node.value.id]}.{node.attr}")
    return used


def _home(node: ast.ImportFrom, file: Path) -> str:
    """The full name of the module that is imported from."""
    parents = file.parts[: len(file.parts) - node.level] if node.level else ()
    return ".".join([*parents, *([node.module] if node.module else [])])


def _facts(tree: ast.Module, module: str) -> Iterator[tuple[str, str, str]]:
    """Facts on what stands at the top of a module; parameters end in "=", methods in "()"."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
            yield node.name, "is defined in", module
            yield from ((node.name, "takes", f"{name}=") for name in _parameters(node))
        elif isinstance(node, ast.ClassDef):
            yield node.name, "is defined in", module
            yield from ((node.name, "inherits from", name) for name in map(_last_name, node.bases) if name)
            for method in node.body:
                if isinstance(method, ast.FunctionDef):
                    yield from _method_facts(node.name, method)


def _method_facts(owner: str, method: ast.FunctionDef) -> Iterator[tuple[str, str, str]]:
    if method.name == "__init__":
        yield from ((owner, "takes", f"{name}=") for name in _parameters(method) if name != "self")
    elif not method.name.startswith("__"):
        yield owner, "has method", f"{method.name}()"
    for name in _attributes_set(method):
        if name.endswith("_") and not name.startswith("_"):
            yield owner, "learns", name


def _attributes_set(method: ast.FunctionDef) -> Iterator[str]:
    """The names of `self.name = ...` in a method."""
    for node in ast.walk(method):
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and _last_name(node.value) == "self":
            yield node.attr


def _parameters(function: ast.FunctionDef) -> list[str]:
    return [argument.arg for argument in (*function.args.args, *function.args.kwonlyargs)]


def _last_name(node: ast.expr) -> str | None:
    """The name `Base` of `Base` and of `module.Base`."""
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else None
