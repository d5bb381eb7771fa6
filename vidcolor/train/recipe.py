"""A training recipe: the schema, its defaults, and reading it from TOML."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from vidcolor.errors import SettingsError
from vidcolor.settings import read_toml


@dataclass(frozen=True, slots=True)
class Recipe:
    """One training run. Paths are taken relative to the working folder."""

    photos: tuple[str, ...] = ()
    """Folders, tar shards, list files or single photos to train on."""
    run: str = "runs/train"
    """The run's folder: checkpoint, log and weights."""
    encoder: str = "lite0"
    """ImageNet weights to start from, or ``none``."""
    start_from: str = ""
    """Weights to continue from: a vidcolor checkpoint, or another run's ``last.pt``."""
    attention: int = 0
    """Attention blocks of the network, see NetConfig."""
    exclude: str = ""
    """A list file of photo names to leave out."""
    frozen_blocks: int = 0
    """How many of the encoder's first blocks, and its stem, are not trained."""
    steps: int = 10_000
    minutes: float = 0.0
    """Where above 0, the schedule ends after this long if the steps are not done sooner."""
    stages: tuple[tuple[float, int, int], ...] = ((0.0, 128, 32), (0.75, 192, 16))
    """(share of the schedule at which it begins, crop size, batch size)."""
    rate: float = 1.5e-3
    encoder_rate: float = 0.3
    """Factor on the rate for the pretrained encoder."""
    warmup: int = 150
    last_rate: float = 0.02
    """The rate at the end, as a share of the highest."""
    weight_decay: float = 0.02
    clip: float = 1.0
    ema: float = 0.999
    rebalance: float = 0.25
    regression: float = 0.7
    vividness: float = 0.7
    edges: float = 0.3
    temperature: float = 0.75
    chroma_gain: float = 1.15
    """Decoding that the loss looks at, and the weights begin with; see NetConfig."""
    smallest_crop: float = 0.55
    degraded: float = 0.5
    points: float = 0.3
    dense: float = 0.15
    seed: int = 0
    device: str = "auto"
    threads: int = 2
    log_every: int = 50
    save_every: int = 250

    def card(self) -> dict[str, Any]:
        """The recipe as it is published with weights: names of files, not where they lay."""
        values = asdict(self)
        values["photos"] = [Path(item).name for item in values["photos"]]
        for key in ("run", "start_from", "exclude"):
            values[key] = Path(values[key]).name
        return values


def load_recipe(path: Path, changes: dict[str, Any] | None = None) -> Recipe:
    """Read a TOML recipe; ``changes`` override it. Raises SettingsError naming the fault."""
    table = read_toml(path, "recipe") | (changes or {})
    known = {item.name: item.default for item in fields(Recipe)}
    for key, value in table.items():
        if key not in known:
            raise SettingsError(
                f"{path}: unknown key {key!r}; valid keys are {', '.join(sorted(known))}"
            )
        default = known[key]
        if isinstance(default, float) and type(value) is int:
            value = float(value)
        elif isinstance(default, tuple) and isinstance(value, list):
            value = tuple(tuple(item) if isinstance(item, list) else item for item in value)
        if type(value) is not type(default):
            kind = "list" if isinstance(default, tuple) else type(default).__name__
            raise SettingsError(f"{path}: {key} must be a {kind}, not {value!r}")
        table[key] = value
    recipe = Recipe(**table)
    if not recipe.photos:
        raise SettingsError(f"{path}: photos is empty: name folders or tar files of photos")
    if any(size % 32 for _, size, _ in recipe.stages) or recipe.stages[0][0] != 0:
        raise SettingsError(
            f"{path}: stages must begin at 0.0 and have crop sizes that are multiples of 32"
        )
    return recipe
