"""The version of the library that is linked in."""

from __future__ import annotations

from kthena import _core

_number = _core.version()
__version__ = f"{_number >> 16}.{_number >> 8 & 0xFF}.{_number & 0xFF}"
