"""The model directory: weights, ids, graph, configuration, metrics, history and a card. Nothing in it can run code.

run.json is written last and holds the sha256 of every other file, so a directory is whole or is no model directory.
"""

from graphtune.store.place import check_target
from graphtune.store.read import load, open_directory, read_written
from graphtune.store.record import CHECKPOINTS, LOGS, PROFILE, REPORT, Record, Stored, Written
from graphtune.store.write import save

__all__ = [
    "CHECKPOINTS",
    "LOGS",
    "PROFILE",
    "REPORT",
    "Record",
    "Stored",
    "Written",
    "check_target",
    "load",
    "open_directory",
    "read_written",
    "save",
]
