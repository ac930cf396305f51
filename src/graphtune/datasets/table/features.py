"""Graphs whose nodes have features or texts."""

from __future__ import annotations

from graphtune.datasets.info import RAW, DatasetInfo, files_below

PLANETOID = RAW + "kimiyoung/planetoid/master/data/"
GRAPH_DATA = RAW + "EdisonLeeeee/GraphData/b82d4dd2ed63cdcbb318d793597099ef6b1e8fe5/datasets/"
MUSAE = RAW + "benedekrozemberczki/MUSAE/master/input/"
WEBKB = RAW + "sktsherlock/TAG-Benchmark/6fd83817a67c55e552195985028badb1a46d796e/data/webkb/"

FEATURES = (
    DatasetInfo(
        "cora",
        "Cora citations, bags of words, Planetoid's public split",
        "node classification",
        "https://github.com/kimiyoung/planetoid",
        "MIT",
        {"nodes": 2708, "edges": 5278, "features": 1433, "classes": 7, "train": 140, "valid": 500, "test": 1000},
        files_below(
            "gnn/planetoid/Cora/raw/",
            PLANETOID,
            {
                "ind.cora.x": "23cfa55d91c6f624233f5eb7b6e3f141f1bd2b2ae39608a63cf5d084bb27baab",
                "ind.cora.tx": "b9afbaa4a400df991f6f02ef677e1e44da55ffc04801fd02f9e673987829226a",
                "ind.cora.allx": "9419ba2f26f5c35243db64aba110e0f35a04851609e0dc5433450676ca6b8543",
                "ind.cora.y": "94465c14eb53e04ca262198dcbb2521ee8af60fb3f3d546cd6ca24a511b0e7d1",
                "ind.cora.ty": "41f5ac76596a1699cc33f53084a2419e92961c42bb75f36fc38e616d348532ad",
                "ind.cora.ally": "2b998f5cc7fedc86e7f97ca2498f47a1ffc1462c29e2d578b23bf3f62b6e7d71",
                "ind.cora.graph": "58f13302f39dde8852dad6fe6d15b89b077b6d7f837626bce671ef80344b383d",
                "ind.cora.test.index": "297ce89af2b51a6a194181c7dbe1796c6a1cf9cd9349a88383b1b1e227867875",
            },
        ),
    ),
    DatasetInfo(
        "citeseer",
        "CiteSeer citations, bags of words, Planetoid's public split",
        "node classification",
        "https://github.com/kimiyoung/planetoid",
        "MIT",
        {"nodes": 3327, "edges": 4552, "features": 3703, "classes": 6, "train": 120, "valid": 500, "test": 1000},
        files_below(
            "gnn/planetoid/CiteSeer/raw/",
            PLANETOID,
            {
                "ind.citeseer.x": "d20de19150741e555de0ed037195630fc194114ebc7fd72ced62810148aa22f6",
                "ind.citeseer.tx": "539a8906a2da97628d212f2fdd668c109a8b3f0d36574b59e5d3fd5b5303da21",
                "ind.citeseer.allx": "2ac30345d95c9ec933a817ee0bdd6a5f077f8c184a20e696910192d534414668",
                "ind.citeseer.y": "8ba87e515d8e3ee3cf52f6d2c5b86aa73f11ecad825a808455209ec26cd54924",
                "ind.citeseer.ty": "55e5bd1ba1e733a04598753ad1a8d57957f4b8f89e74519f41f4f4938767e4ce",
                "ind.citeseer.ally": "f704b2d986dde6c2669934de1f3ae5696a6cf9455c0f6b2646a2d135ea0a1c95",
                "ind.citeseer.graph": "d79a4ef9d3e7169aee8946145f6b7306e35bc79bffad26346cfb94e10e9912a7",
                "ind.citeseer.test.index": "2af990671580b6b2df5d158d1038f8292e30c9cd821b5453f399659b25b723d4",
            },
        ),
    ),
    DatasetInfo(
        "coauthor-cs",
        "Coauthor CS: authors who wrote together, keywords of their papers, their field",
        "node classification",
        "https://github.com/EdisonLeeeee/GraphData",
        "MIT at the origin (shchur/gnn-benchmark); none stated by the carrying repository",
        {"nodes": 18333, "edges": 81894, "features": 6805, "classes": 15},
        files_below(
            "gnn/", GRAPH_DATA, {"coauthor_cs.npz": "7b7b51bf270d341f1c4231834c58a526bb04db003fd76a6d2f51ad7d252005ed"}
        ),
    ),
    DatasetInfo(
        "chameleon",
        "Wikipedia pages on chameleons: links, nouns in the text, monthly traffic",
        "node regression",
        "https://github.com/benedekrozemberczki/MUSAE",
        "none stated for the data; the carrying repository is GPL-3.0",
        {"nodes": 2277, "edges": 36101, "features": 3132},
        files_below(
            "gnn/musae/",
            MUSAE + "edges/",
            {"chameleon_edges.csv": "b90d671846530ea7c0f6f6d0e3be98eb512ecd8e9741811940fe4029d991b266"},
        )
        + files_below(
            "gnn/musae/",
            MUSAE + "features/",
            {"chameleon.json": "a958c2158cb81bb05cc01f5605ffb3449a7b20b389c8f1e94a0da61dbed6bdbe"},
        )
        + files_below(
            "gnn/musae/",
            MUSAE + "target/",
            {"chameleon_target.csv": "5816b4731cbd156738095550d1f6e37caf6f4dabe1d660c035156408ae6bae43"},
        ),
    ),
    DatasetInfo(
        "cornell",
        "WebKB Cornell: pages of a university, their links, text and category",
        "node classification",
        "https://github.com/sktsherlock/TAG-Benchmark",
        "none stated",
        {"nodes": 191, "edges": 293, "classes": 5},
        files_below(
            "gnn/webkb/",
            WEBKB + "Cornell/",
            {"Cornell.csv": "9df54de8059186c5a374e8dd56076f8f3422658ad48316aba684d8ffe45b95fb"},
        ),
    ),
    DatasetInfo(
        "wisconsin",
        "WebKB Wisconsin: pages of a university, their links, text and category",
        "node classification",
        "https://github.com/sktsherlock/TAG-Benchmark",
        "none stated",
        {"nodes": 265, "edges": 530, "classes": 5},
        files_below(
            "gnn/webkb/",
            WEBKB + "Wisconsin/",
            {"Wisconsin.csv": "49f2d7bfe9449dde2d9c583bc8a642f300b2b3de73e10e409d20cd742a5d85a8"},
        ),
    ),
)
