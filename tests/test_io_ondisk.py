"""Edge lists read onto disk: the same graph and the same findings as in memory, however small the parts are."""

import gzip

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import graphtune as gt
from graphtune.check import ArgumentError, DataError
from graphtune.io import idstream, ondisk, parts, read_edges
from graphtune.kernels import memory

UNLOOKED = ("components", "unusually high degree", "isolated")


def make_small(monkeypatch):
    """Parts of 40 bytes or 5 rows, blocks of 8 edges."""
    monkeypatch.setattr(parts, "PART_BYTES", 40)
    monkeypatch.setattr(parts, "PART_ROWS", 5)
    monkeypatch.setattr(memory, "BLOCK", 8)


@pytest.fixture
def small_parts(monkeypatch):
    make_small(monkeypatch)


def same(path, place, **options):
    """The graph that is read onto disk and its report, held against the one read into memory."""
    whole, told = read_edges(path, **options)
    graph, report = read_edges(path, on_disk=place, memory=480, **options)
    assert graph.ids == whole.ids
    assert np.array_equal(graph.edges, whole.edges) and graph.directed == whole.directed
    assert (graph.weight is None) == (whole.weight is None)
    assert whole.weight is None or np.array_equal(graph.weight, whole.weight)
    assert graph.fingerprint == whole.fingerprint and gt.load_graph(place).fingerprint == whole.fingerprint
    counts = {f.what: (f.count, f.action) for f in told.findings if not any(word in f.what for word in UNLOOKED)}
    assert {f.what: (f.count, f.action) for f in report.findings} == counts
    assert report.summary == {name: told.summary[name] for name in ("nodes", "edges")}
    return graph, report


NAMES = ["a", "b", "c", "d", "e", " f", "g h", "1", "2", "0007", "x,y"]


@settings(deadline=None, max_examples=40)
@given(
    rows=st.lists(
        st.tuples(st.sampled_from(NAMES), st.sampled_from(NAMES), st.integers(1, 5)), min_size=2, max_size=40
    ),
    directed=st.booleans(),
    weighted=st.booleans(),
)
def test_the_graph_is_that_in_memory(rows, directed, weighted, tmp_path_factory):
    at = tmp_path_factory.mktemp("read")
    lines = [f'"{u}","{v}",{w}' for u, v, w in rows if u != v]
    (at / "edges.csv").write_text("\n".join(["source,target,w", '"a","b",1', *lines]) + "\n")
    with pytest.MonkeyPatch.context() as patch:
        make_small(patch)
        same(at / "edges.csv", at / "graph", directed=directed, weight="w" if weighted else None)


@pytest.mark.parametrize(
    "text",
    [
        "1 2\n2 3\n3 1\n",
        "# note\n# more\n10\t20\n20\t30\n5\t10\n",
        "source,target\na,b\nb,c\nc,a\nb,a\na,b\na,a\n",
        "source,target\na,b\nb\n,c\nc,a,9\n  d ,a\nd,a\n" + "e,f\n" * 30,
        "a  b\n b   c\n\n c \t d\n" * 9,
        "1.0,2\n2,3.0\n" * 7,
        "1,2\r\n2,3\r\n3,4\r\n4,5\r\n5,6\r\n6,7\r\n7,8",
        '"a\nb",c\nd,e\n"x ""y""",d\n' + "".join(f'"n{i},",e\n' for i in range(20)),
    ],
)
@pytest.mark.parametrize("packed", [False, True])
def test_text_of_every_kind(tmp_path, small_parts, text, packed):
    path = tmp_path / ("edges.csv.gz" if packed else "edges.csv")
    path.write_bytes(gzip.compress(text.encode()) if packed else text.encode())
    same(path, tmp_path / "graph")


def test_weights_and_their_faults(tmp_path, small_parts):
    path = tmp_path / "edges.csv"
    lines = ["a,b,1", "b,c,0", "c,d,-2", "d,e,inf", "e,f,x", "f,g,", "g,h,3", "h,g,4", "a,b,7"] * 3
    path.write_text("\n".join(["source,target,weight", *lines]) + "\n")
    _, report = same(path, tmp_path / "graph", weight="weight")
    shown = {f.what: f.examples for f in report.findings}
    assert shown["edges of weight zero"][0] == "b - c: 0"
    assert shown["rows whose weight is no number"][0] == "row 5: e - f"


