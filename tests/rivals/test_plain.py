"""Plain training, the first rival: it holds to the contract of all."""

from __future__ import annotations

from deconfound.rivals import Plain
from deconfound.testing import RivalContract


class TestPlain(RivalContract):
    def make(self) -> Plain:
        return Plain()
