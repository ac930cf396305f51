"""Train, validation and test parts of a graph, and the audit that no part leaks into another.

Every maker is seeded and deals 7:2:1 by default. `Split.audit` finds and names leaks.
"""

from graphtune.split.cold import split_cold
from graphtune.split.edges import split_edges, split_interactions, split_triples
from graphtune.split.entities import EntitySplit, split_entities
from graphtune.split.inverse import InverseRule, inverse_rules, with_inverses
from graphtune.split.nodes import split_inductive, split_nodes
from graphtune.split.parts import RATIOS, TEST, TRAIN, UNUSED, VALID, Split, given_split
from graphtune.split.patterns import RelationPattern, RelationPatterns, relation_patterns
from graphtune.split.together import audit_together

__all__ = [
    "RATIOS",
    "TEST",
    "TRAIN",
    "UNUSED",
    "VALID",
    "EntitySplit",
    "InverseRule",
    "RelationPattern",
    "RelationPatterns",
    "Split",
    "audit_together",
    "given_split",
    "inverse_rules",
    "relation_patterns",
    "split_cold",
    "split_edges",
    "split_entities",
    "split_inductive",
    "split_interactions",
    "split_nodes",
    "split_triples",
    "with_inverses",
]
