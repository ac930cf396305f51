"""The public data sets that graphtune knows: where their files are, what the files' content must be, what is in them.

A URL stands here only where it serves the very bytes of the hash. Files are found, and put, at the same paths under
`GRAPHTUNE_DATA` and under the cache.
"""

from __future__ import annotations

from dataclasses import dataclass

_RAW = "https://raw.githubusercontent.com/"
DEEPWALK = _RAW + "phanein/deepwalk/abe220b60dd08bb270aa08cb19f2050feb9b1664/example_graphs/"
KARATE = _RAW + "benedekrozemberczki/karateclub/daed288cd54f46d7dd3decfaa25c41dff1cd230e/dataset/node_level/lastfm/"
FLUID = _RAW + "aletundo/fluidc-and-fluidcplus/32e75c14ec8b57bf4a9312dd39adb620a05481bf/"
KGE = _RAW + "DeepGraphLearning/KnowledgeGraphEmbedding/617062aaedf53bf4d6b44450a580a96dc30e0632/data/"
KG_BERT = _RAW + "yao8839836/kg-bert/62b76ed5652bf3da5a355cbe9c1109f58290756f/data/"
CODEX = _RAW + "tsafavi/codex/e805ea2f512d7f0f8e44f213bc4db51dac0de118/data/triples/codex-s/"
PYKEEN = _RAW + "pykeen/pykeen/v1.11.1/src/pykeen/datasets/"
LIGHTGCN = _RAW + "gusye1234/LightGCN-PyTorch/a75bbdb2a1b63ae40c14e2b3af7b925c4c8621af/data/"
LASTFM = _RAW + "gusye1234/LightGCN-PyTorch/ef7aae37fc51973feabfc7e534720ea51f9eedf6/data/lastfm/"
LIGHTGCN_PP = _RAW + "geon0325/LightGCNpp/a18af1e1f65dc4b6a432ce5aeaae5bbe75ac1c2e/data/"
PLANETOID = _RAW + "kimiyoung/planetoid/master/data/"
GRAPH_DATA = _RAW + "EdisonLeeeee/GraphData/b82d4dd2ed63cdcbb318d793597099ef6b1e8fe5/datasets/"
MUSAE = _RAW + "benedekrozemberczki/MUSAE/master/input/"
WEBKB = _RAW + "sktsherlock/TAG-Benchmark/6fd83817a67c55e552195985028badb1a46d796e/data/webkb/"


@dataclass(frozen=True)
class File:
    """One file of a data set.

    Attributes:
        path: below the root of the data.
        sha256: of its content.
        url: where exactly this content is served; None where no public file has it.
    """

    path: str
    sha256: str
    url: str | None = None


@dataclass(frozen=True)
class DatasetInfo:
    """What is known of a data set without reading it.

    Attributes:
        name: as `load_dataset` takes it.
        title: what it is, in a line.
        task: what it is mostly used for.
        page: the public page to read about it.
        licence: as far as the source states one.
        counts: what is in it; "train", "valid" and "test" are the sizes of the parts.
        files: all that is needed to load it.
    """

    name: str
    title: str
    task: str
    page: str
    licence: str
    counts: dict[str, int]
    files: tuple[File, ...]


