"""Turn a run's weights into the file that ships: half precision, decoding chosen, card attached.

python -m vidcolor.train.ship runs/train/weights.safetensors TARGET --chroma-gain 1.3
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from vidcolor.models.checkpoint import read_checkpoint, to_half, write_checkpoint
from vidcolor.models.chromanet.config import NetConfig


def ship(weights: Path, target: Path, card: dict[str, object], **decoding: float) -> NetConfig:
    """Write ``weights`` to ``target`` as float16, with ``decoding`` keys of NetConfig changed.

    The card of the run is kept under ``training``. Raises ModelError for a broken checkpoint.
    """
    checkpoint = read_checkpoint(weights)
    config = replace(NetConfig.from_dict(checkpoint.config), **decoding)  # type: ignore[arg-type]
    card = {**card, "training": checkpoint.card}
    write_checkpoint(
        target, checkpoint.architecture, config.to_dict(), to_half(checkpoint.state), card
    )
    return config


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("weights", type=Path)
    parser.add_argument("target", type=Path)
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
