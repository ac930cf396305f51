"""The demo from beginning to end."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

PACKAGES = ("networkx", "sklearn")


def run_demo(out: Path, quick: bool = False, echo: Callable[[str], None] = print) -> dict[str, Any]:
    """Three real graphs the whole way: read, divided, pretrained, fine-tuned, evaluated, saved.

    All data come with packages that graphtune depends on; nothing is downloaded. Settings were chosen, and training
    is stopped, by validation parts; the scores are of test parts, with 95 % bootstrap intervals over queries.

    Args:
        out: directory to save the models in; what an earlier demo saved there is replaced.
        quick: fewer epochs and less data: rougher scores, sooner.
        echo: takes each piece of the output; progress goes to stderr.

    Returns:
        The stories with their scores, as JSON can say it, and the seconds it took.

    Raises:
        ArgumentError: `out` holds something else where a model is to be saved.
        DataError: a package came without its data, or the disk is full.
    """
    begin = time.monotonic()
    _progress("loading the libraries; the first run also compiles, which takes some seconds")
    import torch

    from graphtune.demo import knowledge, recommender, similarity
    from graphtune.demo.code import read_code
    from graphtune.demo.show import NEXT, story_text
    from graphtune.demo.story import COMMUNITIES, FINE_TUNED, PRETRAINED, Plan
    from graphtune.store import check_target

    plan = Plan(Path(out), quick)
    for chapter in (similarity, recommender, knowledge):
        for role in (PRETRAINED, FINE_TUNED, COMMUNITIES):
            check_target(plan.out / chapter.NAME / role, overwrite=True)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # steps this small lose more in handing work to threads than they gain
    stories = []
    try:
        _progress("1 of 3, a similarity graph")
        stories.append(similarity.similarity_story(plan))
        echo(story_text(1, stories[-1], plan.out))
        _progress("2 of 3, a recommender")
        packages = {name: read_code(name) for name in PACKAGES[: 1 if quick else None]}
        stories.append(recommender.recommender_story(plan, packages))
        echo(story_text(2, stories[-1], plan.out))
        _progress("3 of 3, a knowledge graph")
        stories.append(knowledge.knowledge_story(plan, *list(packages.items())[-1]))
        echo(story_text(3, stories[-1], plan.out))
    finally:
        torch.set_num_threads(threads)
    seconds = time.monotonic() - begin
    rough = " After a few epochs on part of the data they are rough." if quick else ""
    echo(f"Scores are of test parts, with 95 % intervals.{rough} Done in {seconds:.0f} s.\n\n{NEXT}")
    return {"stories": [story.as_dict() for story in stories], "out": str(out), "quick": quick, "seconds": seconds}


def _progress(text: str) -> None:
    print(f"demo: {text}", file=sys.stderr, flush=True)
