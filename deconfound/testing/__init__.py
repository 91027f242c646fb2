"""Conformance suites for plug-ins: subclass one, say how to build yours, run pytest.

::

    from deconfound.testing import InterventionLayerContract

    class TestMine(InterventionLayerContract):
        def make(self, dim):
            return MyIntervention(dim)

Needs ``pip install "deconfound[test]"``.
"""

from deconfound.testing.dictionaries import ConfounderDictionaryContract
from deconfound.testing.doing import DoingContract
from deconfound.testing.interventions import InterventionLayerContract
from deconfound.testing.refuters import RefuterContract
from deconfound.testing.rivals import RivalContract
from deconfound.testing.selectors import RegionSelectorContract

__all__ = [
    "ConfounderDictionaryContract",
    "DoingContract",
    "InterventionLayerContract",
    "RefuterContract",
    "RegionSelectorContract",
    "RivalContract",
]
