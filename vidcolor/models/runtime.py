"""OpenVINO, imported when it is first needed: no reports to its makers, no converter."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_TELEMETRY = "openvino_telemetry"
_CONVERTER = "openvino.tools.ovc"
_importing = threading.RLock()


def load_openvino() -> Any:
    """The module ``openvino``. Raises ImportError where it is not installed.

    Importing it reports that to Google Analytics and leaves an identifier in the home folder,
    unless its telemetry package is missing; so that package is missing while we import. So is its
    converter of other libraries' models, which takes longer to import than all the rest: that comes
    when someone asks for it. Whoever has imported OpenVINO before us has decided for themselves.
    """
    with _importing:
        if "openvino" in sys.modules or _TELEMETRY in sys.modules:
            import openvino
        else:
            with _missing(_TELEMETRY, _CONVERTER):
                import openvino
            vars(openvino).setdefault("__getattr__", _left_out)
    return openvino


def _left_out(name: str) -> Any:
    """An attribute of ``openvino`` that is not there: its converter after all, or none."""
    if name != "convert_model":
        raise AttributeError(f"module 'openvino' has no attribute {name!r}")
    with _importing, _missing(_TELEMETRY):
        from openvino.tools.ovc import convert_model
    return convert_model


@contextmanager
def _missing(*names: str) -> Iterator[None]:
    """Modules that are not there to be imported, unless they have been already."""
    absent = [name for name in names if name not in sys.modules]
    for name in absent:
        sys.modules[name] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        for name in absent:
            del sys.modules[name]
