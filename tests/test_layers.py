"""The layers of docs/architecture.md, read off the imports of the source: they point downwards only."""

import ast
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "graphtune"

# Each unit is a module or a package; it may import from the lines above its own, and from itself.
LAYERS = (
    ("check", "card"),
    ("ids", "findings", "files", "config", "launch", "kernels"),
    ("graph", "batch"),
    ("cleaning", "events", "disk", "estimate", "split", "convert", "metrics", "statistics", "sampling", "objectives"),
    ("io", "models"),
    ("vectors",),
    ("answers", "datasets", "evaluate", "start", "train", "store"),
    ("tasks", "testing"),
    ("adapt",),
    ("demo", "reporting"),
    ("cli",),
    ("__main__",),
)
LAYER_OF = {unit: number for number, units in enumerate(LAYERS) for unit in units}
DATA_SIDE = ("check", "ids", "findings", "files", "config", "launch", "graph", "kernels", "cleaning", "events", "disk",
             "estimate", "split", "convert", "metrics", "statistics", "io", "datasets", "card")  # fmt: skip
HEAVY = ("torch", "torch_geometric", "dgl", "pandas", "networkx", "igraph", "leidenalg", "gensim")


def modules() -> dict[str, Path]:
    """Every module of graphtune by its name, without the package's own __init__, which imports lazily."""
    found = {}
    for path in sorted(SOURCE.rglob("*.py")):
        parts = path.relative_to(SOURCE).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return {name: path for name, path in found.items() if name}


MODULES = modules()


def imports(tree: ast.AST) -> set[str]:
    """The modules that the statements under `tree` import, by their full names."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are written in full"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def ours(module: str) -> set[str]:
    """The modules of graphtune that `module` imports, anywhere in it."""
    found = set()
    for name in imports(ast.parse(MODULES[module].read_text())):
        parts = name.split(".")
        if parts[0] == "graphtune":
            candidates = (".".join(parts[1:end]) for end in range(len(parts), 1, -1))
            found |= {next((name for name in candidates if name in MODULES), "")} - {""}
    return found


def unit(module: str) -> str:
    return module.split(".")[0]


def test_the_source_is_found():
    assert {"check", "models.base", "train.fit", "tasks"} <= set(MODULES)
    assert {"kernels.skipgram", "batch"} <= ours("objectives.walks") and "split" in ours("tasks.base")


@pytest.mark.parametrize("module", MODULES)
def test_imports_point_to_lower_layers(module):
    assert unit(module) in LAYER_OF, f"say in LAYERS where {unit(module)} belongs"
    for other in ours(module):
        lower = LAYER_OF.get(unit(other), -1) < LAYER_OF[unit(module)]
        assert lower or unit(other) == unit(module), f"{module} must not import {other}, which lies no lower"


def test_kernels_know_nothing_but_check():
    for module in MODULES:
        if unit(module) == "kernels":
            assert {unit(other) for other in ours(module)} <= {"kernels", "check"}, module


def test_no_module_imports_itself_through_others():
    graph = {module: ours(module) for module in MODULES}
    done: set[str] = set()

    def visit(module: str, path: tuple[str, ...]) -> None:
        assert module not in path, "a cycle: " + " -> ".join([*path[path.index(module) :], module])
        if module not in done:
            for other in sorted(graph[module]):
                visit(other, (*path, module))
            done.add(module)

    for module in graph:
        visit(module, ())


@pytest.mark.parametrize("module", [m for m in MODULES if unit(m) in DATA_SIDE])
def test_data_side_modules_load_nothing_heavy(module):
    tree = ast.parse(MODULES[module].read_text())
    at_load = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    loaded = {name.split(".")[0] for node in at_load for name in imports(node)}
    assert not loaded & set(HEAVY), "heavy modules are imported where they are used"
