"""Where to intervene: region selectors."""

from deconfound.selectors.all_regions import AllRegions
from deconfound.selectors.base import RegionSelector, selectors
from deconfound.selectors.gathering import gather, scatter
from deconfound.selectors.mtrs import MTRS
from deconfound.selectors.similarity import similarity_map

__all__ = [
    "MTRS",
    "AllRegions",
    "RegionSelector",
    "gather",
    "scatter",
    "selectors",
    "similarity_map",
]
