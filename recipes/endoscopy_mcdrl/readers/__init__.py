"""Readers of the datasets' own layouts: a folder in, sites out."""

from __future__ import annotations

from .base import Reader
from .discovery import READERS, Ignored, Survey, discover, survey

__all__ = ["READERS", "Ignored", "Reader", "Survey", "discover", "survey"]
