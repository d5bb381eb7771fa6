"""Every recipe, from its file to a coloured film, at toy size."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from networks import tiny_checkpoint
from training import metrics, photo_folder, quiet, tiny_config, train_until

from vidcolor.errors import ModelError
from vidcolor.models.registry import load_net
from vidcolor.train import loop, network, sanity
from vidcolor.train.recipe import Recipe, load_recipe
from vidcolor.train.sanity import check_sanity
from vidcolor.train.teachers import Teachers
from vidcolor_cli.main import run

CONFIGS = Path(__file__).parent.parent / "configs" / "train"
DEFAULT = {"default", "gpu", "finish", "taught", "fast"}
NAMES = sorted({path.stem for path in CONFIGS.glob("*.toml")} - DEFAULT)
"""Those of the default network have tests of their own."""

MORE: dict[str, dict[str, Any]] = {
    # Its classifier looks at every crop anew, 224 pixels wide.
    "embedding": {"stages": ((0.0, 32, 2),), "steps": 20},
    # Tiny, and at the default network's many small rates.
    "nogan": {"rate": 1e-2, "steps": 60},
}


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    return photo_folder(tmp_path / "photos")


@pytest.fixture
def toy(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Recipe]:
    """The recipe of a name with tiny networks and crops, and with further changes."""
    monkeypatch.setattr(network, "net_config", tiny_config)
    # No published weights are as tiny; classifiers that are part of a recipe keep theirs.
    monkeypatch.setattr(network, "load_imagenet_encoder", lambda *_: None)

    def make(name: str, **more: Any) -> Recipe:
        path = CONFIGS / f"{name}.toml"
        plain = load_recipe(path, {"photos": [str(photos)]})
        recipe = replace(
            plain,
            run=str(tmp_path / "run"),
            start_from="",
            stages=((0.0, 32, 4),),
            steps=30,
            rate=3e-3,
            warmup=1,
            ema=0.8,
            log_every=5,
            val_every=0,
            patience=0,
            gallery=False,
            sheet_every=0,
            sheet_epochs=0.0,
            device="cpu",
            threads=1,
        )
        if plain.network != "chromanet":
            recipe = replace(recipe, width=8)
        if plain.adversarial:
            recipe = replace(recipe, critic_width=8)
        if plain.cache:
            recipe = replace(recipe, cache=str(tmp_path / "cache"))
        return replace(recipe, **more)

    return make


@pytest.mark.parametrize("name", NAMES)
def test_a_recipe_learns_and_its_network_colours_a_film(
    name: str,
    toy: Callable[..., Recipe],
    photos: Path,
    clip: Callable[[str], Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    recipe = toy(name, **MORE.get(name, {}))
    weights = loop.train(recipe, quiet)
    costs = [item[loop.terms_of(recipe)[0]] for item in metrics(recipe.run)]
    assert costs[-1] < 0.8 * costs[0]
    words = ["--model", str(weights), "--device", "cpu"]
    target = tmp_path / "out.mp4"
    film = [str(clip("plain.mp4")), str(target), "--frames", "0:2", "--short-side", "64"]
    assert run([*film, *words]) == 0
    assert target.stat().st_size > 0
    report = tmp_path / "report.json"
    assert run(["eval", str(photos), "--limit", "1", "--json", str(report), *words]) == 0
    assert json.loads(report.read_text(encoding="utf-8"))["summary"]["photos"] == 1
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("name", "more"),
    [
        ("gan", {"threads": 2}),
        ("nogan", {"critic_from": 0.3, "adversary_from": 0.6}),
        ("fusion-yuv", {"resident": "on"}),
    ],
)
def test_a_killed_recipe_goes_on_to_the_same_result(
    name: str,
    more: dict[str, Any],
    toy: Callable[..., Recipe],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    recipe = toy(name, steps=6, save_every=3, log_every=2, **more)
    whole = replace(recipe, run=str(tmp_path / "whole"))
    loop.train(whole, quiet)
    train_until(5, recipe, monkeypatch)
    lines: list[str] = []
    loop.train(recipe, lines.append)
    assert "continuing from step 3" in lines
    first, second = (torch.load(Path(item.run) / "last.pt") for item in (whole, recipe))
    for part in ("net", "average"):
        for key, value in first[part].items():
            assert torch.equal(value, second[part][key]), key
    if recipe.adversarial:
        critics = (item["adversary"]["critic"] for item in (first, second))
        for one, other in zip(*(critic.values() for critic in critics), strict=True):
            assert torch.equal(one, other)
    assert metrics(recipe.run) == metrics(whole.run)


def test_in_nogan_the_network_rests_while_the_critic_learns_alone(
    toy: Callable[..., Recipe], monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = toy("nogan", steps=6, critic_from=0.3, adversary_from=0.6, save_every=1)
    seen = []
    for step in (2, 4):
        train_until(step, recipe, monkeypatch)
        seen.append(torch.load(Path(recipe.run) / "last.pt"))
    loop.train(recipe, quiet)
    seen.append(torch.load(Path(recipe.run) / "last.pt"))
    first, second, last = (item["net"] for item in seen)
    # The statistics of its norms too.
    assert any(name.endswith("running_mean") for name in first)
    assert all(torch.equal(value, second[name]) for name, value in first.items())
    assert not torch.equal(second["head.weight"], last["head.weight"])
    critics = [item["adversary"]["critic"]["layers.0.weight"] for item in seen]
    assert not torch.equal(critics[0], critics[1])
    assert [item["adversarial"] > 0 for item in metrics(recipe.run)] == [True]


def test_a_network_comes_to_say_what_its_teachers_say(
    toy: Callable[..., Recipe], tmp_path: Path
) -> None:
    teacher = tiny_checkpoint(tmp_path / "teacher.safetensors", 1)
    light = torch.rand(2, 1, 64, 64) * 100
    told = Teachers([str(teacher)], torch.device("cpu"))(light, None)
    apart = []
    for taught in (0.0, 1.0):
        name = f"{taught:.0f}"
        more = {"teachers": (str(teacher),), "taught": taught, "regression": 0.0, "steps": 100}
        recipe = toy("taught", run=str(tmp_path / name), **more)
        net, checkpoint = load_net(loop.train(recipe, quiet))
        assert checkpoint.card["recipe"]["teachers"] == ["teacher.safetensors"]
        with torch.no_grad():
            said = net(light).log_softmax(1).permute(0, 2, 3, 1).flatten(0, 2)
        apart.append(float((told * (told.log() - said)).sum(1).mean()))
    assert apart[1] < 0.5 * apart[0]


def test_a_checkpoint_of_another_recipe_is_refused(toy: Callable[..., Recipe]) -> None:
    loop.train(toy("gan", steps=1), quiet)
    with pytest.raises(ModelError, match=r"has network unet, the recipe's palettenet"):
        loop.train(toy("palette", steps=1), quiet)
    with pytest.raises(ModelError, match=r"has terms \['l1', 'adversarial', 'critic', 'total'\]"):
        loop.train(toy("gan", steps=1, adversarial=0.0), quiet)


def test_a_recipe_goes_on_from_the_weights_of_another(toy: Callable[..., Recipe]) -> None:
    first = loop.train(toy("palette", steps=2), quiet)
    again = toy("palette", steps=1, run=f"{first.parent}2", start_from=str(first), rate=1e-9)
    second = loop.train(again, quiet)
    one, other = (load_net(path)[0].state_dict() for path in (first, second))  # type: ignore[attr-defined]
    assert all(torch.allclose(value, other[key], atol=1e-6) for key, value in one.items())
    wide = replace(again, width=16, run=f"{first.parent}3")
    with pytest.raises(ModelError, match="does not fit the recipe"):
        loop.train(wide, quiet)


def test_sheets_come_by_epochs(toy: Callable[..., Recipe]) -> None:
    # Four crops a step of five photos: ten and twenty are full after steps 3 and 5.
    recipe = toy("palette", steps=6, sheet_epochs=2.0)
    loop.train(recipe, quiet)
    found = sorted(path.name for path in (Path(recipe.run) / "sheets").iterdir())
    assert found == ["step-0000003.png", "step-0000005.png", "step-0000006.png"]


def test_only_photos_that_are_included_are_trained_on(toy: Callable[..., Recipe]) -> None:
    lines: list[str] = []
    loop.train(
        toy("palette", steps=1, include=("inner/*", "4*"), exclude=("*/1.png",)), lines.append
    )
    assert lines[0].startswith("2 photos, 0 held out; left out 0 unreadable, 0 grey, 3 excluded")
    lines.clear()
    held = Path(toy("palette").photos[0])
    listed = toy("palette", steps=1, include=("inner/*",), exclude=("*/1.png",))
    listed = replace(listed, val=(str(held),), val_every=1)
    loop.train(listed, lines.append)
    assert lines[0].startswith("1 photos, 4 held out")
    lines.clear()
    loop.train(toy("palette", steps=1, limit=3), lines.append)
    assert lines[0].startswith("3 photos")


def test_scores_of_another_kind_are_not_compared_with(
    toy: Callable[..., Recipe], photos: Path
) -> None:
    recipe = toy("regression", steps=2, val=(str(photos),), val_every=2, best_by="score")
    loop.train(recipe, quiet)
    by_score = torch.load(Path(recipe.run) / "last.pt", weights_only=True)["state"]
    loop.train(replace(recipe, steps=4, best_by="rmse"), quiet)
    by_rmse = torch.load(Path(recipe.run) / "last.pt", weights_only=True)["state"]
    assert (by_score["best_by"], by_rmse["best_by"]) == ("score", "rmse")
    # The distance is far below any score, but the latest one is the only one of its kind.
    assert by_rmse["best"] < by_score["best"] and by_rmse["best_step"] == 4


def test_early_stopping_may_go_by_the_distance_alone(
    toy: Callable[..., Recipe], photos: Path
) -> None:
    recipe = toy("regression", steps=4, val=(str(photos),), val_every=2, best_by="rmse")
    loop.train(recipe, quiet)
    held = [item for item in metrics(recipe.run) if "val_rmse" in item]
    assert held and all(item["val_score"] == -item["val_rmse"] for item in held)


def test_one_photo_is_learned_by_heart(toy: Callable[..., Recipe], tmp_path: Path) -> None:
    recipe = toy("embedding", width=16, cache=str(tmp_path / "cache"))
    lines: list[str] = []
    found = check_sanity(recipe, lines.append, steps=100)
    assert found.rmse < sanity.MOST * found.grey_rmse
    assert found.gain > 6
    assert "one photo by heart" in lines[-1] and lines[-1].endswith("this recipe can learn")
    assert not any(line.startswith("wrote") for line in lines)
    assert not Path(recipe.run).exists()
    assert not Path(recipe.cache).exists()


def test_a_network_that_learns_nothing_is_told_of(
    toy: Callable[..., Recipe],
    tmp_path: Path,
    photos: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(ModelError, match="more than 35%: look at the network"):
        check_sanity(toy("palette"), quiet, steps=1)
    path = tmp_path / "mine.toml"
    path.write_text("network = 'unet'\nwidth = 8\nloss = 'l1'\n", encoding="utf-8")
    monkeypatch.setattr(check_sanity, "__defaults__", (quiet, 1))
    assert run(["train", str(path), "--photos", str(photos), "--sanity"]) == 5
    assert "one photo by heart" in capsys.readouterr().err


def test_the_sanity_check_is_for_one_process(
    tmp_path: Path,
    photos: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in (("WORLD_SIZE", "2"), ("RANK", "0"), ("LOCAL_RANK", "0")):
        monkeypatch.setenv(name, value)
    path = tmp_path / "mine.toml"
    path.write_text("network = 'unet'\nwidth = 8\nloss = 'l1'\n", encoding="utf-8")
    assert run(["train", str(path), "--photos", str(photos), "--sanity"]) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1 and "in one process; start it alone" in err


def test_a_run_may_end_with_a_gallery(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(
        f"network = 'tanhnet'\nwidth = 8\nloss = 'l2'\nsteps = 1\nwarmup = 1\nthreads = 1\n"
        f"stages = [[0.0, 32, 2]]\nval = ['{photos}']\nval_photos = 4\ngallery = true\n"
        f"sheet_every = 0\nrun = '{tmp_path / 'run'}'\n",
        encoding="utf-8",
    )
    assert run(["train", str(path), "--photos", str(photos), "--device", "cpu"]) == 0
    page = (tmp_path / "run" / "gallery.html").read_text(encoding="utf-8")
    assert "<h2>Worst</h2>" in page and "<h2>Best</h2>" in page
    assert page.count("inner/") >= 2
    assert "gallery.html" in capsys.readouterr().out


def test_losses_are_what_they_say(toy: Callable[..., Recipe]) -> None:
    """On a network that is always right, and on one off by 11 units of a* everywhere."""
    from vidcolor.train.costs import Costs
    from vidcolor.train.examples import Batch
    from vidcolor.train.known import Known

    batch = Batch(
        torch.full((2, 1, 32, 32), 50.0),
        torch.from_numpy(np.random.default_rng(0).uniform(-40, 40, (2, 2, 32, 32))).float(),
        torch.zeros(2, 3, 32, 32),
        torch.arange(2),
    )
    net = network.build_net(toy("gan"), None)  # type: ignore[arg-type]
    for off, l1, l2, huber in ((0.0, 0, 0, 0), (11.0, 0.05, 0.005, 0.05 - 0.25 / 110)):
        for name, expected in (("l1", l1), ("l2", l2), ("huber", huber)):
            recipe = toy("gan", loss=name, adversarial=0.0)
            ab = batch.ab + torch.tensor([off, 0.0])[:, None, None]
            net.forward = lambda *_, ab=ab: torch.atanh(ab / 110)  # type: ignore[method-assign]
            costs = Costs(recipe, None, Known(), None, torch.device("cpu"), torch.float32)
            total, terms = costs(net, batch)
            assert float(total) == pytest.approx(expected, abs=1e-6)
            assert terms.tolist() == pytest.approx([expected, expected], abs=1e-6)


def test_training_leaves_torch_as_many_threads_as_it_found(toy: Callable[..., Recipe]) -> None:
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(3)
        loop.train(toy("regression", steps=1), quiet)
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)
