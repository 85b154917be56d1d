"""Read pickled arrays without running anything that the file asks for.

Weights files of PaddlePaddle are pickles, and a pickle may name any function of any installed package to be called
while it is read. Here the few names that such files need are bound to inert stand-ins; every other name is refused.
"""

from __future__ import annotations

import pickle
from collections import OrderedDict
from collections.abc import Callable
from typing import IO, Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

ALLOWED_KINDS = "biuf"
"""Kinds of NumPy types that a tensor can have: truth values, integers (bfloat16 comes as uint16), floats."""

DAMAGED = (EOFError, ValueError, TypeError, KeyError, IndexError, AttributeError, ImportError, OverflowError,
           MemoryError, AssertionError, RecursionError)
"""What unpickling a truncated or altered file raises besides `pickle.UnpicklingError`."""


class BlockedGlobalError(pickle.UnpicklingError):
    """The file names something that is not part of an array.

    Attributes:
        name: What it names, such as ``"posix.system"``.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(name)


def read_pickle(file: IO[bytes]) -> Any:
    """Return the content of a pickle of dicts, lists, tuples, texts, numbers and NumPy arrays.

    Args:
        file: Open in binary mode; protocols 2 to 4, written by Python 2 or 3 and NumPy 1 or 2.

    Raises:
        BlockedGlobalError: The file names anything else; it has not been run.
        pickle.UnpicklingError: The file is damaged, or no pickle.
    """
    try:
        return _resolve(_Unpickler(file, encoding="latin1").load())
    except DAMAGED as error:
        raise pickle.UnpicklingError(str(error) or type(error).__name__) from None


class _DType:
    """Stands in for ``numpy.dtype``: holds what the file says about an element type."""

    def __init__(self, code: str, align: bool = False, copy: bool = False) -> None:
        self.code = code
        self.byte_order = "="

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.byte_order = {"|": "="}.get(state[1], state[1])

    def resolve(self) -> np.dtype[Any]:
        """Return the NumPy type.

        Raises:
            ValueError: It is not a number type.
        """
        dtype = np.dtype(self.code).newbyteorder(self.byte_order)  # type: ignore[arg-type]
        if dtype.kind not in ALLOWED_KINDS:
            raise ValueError(f"an array of type {dtype}, which is not a number")
        return dtype


class _Array:
    """Stands in for ``numpy.ndarray`` while the file fills it."""

    def __init__(self) -> None:
        self.array: Array | None = None

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, shape, dtype, is_fortran, data = state
        sides = tuple(int(side) for side in shape)
        values = _from_bytes(data, dtype)
        self.array = values.reshape(sides[::-1]).T if is_fortran else values.reshape(sides)

    def resolve(self) -> Array:
        """Return the array, in this machine's byte order.

        Raises:
            ValueError: The file did not fill it.
        """
        if self.array is None:
            raise ValueError("an array without content")
        return self.array.astype(self.array.dtype.newbyteorder("="), copy=False)


class _Call:
    """A function that the file can call but not alter, as it could the attributes of a plain function."""

    __slots__ = ("_function",)

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function

    def __call__(self, *args: Any) -> Any:
        return self._function(*args)

    def __setstate__(self, state: object) -> None:
        raise ValueError("an attempt to alter a function")


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        try:
            known = _KNOWN[module, name]
        except KeyError:
            raise BlockedGlobalError(f"{module}.{name}") from None
        return _Call(known)


def _reconstruct(kind: object, shape: object, code: object) -> _Array:
    """Stand in for NumPy's function of this name, which makes the empty array that the file fills next."""
    return _Array()


def _scalar(dtype: _DType, data: bytes | str) -> Array:
    return _from_bytes(data, dtype).reshape(())


def _encode(text: str, encoding: str) -> bytes:
    if encoding not in ("latin1", "latin-1"):
        raise ValueError(f"bytes in the encoding {encoding!r}")
    return text.encode("latin1")


def _tuple(items: Any = ()) -> tuple[Any, ...]:
    return tuple(items)


def _ordered_dict(items: Any = ()) -> OrderedDict[Any, Any]:
    return OrderedDict(items)


def _ndarray(*_: object) -> None:
    """Stand in for the class ``numpy.ndarray``, which array pickles name only as an argument."""
    raise ValueError("an array that is not built as NumPy builds it")


def _from_bytes(data: bytes | str, dtype: Any) -> Array:
    if not isinstance(dtype, _DType):
        raise ValueError("an array without an element type")
    # Python 2 wrote bytes as text, which the encoding "latin1" above keeps byte by byte.
    return np.frombuffer(data.encode("latin1") if isinstance(data, str) else data, dtype=dtype.resolve())


_KNOWN: dict[tuple[str, str], Callable[..., Any]] = {
    ("numpy.core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy._core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy.core.multiarray", "scalar"): _scalar,
    ("numpy._core.multiarray", "scalar"): _scalar,
    ("numpy", "ndarray"): _ndarray,
    ("numpy", "dtype"): _DType,
    ("_codecs", "encode"): _encode,
    ("collections", "OrderedDict"): _ordered_dict,
    ("builtins", "tuple"): _tuple,
    ("__builtin__", "tuple"): _tuple,
}


def _resolve(value: Any) -> Any:
    """Replace the stand-ins in nested containers by arrays."""
    if isinstance(value, _Array):
        return value.resolve()
    if isinstance(value, _DType):
        return value.resolve()
    if isinstance(value, dict):
        return {key: _resolve(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_resolve(item) for item in value)
    return value
