"""What a trained model answers: recommendations, why they were given, and what is alike."""

from graphtune.answers.explain import Explanation
from graphtune.answers.filters import Filter
from graphtune.answers.recommendations import Recommendations
from graphtune.answers.recommender import Recommender

__all__ = ["Explanation", "Filter", "Recommendations", "Recommender"]
