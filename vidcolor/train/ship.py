"""Turn a run's weights into the file that ships: half precision, decoding chosen, card attached.

python -m vidcolor.train.ship runs/train/weights.safetensors TARGET --chroma-gain 1.3

Of several runs that were one up to some way before their ends, the mean of their weights may be
better than any of them, and costs no more (Wortsman et al., "Model soups", ICML 2022):

python -m vidcolor.train.ship runs/a/weights.safetensors runs/b/weights.safetensors TARGET \\
    --shares 0.4 0.6
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vidcolor.errors import ModelError
from vidcolor.models.checkpoint import Checkpoint, read_checkpoint, to_half, write_checkpoint
from vidcolor.models.chromanet.config import NetConfig


def ship(
    weights: Sequence[Path],
    target: Path,
    card: dict[str, object],
    shares: Sequence[float] | None = None,
    **decoding: float,
) -> NetConfig:
    """Write ``weights`` to ``target`` as float16, with ``decoding`` keys of NetConfig changed.

    Of several, it is their mean by ``shares``, which must be as many and add up to 1; None: all
    alike. The cards of the runs are kept under ``training``. Raises ModelError for a broken
    checkpoint, or one of another shape than the first; ValueError for impossible shares.
    """
    shares = [1 / len(weights)] * len(weights) if shares is None else shares
    if len(shares) != len(weights) or abs(sum(shares) - 1) > 1e-6:
        raise ValueError(f"{len(weights)} shares that add up to 1 are needed, not {shares}")
    found = [read_checkpoint(path) for path in weights]
    first, state = found[0], dict(found[0].state)
    if len(found) > 1:
        state = {key: _mean(found, shares, key, weights) for key in first.state}
    config = replace(NetConfig.from_dict(first.config), **decoding)  # type: ignore[arg-type]
    cards = [checkpoint.card for checkpoint in found]
    told = cards[0] if len(found) == 1 else {"shares": list(shares), "runs": cards}
    card = {**card, "training": told}
    write_checkpoint(target, first.architecture, config.to_dict(), to_half(state), card)
    return config


def _mean(
    found: Sequence[Checkpoint], shares: Sequence[float], key: str, paths: Sequence[Path]
) -> NDArray[Any]:
    """The weighted mean of one array of all ``found``, as float32."""
    total = np.zeros(found[0].state[key].shape)
    for checkpoint, share, path in zip(found, shares, paths, strict=True):
        array = checkpoint.state.get(key)
        same = checkpoint.state.keys() == found[0].state.keys()
        if array is None or array.shape != total.shape or not same:
            raise ModelError(f"{path}: has another shape than {paths[0]}; no mean of both")
        total += share * array.astype(np.float64)
    return total.astype(np.float32)


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("weights", type=Path, nargs="+")
    parser.add_argument("target", type=Path)
    parser.add_argument("--shares", type=float, nargs="+", help="of each of several weights")
    parser.add_argument("--temperature", type=float)
    parser.add_argument("--rebalance", type=float)
    parser.add_argument("--chroma-gain", type=float)
    parser.add_argument("--chroma-power", type=float)
    parser.add_argument("--card", default="{}", help="JSON to put in the file's header")
    chosen = vars(parser.parse_args(words))
    weights, target, card = chosen.pop("weights"), chosen.pop("target"), chosen.pop("card")
    decoding = {name: value for name, value in chosen.items() if value is not None}
    ship(weights, target, json.loads(card), **decoding)


if __name__ == "__main__":
    main()
