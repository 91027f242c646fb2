"""Readers of the datasets' own layouts: a folder in, sites out."""

from __future__ import annotations

from .base import Reader
from .discovery import READERS, Survey, discover, survey

__all__ = ["READERS", "Reader", "Survey", "discover", "survey"]
