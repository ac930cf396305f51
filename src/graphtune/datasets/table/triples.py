"""Knowledge graphs: their triples, in the parts that everybody uses."""

from __future__ import annotations

from graphtune.datasets.info import RAW, DatasetInfo, File, files_below

KGE = RAW + "DeepGraphLearning/KnowledgeGraphEmbedding/617062aaedf53bf4d6b44450a580a96dc30e0632/data/"
KG_BERT = RAW + "yao8839836/kg-bert/62b76ed5652bf3da5a355cbe9c1109f58290756f/data/"
CODEX = RAW + "tsafavi/codex/e805ea2f512d7f0f8e44f213bc4db51dac0de118/data/triples/codex-s/"
PYKEEN = RAW + "pykeen/pykeen/v1.11.1/src/pykeen/datasets/"

TRIPLES = (
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
        files_below(
            "kg/FB15k-237/",
            KGE + "FB15k-237/",
            {
                "train.txt": "6e4c2782169af21e9743f3b1d200886f5d595bf6bc504ec1351720949c5cdfae",
                "valid.txt": "cf6309010852f6a8d47a45df830a426415d1ee6f7a3970a8376ff1fb81db4a5c",
                "test.txt": "5711cf41623ceb4eacc50eb6108a3ca6565c7492e3caaf82a3e355cc660d1574",
            },
        )
        + files_below(
            "kg/FB15k-237/",
            KG_BERT + "FB15k-237/",
            {"entity2text.txt": "16beedcfad3d32696e8b0b98cfa0f5eeb144f5142225f227a64fd9ce37447da5"},
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
        files_below(
            "kg/WN18RR/",
            KGE + "wn18rr/",
            {
                "train.txt": "038612e783c215ee5f3ca9fbfca27b8d0739be1028fe4ee7c174aecf0b83d5df",
                "valid.txt": "453ce7202afa58094a04d2b1560ee2b02660f1c260b32ce6651c8ccedd1028ab",
                "test.txt": "0383bceaaa1096cf3c03ec021ed0048068e2355dbfc0239b292cefdac821cec5",
            },
        )
        + files_below(
            "kg/WN18RR/",
            KG_BERT + "WN18RR/",
            {"entity2text.txt": "8f5c6f11753dafa879917b9bdf73d398ceb3bd4bed8d5553177e1e0f2c37521f"},
        ),
    ),
    DatasetInfo(
        "codex-s",
        "CoDEx-S: a small part of Wikidata",
        "triple completion",
        "https://github.com/tsafavi/codex",
        "MIT",
        {"entities": 2034, "relations": 42, "train": 32888, "valid": 1827, "test": 1828},
        files_below(
            "kg/CoDEx-S/",
            CODEX,
            {
                "train.txt": "64f93b7f314f3936a6f65739721429db3f6a7c8f5a1e1104ec3bb544f7434f59",
                "valid.txt": "3831c0e57daef03c3a18cdd1a72e370b496f696c5218883d35c7d2ab8a6a772c",
                "test.txt": "27127fcb34688c4778e88a39ef3c9b540807da846021e9d9685660ac1838aca1",
                "valid_negatives.txt": "c1d84860d6ee786419f1f118d0e9479c6614283b3e267afc158734389036901f",
                "test_negatives.txt": "d3fb32c41f3be26d09484ace571965806f1ade0ca712551b0de684c283cdbb22",
            },
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
            *files_below(
                "kg/UMLS/",
                KG_BERT + "umls/",
                {"entity2text.txt": "c6438aafd894917cefe73ea75fc20743d18f4226ebc85a2f43758ff3f77330b9"},
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
        files_below(
            "kg/Kinship/",
            PYKEEN + "kinships/",
            {
                "train.txt": "738612111a6acf0e39662bde24c7e72a4d1edf20931beea077da367dda689731",
                "valid.txt": "c56f8630a583178b1e569f11a64aa535ae1ce0b0912d8b1e24716be2b37f04da",
                "test.txt": "05e5733265761d55be9c05bfaff5a8d0808df46f9c1e9d66cc3f2fe114e43d88",
            },
        ),
    ),
    DatasetInfo(
        "nations",
        "Nations: how fourteen states treat one another",
        "triple completion",
        "https://github.com/pykeen/pykeen",
        "MIT (carrying repository)",
        {"entities": 14, "relations": 55, "train": 1592, "valid": 199, "test": 201},
        files_below(
            "kg/Nations/",
            PYKEEN + "nations/",
            {
                "train.txt": "0830fa9da8e5bba2ccdaa45b7bdc9130451ba66b09ff2708f35fccaf82473e57",
                "valid.txt": "2b337a62e51a2f45c283eac98a70d21b7e0e102136be1539b2a52c652a7b0530",
                "test.txt": "3971085165b47b6aeaec68058c6d8d98b3005e929db81268410b95ae4db770ab",
            },
        ),
    ),
)
