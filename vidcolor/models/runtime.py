"""OpenVINO, imported when it is first needed and without its reports to its makers."""

from __future__ import annotations

import sys
import threading
from typing import Any

_TELEMETRY = "openvino_telemetry"
_importing = threading.Lock()


def load_openvino() -> Any:
    """The module ``openvino``. Raises ImportError where it is not installed.

    Importing it reports that to Google Analytics and leaves an identifier in the home folder,
    unless its telemetry package is missing; so that package is missing while we import. Whoever
    has imported OpenVINO before us has decided for themselves.
    """
    with _importing:
        if "openvino" in sys.modules or _TELEMETRY in sys.modules:
            import openvino
        else:
            sys.modules[_TELEMETRY] = None  # type: ignore[assignment]
            try:
                import openvino
            finally:
                del sys.modules[_TELEMETRY]
    return openvino
