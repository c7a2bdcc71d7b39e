"""Exceptions: bad input. An answer such as "no endpoint" is not an error; it is in the decision."""

from __future__ import annotations

from enum import IntEnum


class StatusCode(IntEnum):
    """What kind of error it is; numbered as gRPC's."""

    OK = 0
    CANCELLED = 1
    UNKNOWN = 2
    INVALID_ARGUMENT = 3
    DEADLINE_EXCEEDED = 4
    NOT_FOUND = 5
    ALREADY_EXISTS = 6
    PERMISSION_DENIED = 7
    RESOURCE_EXHAUSTED = 8
    FAILED_PRECONDITION = 9
    ABORTED = 10
    OUT_OF_RANGE = 11
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14
    DATA_LOSS = 15
    UNAUTHENTICATED = 16


class KthenaError(Exception):
    """Something was refused, and nothing has changed.

    ``str(error)`` is the library's message. It lists all faults, each with the path of its field, joined by ``"; "``.
    """

    def __init__(self, code: StatusCode, message: str) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message

    def __str__(self) -> str:
        return self.message


class InvalidArgumentError(KthenaError, ValueError):
    """An argument or a document is wrong."""


class OutOfRangeError(KthenaError, ValueError):
    """A number or an index is outside of what is allowed."""


class NotFoundError(KthenaError, KeyError):
    """No preset, signal, endpoint or worker has that name."""


class ResourceExhaustedError(KthenaError, RuntimeError):
    """A limit that was set is reached."""


class FailedPreconditionError(KthenaError, RuntimeError):
    """The object is not in a state for this, such as a simulation that has not ended."""


_CLASSES: dict[StatusCode, type[KthenaError]] = {
    StatusCode.INVALID_ARGUMENT: InvalidArgumentError,
    StatusCode.OUT_OF_RANGE: OutOfRangeError,
    StatusCode.NOT_FOUND: NotFoundError,
    StatusCode.RESOURCE_EXHAUSTED: ResourceExhaustedError,
    StatusCode.FAILED_PRECONDITION: FailedPreconditionError,
}


def error_for(code: int, message: str) -> KthenaError:
    """The exception for a status of the library."""
    status = StatusCode(code)
    return _CLASSES.get(status, KthenaError)(status, message)
