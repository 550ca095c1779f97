"""What is known of sensors, photos and defects, in one SQLite file; the only part that speaks SQL."""

from __future__ import annotations

from defectmap.catalog.checking import check
from defectmap.catalog.store import Catalog, open_catalog, upgrade

__all__ = ["Catalog", "check", "open_catalog", "upgrade"]
