"""A training recipe: the schema, its defaults, and reading it from TOML."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from pathlib import Path
from reprlib import repr as brief
from typing import Any

from vidcolor.errors import SettingsError
from vidcolor.tomlfile import read_toml
from vidcolor.train.combinations import check


@dataclass(frozen=True, slots=True)
class Recipe:
    """One training run. Paths are taken relative to the working folder."""

    photos: tuple[str, ...] = ()
    """Folders, tar shards, list files or single photos to train on."""
    include: tuple[str, ...] = ()
    """Where not empty, only these of the photos to train on: list files of names, and patterns, as
    for ``exclude``, which also leaves out of ``val``."""
    limit: int = 0
    """Where above 0, at most so many of the photos."""
    run: str = "runs/train"
    """The run's folder: checkpoint, log and weights."""
    network: str = "chromanet"
    """What is trained: the name of an architecture, see docs/recipes.md."""
    width: int = 64
    """Channels of the first stage of any network but chromanet."""
    space: str = "lab"
    """The colours a network behind a tanh answers in: a*b* (``lab``), or U and V (``yuv``)."""
    embedding: str = "learned"
    """What a fusionnet knows of the whole picture: ``learned``, or what the frozen classifier
    ``encoder`` says: its ``logits`` or its last ``features``."""
    cache: str = ""
    """Folder for such an embedding of each whole photo, computed once; empty computes that of every
    crop."""
    encoder: str = "lite0"
    """The encoder's shape and ImageNet weights, ``lite0`` to ``lite2``; ``none``: lite0's shape,
    random weights. Also the classifier of ``embedding``, ``labels`` and ``perceptual``."""
    widths: tuple[int, ...] = (160, 160, 112, 72)
    """The decoder's channels at 1/32, 1/16, 1/8 and 1/4, see NetConfig."""
    start_from: str = ""
    """Weights to continue from: a vidcolor checkpoint, whose decoder may be wider, or another run's
    ``last.pt``."""
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
    best_by: str = "score"
    """What makes one validation better than another: ``score``, the gain less a penalty for missing
    colour, or ``rmse``, the distance in ab alone."""
    frozen_blocks: int = 0
    """How many of the encoder's first blocks, and its stem, are not trained."""
    frozen_filters: bool = True
    """Whether the encoder's depthwise filters stay as ImageNet made them, as training them costs a
    CPU more than all the rest."""
    steps: int = 10_000
    minutes: float = 0.0
    """Where above 0, the schedule ends after this long if the steps are not done sooner."""
    stop_after: float = 0.0
    """Where above 0, this call ends after so many minutes, with a checkpoint to go on from and the
    weights so far. The schedule knows nothing of it: a run in slices is the same run."""
    stages: tuple[tuple[float, int, int], ...] = ((0.0, 128, 32), (0.75, 192, 16))
    """(share of the schedule at which it begins, crop size, batch size)."""
    optimiser: str = "adamw"
    """``adamw``, or ``muon`` for all matrices but the last layer's."""
    rate: float = 1.5e-3
    encoder_rate: float = 0.3
    """Factor on the rate for the pretrained encoder."""
    warmup: int = 150
    hold: float = 0.0
    """Where above 0, the rate stays at its highest up to this share of the schedule, and falls in a
    straight line after it. A longer run may go on from any checkpoint before that."""
    last_rate: float = 0.02
    """The rate at the end, as a share of the highest."""
    weight_decay: float = 0.02
    clip: float = 1.0
    ema: float = 0.999
    loss: str = "distribution"
    """What is asked of each place's colour: that its ``distribution`` be right (`ColorLoss`), or a
    single answer near in ``l1``, ``l2`` or ``huber`` distance, in shares of the largest colour."""
    rebalance: float = 0.25
    teachers: tuple[str, ...] = ()
    """Checkpoints of the default network whose mean distribution is learned beside the truth."""
    taught: float = 0.5
    """The teachers' share of the cross-entropy; the truth has the rest."""
    uniform: float = 0.0
    """Share of a uniform prior in the one that ``rebalance`` is a power of."""
    regression: float = 0.7
    vividness: float = 0.7
    edges: float = 0.3
    temperature: float = 0.75
    chroma_gain: float = 1.15
    """Decoding that the loss looks at, and the weights begin with; see NetConfig."""
    perceptual: float = 0.0
    """Weight of the distance in features of the frozen ``encoder`` (Johnson et al., 2016)."""
    adversarial: float = 0.0
    """Weight of fooling a critic that is trained beside (Isola et al., 2017)."""
    critic_width: int = 64
    """Channels of the critic's first layer."""
    critic_from: float = 0.0
    """Share of the schedule at which the critic begins to learn, on a network that rests."""
    adversary_from: float = 0.0
    """Share of the schedule at which the network goes on, now against the critic."""
    classification: float = 0.0
    """Weight of telling the kinds of photos apart by a learned embedding (Iizuka et al., 2016)."""
    labels: str = "auto"
    """Which kinds: ``folders`` the photos lie in, the ``classifier``'s own best guesses, or
    ``auto``: folders where there are at least two."""
    vary: bool = True
    """Whether crops are varied at all, or photos shown as they are."""
    smallest_crop: float = 0.55
    rotate: float = 0.0
    """Degrees by which crops are turned at most, either way."""
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
    sheet_epochs: float = 0.0
    """Where above 0, there is a sheet each time so many times the number of photos were seen."""
    gallery: bool = False
    """Whether ``vidcolor train`` ends with a page of the best and worst photos held out."""

    def card(self) -> dict[str, Any]:
        """The recipe as it is published with weights: names of files, not where they lay."""
        values = asdict(self)
        for key in ("photos", "val", "teachers"):
            values[key] = [Path(item).name for item in values[key]]
        # A pattern may name a photo's source before its name; a list file lay somewhere.
        for key in ("include", "exclude"):
            values[key] = [
                "/".join(Path(item).parts[-2:]) if "*" in item or "?" in item else Path(item).name
                for item in values[key]
            ]
        for key in ("run", "start_from", "cache"):
            values[key] = Path(values[key]).name
        return values


def load_recipe(path: Path, changes: dict[str, Any] | None = None) -> Recipe:
    """Read a TOML recipe; ``changes`` override it. Raises SettingsError naming the fault."""
    table = read_toml(path, "recipe")
    if not table:
        raise SettingsError(f"{path}: sets nothing, so it is no recipe; some are in configs/train")
    table |= changes or {}
    known = {item.name: item.default for item in fields(Recipe)}
    for key, value in table.items():
        if key not in known:
            raise SettingsError(
                f"{path}: unknown key {key!r}; valid keys are {', '.join(sorted(known))}"
            )
        table[key] = _fitted(path, key, value, known[key])
    recipe = Recipe(**table)
    check(path, recipe)
    return recipe


def _fitted(path: Path, key: str, value: Any, default: Any) -> Any:
    """``value`` as the type of ``default``. Raises SettingsError."""
    if isinstance(default, float) and type(value) is int:
        value = float(value)
    elif isinstance(default, tuple) and isinstance(value, list):
        value = tuple(tuple(item) if isinstance(item, list) else item for item in value)
    elif key in ("include", "exclude") and isinstance(value, str):
        value = (value,)
    if type(value) is not type(default):
        kind = "list" if isinstance(default, tuple) else type(default).__name__
        raise SettingsError(f"{path}: {key} must be a {kind}, not {brief(value)}")
    return value
