"""A training recipe: the schema, its defaults, and reading it from TOML."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from vidcolor.errors import SettingsError
from vidcolor.settings import read_toml

ENCODERS = ("none", "lite0", "lite1", "lite2")
RESIDENT = ("auto", "on", "off")


@dataclass(frozen=True, slots=True)
class Recipe:
    """One training run. Paths are taken relative to the working folder."""

    photos: tuple[str, ...] = ()
    """Folders, tar shards, list files or single photos to train on."""
    run: str = "runs/train"
    """The run's folder: checkpoint, log and weights."""
    encoder: str = "lite0"
    """The encoder's shape and ImageNet weights, ``lite0`` to ``lite2``; ``none``: lite0's shape,
    random weights."""
    widths: tuple[int, ...] = (160, 160, 112, 72)
    """The decoder's channels at 1/32, 1/16, 1/8 and 1/4, see NetConfig."""
    start_from: str = ""
    """Weights to continue from: a vidcolor checkpoint, or another run's ``last.pt``."""
    attention: int = 0
    """Attention blocks of the network, see NetConfig."""
    exclude: tuple[str, ...] = ()
    """Photos to leave out: list files of names, and patterns (``cat-*``, ``shard-3.tar/*``)."""
    val: tuple[str, ...] = ()
    """Photos to validate on; empty holds out a share of ``photos``."""
    val_share: float = 0.01
    """Share of the photos held out where ``val`` is empty; none of fewer than 50."""
    val_photos: int = 256
    """Validate on at most so many."""
    val_every: int = 1000
    """Steps between validations; 0 for none, and nothing is held out."""
    patience: int = 0
    """Stop after so many validations without a better score; 0 goes on to the end."""
    frozen_blocks: int = 0
    """How many of the encoder's first blocks, and its stem, are not trained."""
    steps: int = 10_000
    minutes: float = 0.0
    """Where above 0, the schedule ends after this long if the steps are not done sooner."""
    stop_after: float = 0.0
    """Where above 0, this call ends after so many minutes, with a checkpoint to go on from and the
    weights so far. The schedule knows nothing of it: a run in slices is the same run."""
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
    resident: str = "auto"
    """``on`` keeps the photos in the device's memory and makes batches there, ``off`` makes them
    with the CPU, ``auto`` is ``on`` for a GPU."""
    threads: int = 2
    """Threads that decode photos and, on a CPU, train on a part of every batch each."""
    workers: int = 1
    """Threads that make batches ahead, where photos are not resident."""
    log_every: int = 50
    save_every: int = 250
    sheet_every: int = 1000
    """Steps between contact sheets: grey, ours, truth. 0 for none."""

    def card(self) -> dict[str, Any]:
        """The recipe as it is published with weights: names of files, not where they lay."""
        values = asdict(self)
        for key in ("photos", "val"):
            values[key] = [Path(item).name for item in values[key]]
        # A pattern may name a photo's source before its name; a list file lay somewhere.
        values["exclude"] = [
            "/".join(Path(item).parts[-2:]) if "*" in item or "?" in item else Path(item).name
            for item in values["exclude"]
        ]
        for key in ("run", "start_from"):
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
        table[key] = _fitted(path, key, value, known[key])
    recipe = Recipe(**table)
    _check(path, recipe)
    return recipe


def _fitted(path: Path, key: str, value: Any, default: Any) -> Any:
    """``value`` as the type of ``default``. Raises SettingsError."""
    if isinstance(default, float) and type(value) is int:
        value = float(value)
    elif isinstance(default, tuple) and isinstance(value, list):
        value = tuple(tuple(item) if isinstance(item, list) else item for item in value)
    elif key == "exclude" and isinstance(value, str):
        value = (value,)
    if type(value) is not type(default):
        kind = "list" if isinstance(default, tuple) else type(default).__name__
        raise SettingsError(f"{path}: {key} must be a {kind}, not {value!r}")
    return value


def _check(path: Path, recipe: Recipe) -> None:
    """Raises SettingsError for values that cannot be meant."""

    def need(fine: bool, message: str) -> None:
        if not fine:
            raise SettingsError(f"{path}: {message}")

    need(bool(recipe.photos), "photos is empty: name folders or tar files of photos")
    for key in ("photos", "val", "exclude"):
        texts = getattr(recipe, key)
        need(all(isinstance(item, str) for item in texts), f"{key} must be a list of names")
    stages = recipe.stages
    need(
        bool(stages) and all(len(item) == 3 for item in stages),
        "stages must be a list of [share, crop size, batch size]",
    )
    need(
        stages[0][0] == 0 and all(size > 0 and size % 32 == 0 for _, size, _ in stages),
        "stages must begin at 0.0 and have crop sizes that are multiples of 32",
    )
    need(
        all(isinstance(count, int) and count > 0 for _, _, count in stages),
        "stages must have batch sizes of at least 1",
    )
    need(
        len(recipe.widths) == 4 and all(isinstance(w, int) and w > 0 for w in recipe.widths),
        "widths must be four numbers of channels",
    )
    for key, choices in (("encoder", ENCODERS), ("resident", RESIDENT)):
        value = getattr(recipe, key)
        need(value in choices, f"{key} {value!r}: unknown; valid are {', '.join(choices)}")
    for key in ("steps", "threads", "workers", "log_every", "save_every", "warmup", "val_photos"):
        need(getattr(recipe, key) > 0, f"{key} must be at least 1")
    for key in ("minutes", "stop_after", "val_every", "sheet_every", "patience", "attention"):
        need(getattr(recipe, key) >= 0, f"{key} must not be negative")
    for key in ("val_share", "smallest_crop", "degraded", "points", "dense", "ema", "last_rate"):
        need(0 <= getattr(recipe, key) <= 1, f"{key} must lie in 0 to 1")
    need(recipe.smallest_crop > 0, "smallest_crop must be above 0")
