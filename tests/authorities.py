"""Certificate authorities; tests that need one are skipped on a Python for which trustme cannot be had."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    import trustme


def new_authority() -> trustme.CA:
    """Return a new authority. trustme needs cryptography, which has no wheel for some Pythons."""
    found: trustme.CA = pytest.importorskip("trustme").CA()
    return found