_TABLE = (
    DatasetInfo(
        "blogcatalog",
        "BlogCatalog: friendships of bloggers, with the groups they joined",
        "node classification",
        "https://github.com/phanein/deepwalk/tree/master/example_graphs",
        "none stated for the data; the carrying repository is GPL-3.0",
        {"nodes": 10312, "edges": 333983, "labels": 39},
        (
            File(
                "node/blogcatalog.mat",
                "d4f4fb89ce1ccd4b7e2a183386c000773cc9362cc61f1be5b246a6d9c259da8f",
                DEEPWALK + "blogcatalog.mat",
            ),
        ),
    ),
    DatasetInfo(
        "ego-facebook",
        "ego-Facebook: friendships in the circles of ten Facebook users",
        "link prediction",
        "https://snap.stanford.edu/data/ego-Facebook.html",
        "none stated",
        {"nodes": 4039, "edges": 88234},
        (
            File(
                "node/facebook_combined.txt",
                "9ee9f6c10566429c82f714886d34267338baa66ef207ba13c87f5583879e456f",
            ),
        ),
    ),
    DatasetInfo(
        "ca-astroph",
        "ca-AstroPh: co-authors on arXiv astrophysics, largest component",
        "link prediction",
        "https://snap.stanford.edu/data/ca-AstroPh.html",
        "none stated",
        {"nodes": 17903, "edges": 196972},
        (
            File(
                "node/ca-AstroPh.txt",
                "7771181adc0ab4dc598337c400ca288c9752f213a14cfbfbbfde147866f44534",
            ),
        ),
    ),
    DatasetInfo(
        "lastfm-asia",
        "LastFM Asia: mutual followers, with their country",
        "node classification",
        "https://github.com/benedekrozemberczki/karateclub/tree/master/dataset/node_level/lastfm",
        "none stated for the data; the carrying repository is GPL-3.0",
        {"nodes": 7624, "edges": 27806, "classes": 18},
        (
            File(
                "node/karateclub_lastfm_edges.csv",
                "4a6f555d2ccbbbaf1aa4f46b10b0e612aa515730a513d3e1ac951e1e4dcd733c",
                KARATE + "edges.csv",
            ),
            File(
                "node/karateclub_lastfm_target.csv",
                "91f19215f6eca8321feec038bd32900cf13fd4f7e041a9976cf202807c72ac16",
                KARATE + "target.csv",
            ),
        ),
    ),
    DatasetInfo(
        "football",
        "American college football games of autumn 2000, with the teams' conferences",
        "community detection",
        "http://www-personal.umich.edu/~mejn/netdata/",
        "none stated",
        {"nodes": 115, "edges": 613, "classes": 12},
        (
            File(
                "node/football.gml",
                "1e271fa2e2ed184078273077fddc48299f0b263923394e4e2c06c4bbc4ea73cc",
                FLUID + "football.gml",
            ),
        ),
    ),
    DatasetInfo(
        "polbooks",
        "Books on US politics bought together, with their leaning",
        "community detection",
        "http://www-personal.umich.edu/~mejn/netdata/",
        "none stated",
        {"nodes": 105, "edges": 441, "classes": 3},
        (
            File(
                "node/polbooks.gml",
                "29e2439036fa4e13b478a9d4ceda78b5ab4d4d8252882a7f2b6036b028e34848",
            ),
        ),
    ),
    DatasetInfo(
        "fb15k-237",
        "FB15k-237: Freebase facts without the inverse relations of FB15k",
        "triple completion",
        "https://github.com/DeepGraphLearning/KnowledgeGraphEmbedding",
        "none stated for the data; the carrying repository is MIT",
        {
            "entities": 14541,
            "relations": 237,
            "train": 272115,
            "valid": 17535,
            "test": 20466,
            "test with an unseen entity": 28,
        },
        (
            File(
                "kg/FB15k-237/train.txt",
                "6e4c2782169af21e9743f3b1d200886f5d595bf6bc504ec1351720949c5cdfae",
                KGE + "FB15k-237/train.txt",
            ),
            File(
                "kg/FB15k-237/valid.txt",
                "cf6309010852f6a8d47a45df830a426415d1ee6f7a3970a8376ff1fb81db4a5c",
                KGE + "FB15k-237/valid.txt",
            ),
            File(
                "kg/FB15k-237/test.txt",
                "5711cf41623ceb4eacc50eb6108a3ca6565c7492e3caaf82a3e355cc660d1574",
                KGE + "FB15k-237/test.txt",
            ),
            File(
                "kg/FB15k-237/entity2text.txt",
                "16beedcfad3d32696e8b0b98cfa0f5eeb144f5142225f227a64fd9ce37447da5",
                KG_BERT + "FB15k-237/entity2text.txt",
            ),
        ),
    ),
    DatasetInfo(
        "wn18rr",
        "WN18RR: WordNet relations without the inverse ones of WN18",
        "triple completion",
        "https://github.com/DeepGraphLearning/KnowledgeGraphEmbedding",
        "none stated for the data; the carrying repository is MIT, WordNet has its own free licence",
        {
            "entities": 40943,
            "relations": 11,
            "train": 86835,
            "valid": 3034,
            "test": 3134,
            "test with an unseen entity": 210,
        },
        (
            File(
                "kg/WN18RR/train.txt",
                "038612e783c215ee5f3ca9fbfca27b8d0739be1028fe4ee7c174aecf0b83d5df",
                KGE + "wn18rr/train.txt",
            ),
            File(
                "kg/WN18RR/valid.txt",
                "453ce7202afa58094a04d2b1560ee2b02660f1c260b32ce6651c8ccedd1028ab",
                KGE + "wn18rr/valid.txt",
            ),
            File(
                "kg/WN18RR/test.txt",
                "0383bceaaa1096cf3c03ec021ed0048068e2355dbfc0239b292cefdac821cec5",
                KGE + "wn18rr/test.txt",
            ),
            File(
                "kg/WN18RR/entity2text.txt",
                "8f5c6f11753dafa879917b9bdf73d398ceb3bd4bed8d5553177e1e0f2c37521f",
                KG_BERT + "WN18RR/entity2text.txt",
            ),
        ),
    ),
    DatasetInfo(
        "codex-s",
        "CoDEx-S: a small part of Wikidata",
        "triple completion",
        "https://github.com/tsafavi/codex",
        "MIT",
        {"entities": 2034, "relations": 42, "train": 32888, "valid": 1827, "test": 1828},
        (
            File(
                "kg/CoDEx-S/train.txt",
                "64f93b7f314f3936a6f65739721429db3f6a7c8f5a1e1104ec3bb544f7434f59",
                CODEX + "train.txt",
            ),
            File(
                "kg/CoDEx-S/valid.txt",
                "3831c0e57daef03c3a18cdd1a72e370b496f696c5218883d35c7d2ab8a6a772c",
                CODEX + "valid.txt",
            ),
            File(
                "kg/CoDEx-S/test.txt",
                "27127fcb34688c4778e88a39ef3c9b540807da846021e9d9685660ac1838aca1",
                CODEX + "test.txt",
            ),
            File(
                "kg/CoDEx-S/valid_negatives.txt",
                "c1d84860d6ee786419f1f118d0e9479c6614283b3e267afc158734389036901f",
                CODEX + "valid_negatives.txt",
            ),
            File(
                "kg/CoDEx-S/test_negatives.txt",
                "d3fb32c41f3be26d09484ace571965806f1ade0ca712551b0de684c283cdbb22",
                CODEX + "test_negatives.txt",
            ),
        ),
    ),
    DatasetInfo(
        "umls",
        "UMLS: the semantic network of biomedical concepts",
        "triple completion",
        "https://github.com/yao8839836/kg-bert",
        "none stated",
        {"entities": 135, "relations": 46, "train": 5216, "valid": 652, "test": 661},
        (
            File(
                "kg/UMLS/train.txt",
                "30202640f8b26be8ba2323361ec8831e9e6882396138ae5ca3bef326e7fb6ded",
                KG_BERT + "umls/train.tsv",
            ),
            File(
                "kg/UMLS/valid.txt",
                "4cba113f49a7ae9bd1e43f659649b03486ac66642168f67b41e434d9e133f92d",
                KG_BERT + "umls/dev.tsv",
            ),
            File(
                "kg/UMLS/test.txt",
                "3d9e6e8722cfbb7b3eb8aa5b77eff3eeda1d86d3b968fe0a0b95c641e1c9c6e4",
                KG_BERT + "umls/test.tsv",
            ),
            File(
                "kg/UMLS/entity2text.txt",
                "c6438aafd894917cefe73ea75fc20743d18f4226ebc85a2f43758ff3f77330b9",
                KG_BERT + "umls/entity2text.txt",
            ),
        ),
    ),
    DatasetInfo(
        "kinship",
        "Kinship: how members of the Alyawarra tribe address one another",
        "triple completion",
        "https://github.com/pykeen/pykeen",
        "MIT (carrying repository)",
        {"entities": 104, "relations": 25, "train": 8544, "valid": 1068, "test": 1074},
        (
            File(
                "kg/Kinship/train.txt",
                "738612111a6acf0e39662bde24c7e72a4d1edf20931beea077da367dda689731",
                PYKEEN + "kinships/train.txt",
            ),
            File(
                "kg/Kinship/valid.txt",
                "c56f8630a583178b1e569f11a64aa535ae1ce0b0912d8b1e24716be2b37f04da",
                PYKEEN + "kinships/valid.txt",
            ),
            File(
                "kg/Kinship/test.txt",
                "05e5733265761d55be9c05bfaff5a8d0808df46f9c1e9d66cc3f2fe114e43d88",
                PYKEEN + "kinships/test.txt",
            ),
        ),
    ),
    DatasetInfo(
        "nations",
        "Nations: how fourteen states treat one another",
        "triple completion",
        "https://github.com/pykeen/pykeen",
        "MIT (carrying repository)",
        {"entities": 14, "relations": 55, "train": 1592, "valid": 199, "test": 201},
        (
            File(
                "kg/Nations/train.txt",
                "0830fa9da8e5bba2ccdaa45b7bdc9130451ba66b09ff2708f35fccaf82473e57",
                PYKEEN + "nations/train.txt",
            ),
            File(
                "kg/Nations/valid.txt",
                "2b337a62e51a2f45c283eac98a70d21b7e0e102136be1539b2a52c652a7b0530",
                PYKEEN + "nations/valid.txt",
            ),
            File(
                "kg/Nations/test.txt",
                "3971085165b47b6aeaec68058c6d8d98b3005e929db81268410b95ae4db770ab",
                PYKEEN + "nations/test.txt",
            ),
        ),
    ),
    DatasetInfo(
        "gowalla",
        "Gowalla check-ins, the split of LightGCN; validation held out of its train part",
        "recommendation",
        "https://github.com/gusye1234/LightGCN-PyTorch",
        "none stated",
        {"users": 29858, "items": 40981, "train": 729085, "valid": 81043, "test": 217242},
        (
            File(
                "rec/gowalla/s_adj_mat.npz",
                "6ab3ab7aa1278da3717054c60258d88d2d2d78914fa62db2b13da9321e397cab",
                LIGHTGCN + "gowalla/s_adj_mat.npz",
            ),
            File(
                "rec/gowalla/test.txt",
                "099a2a73924e4b754dc6efd730d764f492321b53c38eb93298850c83acf57be3",
                LIGHTGCN_PP + "gowalla/test.txt",
            ),
        ),
    ),
    DatasetInfo(
        "gowalla-lightgcnpp",
        "Gowalla check-ins, LightGCN's train part as LightGCN++ divides it, same test",
        "recommendation",
        "https://github.com/geon0325/LightGCNpp",
        "none stated",
        {"users": 29858, "items": 40981, "train": 719081, "valid": 91047, "test": 217242},
        (
            File(
                "rec/gowalla/lightgcnpp/train.txt",
                "d47e01d060624f389956c0b2f89a1ed8c453ea158631cd2b5320c241f3e1a073",
                LIGHTGCN_PP + "gowalla/train.txt",
            ),
            File(
                "rec/gowalla/lightgcnpp/valid.txt",
                "ddc22c1cd9a7d14fd5cd0c98b1473b614f4323038fef74ae0d28cc9c92a08ba2",
                LIGHTGCN_PP + "gowalla/valid.txt",
            ),
            File(
                "rec/gowalla/lightgcnpp/test.txt",
                "099a2a73924e4b754dc6efd730d764f492321b53c38eb93298850c83acf57be3",
                LIGHTGCN_PP + "gowalla/test.txt",
            ),
        ),
    ),
    DatasetInfo(
        "lastfm",
        "LastFM artists listened to and friendships, the split of LightGCN; validation held out of its train part",
        "recommendation",
        "https://github.com/gusye1234/LightGCN-PyTorch",
        "none stated",
        {"users": 1880, "items": 4489, "train": 37927, "valid": 4208, "test": 10533},
        (
            File(
                "rec/lastfm/data1.txt",
                "c82af3228cbbda2f55a39244de09ed93292894f1d0d9f1908ebb57e27598fded",
                LASTFM + "data1.txt",
            ),
            File(
                "rec/lastfm/test1.txt",
                "de4417c0e6123284ce59a0934bcf5288ec1ec8774a18a1eef453c9952dfa48f9",
                LASTFM + "test1.txt",
            ),
            File(
                "rec/lastfm/trustnetwork.txt",
                "5b5bd7cbe4d22f3cd333dbfc7ec4b995cb2bdb28d95b0e9c5fc5607079f7b69e",
                LASTFM + "trustnetwork.txt",
            ),
        ),
    ),
    DatasetInfo(
        "cora",
        "Cora citations, bags of words, Planetoid's public split",
        "node classification",
        "https://github.com/kimiyoung/planetoid",
        "MIT",
        {"nodes": 2708, "edges": 5278, "features": 1433, "classes": 7, "train": 140, "valid": 500, "test": 1000},
        (
            File(
                "gnn/planetoid/Cora/raw/ind.cora.x",
                "23cfa55d91c6f624233f5eb7b6e3f141f1bd2b2ae39608a63cf5d084bb27baab",
                PLANETOID + "ind.cora.x",
            ),
            File(
                "gnn/planetoid/Cora/raw/ind.cora.tx",
                "b9afbaa4a400df991f6f02ef677e1e44da55ffc04801fd02f9e673987829226a",
                PLANETOID + "ind.cora.tx",
            ),
            File(
                "gnn/planetoid/Cora/raw/ind.cora.allx",
                "9419ba2f26f5c35243db64aba110e0f35a04851609e0dc5433450676ca6b8543",
                PLANETOID + "ind.cora.allx",
            ),
            File(
                "gnn/planetoid/Cora/raw/ind.cora.y",
                "94465c14eb53e04ca262198dcbb2521ee8af60fb3f3d546cd6ca24a511b0e7d1",
                PLANETOID + "ind.cora.y",
            ),
            File(
                "gnn/planetoid/Cora/raw/ind.cora.ty",
                "41f5ac76596a1699cc33f53084a2419e92961c42bb75f36fc38e616d348532ad",
                PLANETOID + "ind.cora.ty",
            ),
            File(
                "gnn/planetoid/Cora/raw/ind.cora.ally",
                "2b998f5cc7fedc86e7f97ca2498f47a1ffc1462c29e2d578b23bf3f62b6e7d71",
                PLANETOID + "ind.cora.ally",
            ),
            File(
                "gnn/planetoid/Cora/raw/ind.cora.graph",
                "58f13302f39dde8852dad6fe6d15b89b077b6d7f837626bce671ef80344b383d",
                PLANETOID + "ind.cora.graph",
            ),
            File(
                "gnn/planetoid/Cora/raw/ind.cora.test.index",
                "297ce89af2b51a6a194181c7dbe1796c6a1cf9cd9349a88383b1b1e227867875",
                PLANETOID + "ind.cora.test.index",
            ),
        ),
    ),
    DatasetInfo(
        "citeseer",
        "CiteSeer citations, bags of words, Planetoid's public split",
        "node classification",
        "https://github.com/kimiyoung/planetoid",
        "MIT",
        {"nodes": 3327, "edges": 4552, "features": 3703, "classes": 6, "train": 120, "valid": 500, "test": 1000},
        (
            File(
                "gnn/planetoid/CiteSeer/raw/ind.citeseer.x",
                "d20de19150741e555de0ed037195630fc194114ebc7fd72ced62810148aa22f6",
                PLANETOID + "ind.citeseer.x",
            ),
            File(
                "gnn/planetoid/CiteSeer/raw/ind.citeseer.tx",
                "539a8906a2da97628d212f2fdd668c109a8b3f0d36574b59e5d3fd5b5303da21",
                PLANETOID + "ind.citeseer.tx",
            ),
            File(
                "gnn/planetoid/CiteSeer/raw/ind.citeseer.allx",
                "2ac30345d95c9ec933a817ee0bdd6a5f077f8c184a20e696910192d534414668",
                PLANETOID + "ind.citeseer.allx",
            ),
            File(
                "gnn/planetoid/CiteSeer/raw/ind.citeseer.y",
                "8ba87e515d8e3ee3cf52f6d2c5b86aa73f11ecad825a808455209ec26cd54924",
                PLANETOID + "ind.citeseer.y",
            ),
            File(
                "gnn/planetoid/CiteSeer/raw/ind.citeseer.ty",
                "55e5bd1ba1e733a04598753ad1a8d57957f4b8f89e74519f41f4f4938767e4ce",
                PLANETOID + "ind.citeseer.ty",
            ),
            File(
                "gnn/planetoid/CiteSeer/raw/ind.citeseer.ally",
                "f704b2d986dde6c2669934de1f3ae5696a6cf9455c0f6b2646a2d135ea0a1c95",
                PLANETOID + "ind.citeseer.ally",
            ),
            File(
                "gnn/planetoid/CiteSeer/raw/ind.citeseer.graph",
                "d79a4ef9d3e7169aee8946145f6b7306e35bc79bffad26346cfb94e10e9912a7",
                PLANETOID + "ind.citeseer.graph",
            ),
            File(
                "gnn/planetoid/CiteSeer/raw/ind.citeseer.test.index",
                "2af990671580b6b2df5d158d1038f8292e30c9cd821b5453f399659b25b723d4",
                PLANETOID + "ind.citeseer.test.index",
            ),
        ),
    ),
    DatasetInfo(
        "coauthor-cs",
        "Coauthor CS: authors who wrote together, keywords of their papers, their field",
        "node classification",
        "https://github.com/EdisonLeeeee/GraphData",
        "MIT at the origin (shchur/gnn-benchmark); none stated by the carrying repository",
        {"nodes": 18333, "edges": 81894, "features": 6805, "classes": 15},
        (
            File(
                "gnn/coauthor_cs.npz",
                "7b7b51bf270d341f1c4231834c58a526bb04db003fd76a6d2f51ad7d252005ed",
                GRAPH_DATA + "coauthor_cs.npz",
            ),
        ),
    ),
    DatasetInfo(
        "chameleon",
        "Wikipedia pages on chameleons: links, nouns in the text, monthly traffic",
        "node regression",
        "https://github.com/benedekrozemberczki/MUSAE",
        "none stated for the data; the carrying repository is GPL-3.0",
        {"nodes": 2277, "edges": 36101, "features": 3132},
        (
            File(
                "gnn/musae/chameleon_edges.csv",
                "b90d671846530ea7c0f6f6d0e3be98eb512ecd8e9741811940fe4029d991b266",
                MUSAE + "edges/chameleon_edges.csv",
            ),
            File(
                "gnn/musae/chameleon.json",
                "a958c2158cb81bb05cc01f5605ffb3449a7b20b389c8f1e94a0da61dbed6bdbe",
                MUSAE + "features/chameleon.json",
            ),
            File(
                "gnn/musae/chameleon_target.csv",
                "5816b4731cbd156738095550d1f6e37caf6f4dabe1d660c035156408ae6bae43",
                MUSAE + "target/chameleon_target.csv",
            ),
        ),
    ),
    DatasetInfo(
        "cornell",
        "WebKB Cornell: pages of a university, their links, text and category",
        "node classification",
        "https://github.com/sktsherlock/TAG-Benchmark",
        "none stated",
        {"nodes": 191, "edges": 293, "classes": 5},
        (
            File(
                "gnn/webkb/Cornell.csv",
                "9df54de8059186c5a374e8dd56076f8f3422658ad48316aba684d8ffe45b95fb",
                WEBKB + "Cornell/Cornell.csv",
            ),
        ),
    ),
    DatasetInfo(
        "wisconsin",
        "WebKB Wisconsin: pages of a university, their links, text and category",
        "node classification",
        "https://github.com/sktsherlock/TAG-Benchmark",
        "none stated",
        {"nodes": 265, "edges": 530, "classes": 5},
        (
            File(
                "gnn/webkb/Wisconsin.csv",
                "49f2d7bfe9449dde2d9c583bc8a642f300b2b3de73e10e409d20cd742a5d85a8",
                WEBKB + "Wisconsin/Wisconsin.csv",
            ),
        ),
    ),
)
TABLE: dict[str, DatasetInfo] = {info.name: info for info in _TABLE}
