"""The commands `graphtune datasets ...`; what they do stands in `registry`."""

from __future__ import annotations

from typing import Annotated, TypeAlias

import typer

from graphtune.cli.options import shared as o
from graphtune.cli.talk import Talk

Name: TypeAlias = Annotated[str, typer.Argument(metavar="NAME")]

datasets_app = typer.Typer(no_args_is_help=True, help="Public data sets by name.")


@datasets_app.command("list")
def list_datasets(json: o.Json = False) -> None:
    """Their names."""
    from graphtune.cli.registry import listed, show_list

    Talk(json).run(listed, show_list)


@datasets_app.command("info")
def dataset_info(name: Name, json: o.Json = False) -> None:
    """What one holds, its source and its licence."""
    from graphtune.cli.registry import info, show_info

    Talk(json).run(lambda: info(name), show_info)


@datasets_app.command("fetch")
def fetch_dataset(name: Name, json: o.Json = False) -> None:
    """Download one, verified, unless it is here."""
    from graphtune.cli.registry import fetched, show_fetched

    Talk(json).run(lambda: fetched(name), show_fetched)
