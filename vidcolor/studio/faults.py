"""What the studio refuses besides what vidcolor refuses, and which HTTP status an error has."""

from __future__ import annotations

from vidcolor.errors import (
    SourceNotFoundError,
    TargetExistsError,
    UsageError,
    VidcolorError,
)


class ConflictError(UsageError):
    """It cannot be done as things are now: something else is under way, or was changed.

    ``unless`` is the field of the request that has it done all the same, if there is one.
    """

    def __init__(self, message: str, unless: str | None = None) -> None:
        super().__init__(message)
        self.unless = unless


class ForbiddenError(UsageError):
    """It is outside the folder that the studio was given, or asked for by another site."""


class TooLargeError(UsageError):
    """More bytes than the studio takes."""


def status_of(error: VidcolorError) -> int:
    """The HTTP status to answer with."""
    if isinstance(error, ForbiddenError):
        return 403
    if isinstance(error, SourceNotFoundError):
        return 404
    if isinstance(error, ConflictError | TargetExistsError):
        return 409
    if isinstance(error, TooLargeError):
        return 413
    return 400
