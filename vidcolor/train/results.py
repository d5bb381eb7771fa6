"""What comes out of a run while it trains and at its end: figures, validations, sheets, weights."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import cv2
import torch
from torch import Tensor

from vidcolor.device import describe
from vidcolor.textfile import write_text, writing
from vidcolor.train.heldout import HeldOut
from vidcolor.train.journal import Journal, Log
from vidcolor.train.network import export
from vidcolor.train.ranks import Ranks
from vidcolor.train.recipe import Recipe
from vidcolor.train.saved import Best, State, Trained, described, read_best
from vidcolor.train.start import fill_from


class Results:
    """The run's folder, seen from the loop. The averaged network is measured and kept.

    Every process calls every method, because some of them wait for one another; the first alone
    writes. Raises TargetError when the folder cannot be written.
    """

    def __init__(
        self,
        run: Path,
        recipe: Recipe,
        ranks: Ranks,
        trained: Trained,
        dtype: torch.dtype,
        log: Log,
        state: State,
    ) -> None:
        self._run, self._recipe, self._ranks, self._log = run, recipe, ranks, log
        self._average, self._terms, self._dtype = trained.average, trained.terms, dtype
        self._journal = Journal(run, state.step, log) if ranks.first else None
        self._marked, self._seen = time.monotonic(), state.images

    def close(self) -> None:
        if self._journal is not None:
            self._journal.close()

    def mark(self, state: State, sums: Tensor, progress: float, rate: float, size: int) -> None:
        """One line of figures for the steps since the last."""
        means = dict(zip(self._terms, (sums / state.counted).tolist(), strict=True))
        now = time.monotonic()
        speed = (state.images - self._seen) / max(now - self._marked, 1e-9)
        self._marked, self._seen = now, state.images
        left = state.spent / max(progress, 1e-6) * (1 - progress)
        self._log(
            f"step {state.step} ({progress:.1%}) "
            + "".join(f"{name} {value:.4g} " for name, value in means.items())
            + f"{size}px {speed:.1f} images/s, {left / 60:.0f} min left"
        )
        if self._journal is not None:
            figures = {"progress": progress, **means, "rate": rate}
            self._journal.write(state.step, {**figures, "images_per_second": speed})

    def validate(self, state: State, judge: HeldOut) -> None:
        """Measure the network on photos it does not train on; keep it if it is the best yet."""
        if state.validated == state.step:
            return
        state.validated = state.step
        begun = time.monotonic()
        score = 0.0
        if state.best_by not in ("", self._recipe.best_by):
            # The recipe was changed since: scores of two kinds say nothing of each other.
            state.best, state.stale = float("-inf"), 0
        state.best_by = self._recipe.best_by
        if self._journal is not None:
            found = judge.measure(self._average, self._ranks.device, self._dtype)
            score = found.rank(self._recipe.best_by)
            self._log(
                f"step {state.step} held out: {found.gain:+.2f} dB over grey, colour "
                f"{found.colour:.0%}, ab RMSE {found.rmse:.2f}, "
                f"score {score:.2f} (best {max(score, state.best):.2f})"
            )
            figures = {"val_gain": found.gain, "val_colour": found.colour, "val_rmse": found.rmse}
            self._journal.write(state.step, {**figures, "val_score": score})
        score = self._ranks.told(score)
        if score > state.best:
            state.best, state.best_step, state.stale = score, state.step, 0
            if self._journal is not None:
                best = Best(state.step, score, self._average.state_dict(), described(self._average))
                best.save(self._run / "best.pt")
        else:
            state.stale += 1
        self._marked += time.monotonic() - begun

    def sheet(self, step: int, photos: HeldOut) -> None:
        """Write a contact sheet, a row each of up to 8 photos: grey, ours, truth."""
        if self._journal is None:
            return
        begun = time.monotonic()
        rows = photos.sheet(self._average, self._ranks.device, self._dtype)
        path = self._run / "sheets" / f"step-{step:07}.png"
        _, data = cv2.imencode(".png", cv2.cvtColor(rows, cv2.COLOR_RGB2BGR))
        with writing(path, "sheet"):
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(data.tobytes())
        self._marked += time.monotonic() - begun

    def finish(self, state: State, counts: dict[str, int]) -> Path:
        """Write the weights, the best validated ones if there are any, and the card."""
        path = self._run / "weights.safetensors"
        if self._journal is None:
            return path
        net, step = self._average, state.step
        best = self._run / "best.pt"
        figures: dict[str, float] = {}
        if state.best_step and best.is_file():
            # Its own word for what it is: a run that was killed may know of an older one.
            kept = read_best(best)
            fill_from(net, kept.average, best)
            step, figures = kept.step, {"score": kept.score}
        weights: dict[str, Any] = {"recipe": self._recipe.card(), "steps": step}
        if figures:
            weights["validation"] = figures
        export(net, path, weights)
        card = {
            **weights,
            "steps_trained": state.step,
            "images_seen": state.images,
            "minutes": round(state.spent / 60, 2),
            "photos": counts,
            "parameters": sum(value.numel() for value in net.parameters()),
            "network": {"architecture": net.architecture, **net.shape()},
            "device": describe(self._ranks.device),
            "processes": self._ranks.count,
            "dtype": str(self._dtype).removeprefix("torch."),
            "torch": torch.__version__,
        }
        write_text(self._run / "card.json", json.dumps(card, indent=1), "card")
        self._log(f"wrote {path}, the weights of step {step}")
        return path
