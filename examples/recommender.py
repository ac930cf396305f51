"""A recommender from a log of events to a served answer, under the log's own ids.

Read, clean, split, compare with the most popular items, recommend with filters, diversity and reasons, write all
recommendations to Parquet, answer over HTTP. Run it on your own log with `python examples/recommender.py EVENTS.csv
[ITEMS.csv]`: columns user and item; and item, then what is known of items. Without arguments it makes a small log in
which people keep to a taste.
"""

import http.client
import json
import sys
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import numpy as np

import graphtune as gt
from graphtune.evaluate import evaluate_recommendations


def small_log(directory: Path) -> tuple[Path, Path]:
    """200 people with one of four tastes, nine in ten events of it; and the tastes of the 80 items."""
    rng = np.random.default_rng(0)
    lines = ["user,item"]
    for user in range(200):
        for _ in range(15):
            taste = user % 4 if rng.random() < 0.9 else rng.integers(4)
            lines.append(f"user{user},item{taste * 20 + int(20 * rng.random() ** 2)}")
    events, items = directory / "events.csv", directory / "items.csv"
    events.write_text("\n".join(lines) + "\n")
    items.write_text("item,taste\n" + "".join(f"item{i},taste{i // 20}\n" for i in range(80)))
    return events, items


class Popularity:
    """The most taken items for everybody. Whatever has a graph and `frozen()` scores can be judged and asked."""

    def __init__(self, graph: gt.Graph):
        self.graph = graph
        self.times_taken = np.bincount(graph.edges[1], minlength=graph.num_nodes).astype(np.float32)

    def frozen(self) -> "Popularity":
        return self

    def cross(self, u: np.ndarray, columns: range) -> np.ndarray:
        return np.tile(self.times_taken[columns.start : columns.stop], (len(u), 1))

    def pairs(self, u: np.ndarray, v: np.ndarray) -> np.ndarray:
        return self.times_taken[v]


def learn(split: gt.Split) -> gt.Model:
    """Pretrained by BPR, fine-tuned by a softmax over sampled items; all three rankings side by side."""
    task = gt.Recommendation(split, k=10)
    config = gt.TrainConfig(epochs=40, batch_size=512, lr=0.01, l2=1e-4, eval_every=5, patience=3)
    pretrained = gt.pretrain(gt.BPRMF(dim=32), split, config).model
    tuned = gt.finetune(pretrained, task, task.defaults()).model
    scores = {
        "popularity": evaluate_recommendations(Popularity(split.train), split, k=10),
        "pretrained": task.evaluate(pretrained),
        "fine-tuned": task.evaluate(tuned),
    }
    print(gt.compare(scores, "ndcg_10", baseline="popularity"))
    return tuned


def ask(answers: gt.Recommender, user: str) -> None:
    """The questions that a recommender gets."""
    found = answers.recommend(user, k=5)
    print(f"\nfor {user}:", found.of(user))
    print("more unlike each other:", answers.recommend(user, k=5, diversity=0.5).of(user))
    best = found.of(user)[0][0]
    print(f"without {best}:", answers.recommend(user, 5, gt.Filter(without=[best])).of(user))
    if answers.attributes is not None:
        column, values = next(iter(answers.attributes.columns.items()))
        chosen = gt.Filter(where={column: values[0]})
        print(f"of {column} {values[0]}:", answers.recommend(user, 5, chosen).of(user))
    why = answers.explain(user, best)
    print(f"why {best}:", [(item, round(part, 3)) for item, part in why.parts[:3]], f"rest {why.rest:.3f}")
    print(f"like {best}:", answers.similar(best, 3, "item"))
    print(f"like {user}:", answers.similar(user, 3, "user"))


def serve(answers: gt.Recommender) -> ThreadingHTTPServer:
    """Answer GET /recommend?user=USER&k=5 with JSON, on a free port of this machine."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            query = parse_qs(urlsplit(self.path).query)
            try:
                user, k = query["user"][0], int(query.get("k", ["10"])[0])
                items = [{"item": item, "score": score} for item, score in answers.recommend(user, k).of(user)]
                code, answer = 200, {"user": user, "items": items}
            except (KeyError, ValueError) as error:  # an unknown user is a ValueError that says so
                code, answer = 400, {"error": str(error)}
            self.send_response(code)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(json.dumps(answer).encode())

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def get(server: ThreadingHTTPServer, path: str) -> str:
    connection = http.client.HTTPConnection(*server.server_address[:2])
    connection.request("GET", path)
    answer = connection.getresponse()
    return f"{answer.status} {answer.read().decode()}"


def main() -> None:
    with tempfile.TemporaryDirectory() as directory:
        paths = [Path(name) for name in sys.argv[1:]] or small_log(Path(directory))
        graph, report = gt.read_events(paths[0])
        graph, cleaned = gt.clean(graph)
        print(report, cleaned, sep="\n")
        split = gt.split_interactions(graph)
        model = learn(split)

        attributes = gt.read_attributes(paths[1], graph)[0] if len(paths) > 1 else None
        answers = gt.Recommender(model, known=graph, attributes=attributes)
        (user,) = graph.ids.values([0])
        ask(answers, user)

        saved = answers.write(Path(directory) / "recommendations.parquet", k=10)
        print(f"\n{saved.rows} recommendations in {saved.path.name}, search: {saved.search}")
        server = serve(answers)
        print(get(server, f"/recommend?user={user}&k=3"))
        print(get(server, "/recommend?user=nobody"))
        server.shutdown()


if __name__ == "__main__":
    main()