def test_lines_keep_their_numbers(tmp_path, small_parts):
    path = tmp_path / "edges.csv"
    path.write_text("source,target\n" + "aaaa,bbbb\n" * 20 + "broken\n" + "c,d\n" * 10)
    _, report = same(path, tmp_path / "graph")
    assert next(f for f in report.findings if "columns" in f.what and f.action == "dropped").examples == (
        "line 22: broken",
    )


@pytest.mark.parametrize("ids", [["a", "b", None, "c"], [7, 3, None, 10**17]])
def test_parquet(tmp_path, small_parts, ids):
    rng = np.random.default_rng(0)
    picked = [[ids[i] for i in rng.integers(0, 4, 40)] for _ in range(2)]
    frame = pl.DataFrame({"source": picked[0], "target": picked[1], "w": rng.integers(1, 4, 40)}, strict=False)
    frame.write_parquet(tmp_path / "edges.parquet")
    same(tmp_path / "edges.parquet", tmp_path / "graph", weight="w", directed=True)


def test_equal_hashes_are_told_apart_by_another_seed(tmp_path, monkeypatch):
    (tmp_path / "edges.csv").write_text("a,b\nb,c\nc,d\n")
    real, seeds = pl.Series.hash, []

    def poor(series, seed):
        seeds.append(seed)
        return real(series, seed) if seed != 1 else pl.Series([7] * len(series), dtype=pl.UInt64)

    monkeypatch.setattr(idstream.pl.Series, "hash", poor)
    graph, _ = read_edges(tmp_path / "edges.csv", on_disk=tmp_path / "graph")
    assert {1, 3} <= set(seeds) and graph.num_nodes == 4
    monkeypatch.setattr(ondisk, "HASH_SEEDS", (1,))
    with pytest.raises(DataError, match="hashes"):
        read_edges(tmp_path / "edges.csv", on_disk=tmp_path / "other")


@pytest.mark.parametrize(
    "options, match",
    [
        ({"time": "t"}, "`time`"),
        ({"relation": "t"}, "`relation`"),
        ({"label": "t"}, "`label`"),
        ({"cleaning": gt.Cleaning(duplicates="sum")}, "duplicates"),
        ({"cleaning": gt.Cleaning(k_core=2)}, "k_core"),
        ({"source": "nope"}, "nope"),
    ],
)
def test_what_is_not_read_on_disk_is_refused(tmp_path, options, match):
    (tmp_path / "edges.csv").write_text("source,target,t\na,b,1\n")
    with pytest.raises(ArgumentError, match=match):
        read_edges(tmp_path / "edges.csv", on_disk=tmp_path / "graph", **options)
    assert not (tmp_path / "graph").exists()


def test_other_files_and_dirty_ones_are_refused_and_leave_nothing(tmp_path):
    (tmp_path / "a.gml").write_text("graph []")
    with pytest.raises(ArgumentError, match=r"\.gml"):
        read_edges(tmp_path / "a.gml", on_disk=tmp_path / "graph")
    (tmp_path / "edges.csv").write_text("a,b\nb,a\n")
    with pytest.raises(DataError, match="both directions"):
        read_edges(tmp_path / "edges.csv", on_disk=tmp_path / "graph", strict=True)
    (tmp_path / "loops.csv").write_text("a,a\nb,b\n")
    with pytest.raises(DataError, match="at least one edge"):
        read_edges(tmp_path / "loops.csv", on_disk=tmp_path / "graph")
    with pytest.raises(DataError, match="no such file"):
        read_edges(tmp_path / "none.csv", on_disk=tmp_path / "graph")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.gml", "edges.csv", "loops.csv"]
    kept, _ = read_edges(tmp_path / "edges.csv", on_disk=tmp_path / "graph", cleaning=gt.Cleaning(duplicates="keep"))
    assert kept.num_edges == 2
