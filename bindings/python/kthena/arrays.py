"""Lists become arrays of the type that the library reads; arrays pass as they are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

Float64: TypeAlias = npt.NDArray[np.float64]
Int64: TypeAlias = npt.NDArray[np.int64]
Uint32: TypeAlias = npt.NDArray[np.uint32]
Uint64: TypeAlias = npt.NDArray[np.uint64]
#: Workers that take part: by number, or bit w % 64 of word w // 64.
Candidates: TypeAlias = npt.NDArray[np.bool_] | npt.NDArray[np.uint64]

T = TypeVar("T", bound=np.generic)


def from_list(values: npt.NDArray[T] | Sequence[float] | Sequence[int], dtype: type[T], name: str) -> npt.NDArray[T]:
    """A list or tuple as a new array of `dtype`; anything else as it is.

    Arrays are never converted: the library refuses those of another type with TypeError.
    """
    if not isinstance(values, (list, tuple)):
        return values  # type: ignore[return-value]
    if np.issubdtype(dtype, np.integer) and not all(isinstance(value, (int, np.integer)) for value in values):
        raise TypeError(f"{name} must be a list of int")
    try:
        return np.array(values, dtype=dtype)
    except OverflowError:
        info = np.iinfo(dtype)  # type: ignore[type-var]
        raise ValueError(f"{name} must hold numbers in {info.min} .. {info.max}") from None
    except ValueError:
        raise TypeError(f"{name} must be a list of numbers") from None
