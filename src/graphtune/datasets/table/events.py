"""Logs of what users did with items, in the parts that papers compare on."""

from __future__ import annotations

from graphtune.datasets.info import RAW, DatasetInfo, files_below

LIGHTGCN = RAW + "gusye1234/LightGCN-PyTorch/a75bbdb2a1b63ae40c14e2b3af7b925c4c8621af/data/"
LASTFM = RAW + "gusye1234/LightGCN-PyTorch/ef7aae37fc51973feabfc7e534720ea51f9eedf6/data/lastfm/"
PYTHON_PACKAGES = "https://files.pythonhosted.org/packages/"
LIGHTGCN_PP = RAW + "geon0325/LightGCNpp/a18af1e1f65dc4b6a432ce5aeaae5bbe75ac1c2e/data/"

EVENTS = (
    DatasetInfo(
        "gowalla",
        "Gowalla check-ins, the split of LightGCN; validation held out of its train part",
        "recommendation",
        "https://github.com/gusye1234/LightGCN-PyTorch",
        "none stated",
        {"users": 29858, "items": 40981, "train": 729085, "valid": 81043, "test": 217242},
        files_below(
            "rec/gowalla/",
            LIGHTGCN + "gowalla/",
            {"s_adj_mat.npz": "6ab3ab7aa1278da3717054c60258d88d2d2d78914fa62db2b13da9321e397cab"},
        )
        + files_below(
            "rec/gowalla/",
            LIGHTGCN_PP + "gowalla/",
            {"test.txt": "099a2a73924e4b754dc6efd730d764f492321b53c38eb93298850c83acf57be3"},
        ),
    ),
    DatasetInfo(
        "gowalla-lightgcnpp",
        "Gowalla check-ins, LightGCN's train part as LightGCN++ divides it, same test",
        "recommendation",
        "https://github.com/geon0325/LightGCNpp",
        "none stated",
        {"users": 29858, "items": 40981, "train": 719081, "valid": 91047, "test": 217242},
        files_below(
            "rec/gowalla/lightgcnpp/",
            LIGHTGCN_PP + "gowalla/",
            {
                "train.txt": "d47e01d060624f389956c0b2f89a1ed8c453ea158631cd2b5320c241f3e1a073",
                "valid.txt": "ddc22c1cd9a7d14fd5cd0c98b1473b614f4323038fef74ae0d28cc9c92a08ba2",
                "test.txt": "099a2a73924e4b754dc6efd730d764f492321b53c38eb93298850c83acf57be3",
            },
        ),
    ),
    DatasetInfo(
        "lastfm",
        "LastFM artists listened to and friendships, the split of LightGCN; validation held out of its train part",
        "recommendation",
        "https://github.com/gusye1234/LightGCN-PyTorch",
        "none stated",
        {"users": 1880, "items": 4489, "train": 37927, "valid": 4208, "test": 10533},
        files_below(
            "rec/lastfm/",
            LASTFM,
            {
                "data1.txt": "c82af3228cbbda2f55a39244de09ed93292894f1d0d9f1908ebb57e27598fded",
                "test1.txt": "de4417c0e6123284ce59a0934bcf5288ec1ec8774a18a1eef453c9952dfa48f9",
                "trustnetwork.txt": "5b5bd7cbe4d22f3cd333dbfc7ec4b995cb2bdb28d95b0e9c5fc5607079f7b69e",
            },
        ),
    ),
    DatasetInfo(
        "movielens-100k",
        "MovieLens 100K: ratings of films with their times, and what is known of users and films",
        "recommendation",
        "https://grouplens.org/datasets/movielens/100k/",
        "research use, no redistribution without permission of GroupLens",
        {"users": 943, "items": 1682, "edges": 100000, "features": 116},
        files_below(
            "rec/movielens-100k/",
            PYTHON_PACKAGES + "ab/fe/7d606cb7cd2b166a36b100cb9435d21014ceee16c192d972deb0976967a8/",
            {"recbole-1.2.1-py3-none-any.whl": "9c9948202011f37eb0a7c6768129313f00d6403ad221ec940d5e2d5d5f33a407"},
        ),
    ),
)
