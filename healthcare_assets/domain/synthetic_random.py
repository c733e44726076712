"""Random numbers that are a function of what they are for, so that any member and any day can be drawn by itself.

A draw is a hash of the population's seed, the name of the quantity, and one or two counters (the member, the day). The
hash is the output function of SplitMix64 (Steele, Lea & Flood 2014, "Fast splittable pseudorandom number generators").
"""

import zlib

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
Words = npt.NDArray[np.uint64]

_WORD = (1 << 64) - 1
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_FACTORS = (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))


def uniform(seed: int, quantity: str, counter: Integers, other: Integers | int = 0) -> Floats:
    """Uniform draws in the open interval (0, 1): one for each counter, or each broadcast pair of counters."""
    words = _hashed(seed, quantity, counter, other)
    words >>= np.uint64(12)
    draws = words.astype(np.float64)
    draws *= 2.0**-52
    draws += 2.0**-53
    return draws


def normal(seed: int, quantity: str, counter: Integers, other: Integers | int = 0) -> Floats:
    """Standard normal draws, as `uniform`."""
    draws: Floats = ndtri(uniform(seed, quantity, counter, other))
    return draws


def choice(draws: Floats, weights: npt.ArrayLike) -> Integers:
    """Positions 0, 1, … in proportion to the weights, for uniform draws."""
    cumulative = np.cumsum(np.asarray(weights, dtype=np.float64))
    return np.searchsorted(cumulative[:-1] / cumulative[-1], draws, side="right")


def _hashed(seed: int, quantity: str, counter: Integers, other: Integers | int) -> Words:
    key = np.array([(seed * int(_GOLDEN) + (zlib.crc32(quantity.encode()) << 32)) & _WORD], dtype=np.uint64)
    words = counter.astype(np.uint64) * _GOLDEN + _mixed(key)
    pair = np.atleast_1d(np.asarray(other, dtype=np.int64)).astype(np.uint64) * _GOLDEN
    return _mixed(_mixed(words) + pair)


def _mixed(words: Words) -> Words:
    """SplitMix64's output function, in place."""
    words ^= words >> np.uint64(30)
    words *= _FACTORS[0]
    words ^= words >> np.uint64(27)
    words *= _FACTORS[1]
    words ^= words >> np.uint64(31)
    return words
