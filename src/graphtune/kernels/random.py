"""SplitMix64 (Steele et al., 2014): a generator small enough to give each walk or row its own."""

import numpy as np
from numba import njit

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)
_30, _27, _31, _11 = np.uint64(30), np.uint64(27), np.uint64(31), np.uint64(11)
_TO_UNIT = 1.0 / (1 << 53)


@njit(cache=True, nogil=True)
def advance(state):
    """The next state of a generator; hand it to `uniform` for the number."""
    return np.uint64(state) + _GOLDEN


@njit(cache=True, nogil=True)
def mix(state):
    """64 well mixed bits of `state`."""
    z = np.uint64(state)
    z = (z ^ (z >> _30)) * _MIX_1
    z = (z ^ (z >> _27)) * _MIX_2
    return z ^ (z >> _31)


@njit(cache=True, nogil=True)
def uniform(state):
    """A float in [0, 1) from `state`."""
    return np.float64(mix(state) >> _11) * _TO_UNIT


@njit(cache=True, nogil=True)
def stream(seed, number):
    """The starting state of generator `number` under `seed`."""
    return mix(np.uint64(seed) ^ mix(np.uint64(number) * _GOLDEN + _GOLDEN))
