"""Classes of options: what typer makes of them, and options that are refused where they would do nothing."""

from dataclasses import dataclass, field
from typing import Annotated, get_args

import pytest
import typer
from typer.testing import CliRunner

from cli_help import run
from graphtune.cli.grouped import grouped, made, options_of
from graphtune.cli.options import data, learn, saved
from graphtune.cli.room import duration


@dataclass(frozen=True, kw_only=True)
class Inner:
    """A group within a group."""

    weight: Annotated[float | None, typer.Option("--weight", help="A number.")] = None
    strict: Annotated[bool, typer.Option("--strict", help="Or not.")] = False


@dataclass(frozen=True, kw_only=True)
class Outer:
    """What the command is asked."""

    file: Annotated[str, typer.Argument(metavar="FILE", help="Of text.")]
    inner: Inner = field(default_factory=Inner)
    set: Annotated[list[str], typer.Option("--set", help="Several.")] = field(default_factory=list)


def classes() -> list[type]:
    found = [value for module in (data, learn, saved) for value in vars(module).values() if isinstance(value, type)]
    return [cls for cls in dict.fromkeys(found) if cls.__module__.startswith("graphtune.cli.options")]


def asked(*words: str) -> tuple[list[Outer], str]:
    """What a command of these options got, and what it printed."""
    got: list[Outer] = []
    app = typer.Typer()

    def command(asked: Outer, loud: Annotated[bool, typer.Option("--loud")] = False) -> None:
        """What it is for."""
        got.append(asked)
        print("loud" if loud else "quiet")

    app.command()(grouped(command))
    result = CliRunner().invoke(app, words)
    return got, result.output


def test_a_command_gets_an_object_of_what_was_typed():
    assert asked("a.csv") == ([Outer(file="a.csv")], "quiet\n")
    words = ("a.csv", "--weight", "2.5", "--strict", "--set", "a=1", "--set", "b=2", "--loud")
    inner = Inner(weight=2.5, strict=True)
    assert asked(*words) == ([Outer(file="a.csv", inner=inner, set=["a=1", "b=2"])], "loud\n")
    got, printed = asked()
    assert got == [] and "FILE" in printed
    help_ = asked("--help")[1]
    assert "What it is for." in help_ and help_.index("--weight") < help_.index("--set") < help_.index("--loud")


def test_an_object_from_a_file_has_defaults():
    assert made(Outer, {"file": "a.csv", "strict": True}) == Outer(file="a.csv", inner=Inner(strict=True))
    assert [option.name for option in options_of(Outer)] == ["file", "weight", "strict", "set"]


@pytest.mark.parametrize("cls", classes(), ids=lambda cls: cls.__name__)
def test_every_option_has_help(cls):
    for option in options_of(cls):
        assert get_args(option.annotation)[1].help, option.name


@pytest.mark.parametrize(
    "option", ["--directed", "--strict", "--no-header", "--labels x", "--label-type multi", "--features x", "--texts x",
               "--on-disk x", "--label-attribute x", "--session-gap 0"],
)  # fmt: skip
def test_options_that_a_data_set_has_no_use_for(option):
    failed = run("embed", "dataset:nations", *option.split(), "--out", "x")
    assert failed.code == 2 and "left out for a data set by name" in failed.error


def test_models_are_found_in_any_case(tmp_path):
    (tmp_path / "facts.tsv").write_text("a\tknows\tb\nb\tknows\tc\n")
    words = ("inspect", tmp_path / "facts.tsv")
    assert run(*words, "--triples", "--model", "ComplEx", "--json").json["embed"]["model"] == "ComplEx"
    assert "reads relations" in run(*words, "--triples", "--model", "DeepWalk").error
    assert "one for edges" in run(*words, "--model", "EASE").error


def test_options_of_nodes_are_refused_without_nodes():
    for option in ("--task", "--kind"):
        assert "left out without --nodes" in run("predict", "anywhere", "a", "b", option, "x").error


def test_durations_are_of_several_seconds_from_two_on():
    told = [duration(seconds) for seconds in (0.2, 1.2, 1.8, 119, 130, 7300)]
    assert told == ["a second", "a second", "2 seconds", "119 seconds", "2 minutes", "2 hours"]
