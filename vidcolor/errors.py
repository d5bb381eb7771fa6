"""Every error vidcolor raises on purpose, and the exit code each one carries.

::

    VidcolorError                 1  anything below
    ├── UsageError                2  the call itself is wrong (also a ValueError)
    │   └── SettingsError         2  unknown or invalid setting, preset or config file
    ├── SourceError               3  the source cannot be read as a film
    │   ├── SourceNotFoundError   3  it does not exist (also a FileNotFoundError)
    │   └── NoVideoError          3  it opens, but holds no picture we can decode
    ├── TargetError               4  the target cannot be written
    │   ├── TargetExistsError     4  it exists, and no --overwrite (also a FileExistsError)
    │   └── EncodeError           4  the encoder or the container refused what we gave it
    ├── ModelError                5  unknown or missing model, broken or foreign checkpoint
    ├── DeviceError               6  the wanted device is missing or out of memory
    ├── VerificationError         7  the target differs from its source in more than colour
    └── BatchError                8  of a batch, some films failed
        └── BatchFailedError      9  of a batch, films failed and none is done

The message of each names the file or the option, what failed, and what to do next. The command
line prints that message on one line and exits with ``exit_code``; Ctrl-C exits with 130.
"""

from __future__ import annotations

import errno
from typing import ClassVar, Final, Self

_FULL: Final = (errno.ENOSPC, errno.EDQUOT)


class VidcolorError(Exception):
    """Root of everything vidcolor raises on purpose."""

    exit_code: ClassVar[int] = 1
    passing = False
    """What is wrong is wrong with the machine, and for now: a full disk, a file in use."""

    def because(self, fault: BaseException) -> Self:
        """This error, ``passing`` if the system's ``fault`` behind it is."""
        full = isinstance(fault, OSError) and fault.errno in _FULL
        self.passing = full or isinstance(fault, BlockingIOError)
        return self


class UsageError(VidcolorError, ValueError):
    """The call itself is wrong: contradictory options, an impossible frame range."""

    exit_code = 2


class SettingsError(UsageError):
    """An unknown or invalid setting, preset or config file."""


class SourceError(VidcolorError):
    """The source cannot be read as a film."""

    exit_code = 3


class SourceNotFoundError(SourceError, FileNotFoundError):
    """The source does not exist."""


class NoVideoError(SourceError):
    """The source opens, but holds no picture that can be decoded."""


class TargetError(VidcolorError):
    """The target cannot be written."""

    exit_code = 4


class TargetExistsError(TargetError, FileExistsError):
    """The target exists, and overwriting was not asked for."""


class EncodeError(TargetError):
    """The encoder or the container refused what it was given."""


class ModelError(VidcolorError):
    """Unknown model, one that is not installed, or a checkpoint that is broken or foreign."""

    exit_code = 5


class DeviceError(VidcolorError):
    """The wanted device is missing, or its memory does not suffice."""

    exit_code = 6


class VerificationError(VidcolorError):
    """The target differs from its source in more than colour."""

    exit_code = 7


class BatchError(VidcolorError):
    """Of a batch, some films failed; the others are done."""

    exit_code = 8


class BatchFailedError(BatchError):
    """Of a batch, films failed and none is done."""

    exit_code = 9
