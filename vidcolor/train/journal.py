"""What a run leaves behind to read: lines, ``metrics.jsonl``, TensorBoard scalars, a card."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from vidcolor.textfile import write_text, writing

Log = Callable[[str], None]

_WHAT = "metrics"


class Journal:
    """The figures of one run, appended as they come.

    ``step`` is where the run begins or goes on: lines a killed run wrote after its last checkpoint
    are dropped, so that no step is there twice. Raises TargetError when the folder cannot be
    written.
    """

    def __init__(self, run: Path, step: int, log: Log) -> None:
        self._path = run / "metrics.jsonl"
        if self._path.is_file():
            with writing(self._path, _WHAT):
                lines = self._path.read_text(encoding="utf-8").splitlines(keepends=True)
            kept = "".join(line for line in lines if _until(line, step))
            write_text(self._path, kept, _WHAT)
        try:
            board: Any = import_module("torch.utils.tensorboard")
        except ImportError:
            log("no TensorBoard scalars: tensorboard is not installed (vidcolor[train] has it)")
            self._board = None
        else:
            with writing(run / "tensorboard", "curves"):
                self._board = board.SummaryWriter(run / "tensorboard", purge_step=step + 1)

    def write(self, step: int, figures: dict[str, float]) -> None:
        """One line for ``step``. Raises TargetError when it cannot be written."""
        with writing(self._path, _WHAT), self._path.open("a", encoding="utf-8") as handle:
            handle.write(json.dumps({"step": step, **figures}) + "\n")
        if self._board is not None:
            with writing(self._path.with_name("tensorboard"), "curves"):
                for name, value in figures.items():
                    self._board.add_scalar(name, value, step)

    def close(self) -> None:
        if self._board is not None:
            with writing(self._path.with_name("tensorboard"), "curves"):
                self._board.close()


def _until(line: str, step: int) -> bool:
    try:
        return bool(json.loads(line)["step"] <= step)
    except (ValueError, KeyError, TypeError):  # Half a line: the disk was full, or the power out.
        return False
