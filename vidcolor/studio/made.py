"""What the work made last, to be shown and downloaded: ``Made``."""

from __future__ import annotations

import secrets
import shutil
import tempfile
from pathlib import Path
from typing import Any

from vidcolor.errors import SourceNotFoundError
from vidcolor.studio.orders import Order
from vidcolor.studio.work import Shown


class Made:
    """The last file of each kind of work. ``scratch`` is a folder for what is not to stay."""

    def __init__(self) -> None:
        self.scratch = Path(tempfile.mkdtemp(prefix="vidcolor-studio-"))
        self._last: dict[str, Path] = {}

    def close(self) -> None:
        """Remove ``scratch``."""
        shutil.rmtree(self.scratch, ignore_errors=True)

    def last(self, kind: str) -> Path:
        """The file that the last work of this ``kind`` made. Raises SourceNotFoundError."""
        found = self._last.get(kind)
        if found is None or not found.is_file():
            raise SourceNotFoundError(f"no {kind} was made yet, or it is no longer there")
        return found

    def new_clip(self) -> Path:
        """A name for a clip that is not to stay."""
        return self.scratch / f"clip-{secrets.token_hex(4)}.mp4"

    def by(self, order: Order, kind: str, target: Path) -> Order:
        """``order``, which makes ``target``: the last of its kind once it is there."""

        def do(shown: Shown) -> tuple[str, Any]:
            done = order(shown)
            old, self._last[kind] = self._last.get(kind), target
            if old is not None and old.parent == self.scratch:
                old.unlink(missing_ok=True)
            return done

        return do
