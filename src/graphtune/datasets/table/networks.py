"""Networks: their edges, and what is known of their nodes beside features."""

from __future__ import annotations

from graphtune.datasets.info import RAW, DatasetInfo, files_below

DEEPWALK = RAW + "phanein/deepwalk/abe220b60dd08bb270aa08cb19f2050feb9b1664/example_graphs/"
KARATE = RAW + "benedekrozemberczki/karateclub/daed288cd54f46d7dd3decfaa25c41dff1cd230e/dataset/node_level/lastfm/"
FLUID = RAW + "aletundo/fluidc-and-fluidcplus/32e75c14ec8b57bf4a9312dd39adb620a05481bf/"

NETWORKS = (
    DatasetInfo(
        "blogcatalog",
        "BlogCatalog: friendships of bloggers, with the groups they joined",
        "node classification",
        "https://github.com/phanein/deepwalk/tree/master/example_graphs",
        "none stated for the data; the carrying repository is GPL-3.0",
        {"nodes": 10312, "edges": 333983, "labels": 39},
        files_below(
            "node/", DEEPWALK, {"blogcatalog.mat": "d4f4fb89ce1ccd4b7e2a183386c000773cc9362cc61f1be5b246a6d9c259da8f"}
        ),
    ),
    DatasetInfo(
        "ego-facebook",
        "ego-Facebook: friendships in the circles of ten Facebook users",
        "link prediction",
        "https://snap.stanford.edu/data/ego-Facebook.html",
        "none stated",
        {"nodes": 4039, "edges": 88234},
        files_below(
            "node/", None, {"facebook_combined.txt": "9ee9f6c10566429c82f714886d34267338baa66ef207ba13c87f5583879e456f"}
        ),
    ),
    DatasetInfo(
        "ca-astroph",
        "ca-AstroPh: co-authors on arXiv astrophysics, largest component",
        "link prediction",
        "https://snap.stanford.edu/data/ca-AstroPh.html",
        "none stated",
        {"nodes": 17903, "edges": 196972},
        files_below(
            "node/", None, {"ca-AstroPh.txt": "7771181adc0ab4dc598337c400ca288c9752f213a14cfbfbbfde147866f44534"}
        ),
    ),
    DatasetInfo(
        "lastfm-asia",
        "LastFM Asia: mutual followers, with their country",
        "node classification",
        "https://github.com/benedekrozemberczki/karateclub/tree/master/dataset/node_level/lastfm",
        "none stated for the data; the carrying repository is GPL-3.0",
        {"nodes": 7624, "edges": 27806, "classes": 18},
        files_below(
            "node/karateclub_lastfm_",
            KARATE,
            {
                "edges.csv": "4a6f555d2ccbbbaf1aa4f46b10b0e612aa515730a513d3e1ac951e1e4dcd733c",
                "target.csv": "91f19215f6eca8321feec038bd32900cf13fd4f7e041a9976cf202807c72ac16",
            },
        ),
    ),
    DatasetInfo(
        "football",
        "American college football games of autumn 2000, with the teams' conferences",
        "community detection",
        "http://www-personal.umich.edu/~mejn/netdata/",
        "none stated",
        {"nodes": 115, "edges": 613, "classes": 12},
        files_below(
            "node/", FLUID, {"football.gml": "1e271fa2e2ed184078273077fddc48299f0b263923394e4e2c06c4bbc4ea73cc"}
        ),
    ),
    DatasetInfo(
        "polbooks",
        "Books on US politics bought together, with their leaning",
        "community detection",
        "http://www-personal.umich.edu/~mejn/netdata/",
        "none stated",
        {"nodes": 105, "edges": 441, "classes": 3},
        files_below(
            "node/", None, {"polbooks.gml": "29e2439036fa4e13b478a9d4ceda78b5ab4d4d8252882a7f2b6036b028e34848"}
        ),
    ),
)
