"""The public data sets that graphtune knows: where their files are, what the files' content must be, what is in them.

A URL stands here only where it serves the very bytes of the hash. Files are found, and put, at the same paths under
`GRAPHTUNE_DATA` and under the cache.
"""

from __future__ import annotations

from graphtune.datasets.info import DatasetInfo
from graphtune.datasets.table.events import EVENTS
from graphtune.datasets.table.features import FEATURES
from graphtune.datasets.table.networks import NETWORKS
from graphtune.datasets.table.triples import TRIPLES

TABLE: dict[str, DatasetInfo] = {info.name: info for info in (*NETWORKS, *TRIPLES, *EVENTS, *FEATURES)}
