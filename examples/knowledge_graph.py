"""Knowledge-graph completion: find patterns, train, evaluate by filtered realistic ranks, ask what is missing and why.

Run it on your own files with `python examples/knowledge_graph.py TRIPLES.tsv` (head, relation, tail); without an
argument it writes down a few hundred family facts, of which some follow from others.
"""

import sys
import tempfile
from pathlib import Path

import graphtune as gt


def families(directory: Path) -> Path:
    """Parents of 60 people in three generations, with what follows: child of, grandparent of, sibling of."""
    lines = []
    for family in range(12):
        first, parents = f"f{family}_old", [f"f{family}_a", f"f{family}_b"]
        children = {p: [f"{p}{i}" for i in range(2)] for p in parents}
        for p in parents:
            lines += [(first, "parent_of", p), (p, "child_of", first)]
            for c in children[p]:
                lines += [(p, "parent_of", c), (c, "child_of", p), (first, "grandparent_of", c)]
            lines += [(a, "sibling_of", b) for a in children[p] for b in children[p] if a != b]
        lines += [(a, "sibling_of", b) for a in parents for b in parents if a != b]
    path = directory / "families.tsv"
    path.write_text("".join("\t".join(line) + "\n" for line in lines))
    return path


def main() -> None:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(sys.argv[1]) if len(sys.argv) > 1 else families(Path(directory))
        graph, report = gt.read_triples(path)
        print(report)
        print("", *gt.relation_patterns(graph).found, "", sep="\n")
        # Facts that follow from one another would leak between parts, so inverse facts stay together.
        split = gt.split_triples(graph)
        recipe = gt.ComplEx(dim=32)
        config = gt.TrainConfig(epochs=60, batch_size=128, lr=0.1, optimizer="adagrad", n3=0.01, eval_every=10)
        model = gt.pretrain(recipe, split, config).model
        print(gt.TripleCompletion(split).evaluate(model))
        model.calibration = gt.calibrate(model, split)

        (head, tail) = graph.ids.values(graph.edges[:, 0])
        (relation,) = graph.relation_ids.values(graph.relation[:1])
        for asked in ((head, relation, None), (None, relation, tail), (head, None, tail)):
            print("\n" + " ".join(part or "?" for part in asked))
            for answer in model.complete(*asked, k=3, known=split).answers:
                told = f"in {answer.known}" if answer.known else f"new, with probability {answer.probability:.2f}"
                print(f"  {answer.id}  score {answer.score:.2f}, {told}")

        # Paths tell why, and see what embeddings do not: the two fused are often better than either.
        paths = gt.pretrain(gt.PathRanking(), split).model
        print(f"\n{relation} goes by:")
        for relations, weight in gt.path_rules(paths, relation, k=3):
            print(f"  {', '.join(relations)}  weight {weight:.2f}")
        print(gt.TripleCompletion(split).evaluate(gt.fuse([model, paths], split, "weights")))


if __name__ == "__main__":
    main()
