from __future__ import annotations

import tarfile
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from networks import TINY, tiny_checkpoint

from vidcolor.errors import ModelError, SettingsError, SourceError, TargetError
from vidcolor.models.chromanet import net as net_module
from vidcolor.models.chromanet.bins import encode, nodes
from vidcolor.models.chromanet.net import ChromaNet
from vidcolor.models.registry import load_net
from vidcolor.train import loop
from vidcolor.train.objectives import ColorLoss, class_weights, node_prior
from vidcolor.train.photos import Augment, age, load_photos, make_example
from vidcolor.train.recipe import Recipe, load_recipe
from vidcolor.train.start import continue_from


def _photo(seed: int, height: int = 96, width: int = 128) -> np.ndarray:
    """Soft coloured blobs: yellow where bright, blue where dark."""
    rng = np.random.default_rng(seed)
    tone = cv2.resize(rng.uniform(0, 255, (4, 5)).astype(np.float32), (width, height))
    return np.dstack((tone, 0.5 * tone + 40, 255 - tone)).clip(0, 255).astype(np.uint8)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    (folder / "inner").mkdir(parents=True)
    for seed in range(5):
        place = folder / ("inner" if seed % 2 else ".") / f"{seed}.png"
        cv2.imwrite(str(place), _photo(seed))
    return folder


def test_photos_come_from_folders_tars_and_lists(photos: Path, tmp_path: Path) -> None:
    shard = tmp_path / "shard.tar"
    with tarfile.open(shard, "w") as archive:
        for path in sorted(photos.rglob("*.png")):
            archive.add(path, path.name)
    listed = tmp_path / "list.txt"
    listed.write_text("photos/0.png\nphotos/inner/1.png\n", encoding="utf-8")
    assert len(load_photos([photos], 64).images) == 5
    assert len(load_photos([shard], 64).images) == 5
    assert load_photos([listed], 64).names == ("0.png", "1.png")
    assert min(load_photos([photos], 64).images[0].shape[:2]) == 64


def test_unreadable_and_grey_photos_are_counted_and_left_out(photos: Path) -> None:
    (photos / "text.jpg").write_text("not a photo", encoding="utf-8")
    cv2.imwrite(str(photos / "grey.png"), np.full((40, 40, 3), 99, np.uint8))
    found = load_photos([photos], 64)
    assert (len(found.images), found.unreadable, found.grey) == (5, 1, 1)


def test_nothing_to_train_on_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no colour photo"):
        load_photos([tmp_path], 64)
    with pytest.raises(SourceError, match=r"missing\.tar"):
        load_photos([tmp_path / "missing.tar"], 64)


def test_an_example_keeps_true_colours_and_depends_on_the_seed_alone() -> None:
    photo = _photo(0)
    plain = Augment(degraded=0, points=0, dense=0)
    one = make_example(photo, 64, plain, np.random.default_rng(3))
    same = make_example(photo, 64, plain, np.random.default_rng(3))
    assert one.lightness.shape == (1, 64, 64)
    assert one.ab.shape == (2, 16, 16)
    assert not one.hints.any()
    assert all(np.array_equal(getattr(one, k), getattr(same, k)) for k in ("lightness", "ab"))
    # In these photos brighter is yellower, wherever the crop lies.
    small = cv2.resize(one.lightness[0], (16, 16), interpolation=cv2.INTER_AREA)
    assert np.corrcoef(small.ravel(), one.ab[1].ravel())[0, 1] > 0.8


def test_hints_carry_the_true_colour_where_their_mask_is_set() -> None:
    photo = _photo(1)
    points = Augment(smallest_crop=1, degraded=0, points=1, dense=0)
    example = make_example(photo, 64, points, np.random.default_rng(0))
    mask = example.hints[2] > 0
    assert 0 < mask.mean() < 1
    assert not example.hints[:2, ~mask].any()
    full = cv2.resize(example.ab.transpose(1, 2, 0), (64, 64)).transpose(2, 0, 1)
    # Each point is as large as nine pixels and carries the mean of what it covers.
    found, true = example.hints[:2, mask], full[:, mask]
    assert np.abs(found.mean(1) - true.mean(1)).max() < 5
    assert np.corrcoef(found.ravel(), true.ravel())[0, 1] > 0.95


def test_ageing_stays_in_range_and_changes_the_picture() -> None:
    light = np.linspace(0, 100, 64 * 64, dtype=np.float32).reshape(64, 64)
    for seed in range(10):
        old = age(light, np.random.default_rng(seed))
        assert old.min() >= 0
        assert old.max() <= 100
        assert np.abs(old - light).mean() > 0.5


def test_class_weights_raise_rare_colours_and_keep_the_mean() -> None:
    prior = torch.tensor([0.7, 0.29, 0.01])
    weights = class_weights(prior, 0.5)
    assert weights[2] > weights[1] > weights[0]
    assert torch.isclose((weights * prior).sum(), torch.tensor(1.0))
    assert torch.allclose(class_weights(prior, 0), torch.ones(3))


def test_the_loss_equals_its_plain_form_and_so_does_its_gradient() -> None:
    torch.manual_seed(0)
    grid = nodes()
    ab = (torch.rand(2, 2, 4, 4) - 0.5) * 80
    prior = node_prior(ab, len(grid)) + 1e-3
    prior /= prior.sum()
    loss = ColorLoss(
        grid, prior, 0.25, regression=0.6, vividness=0.9, edges=0.4, temperature=0.8, gain=1.2
    )

    def plain(logits: torch.Tensor) -> torch.Tensor:
        number, share = encode(ab)
        log_p = F.log_softmax(logits, 1)
        weight = (loss.weights[number] * share).sum(1)
        cross = -((log_p.gather(1, number) * share).sum(1) * weight).mean()
        calibrated = torch.softmax((logits - loss.weights.log()[:, None, None]) / 0.8, 1)
        found = 1.2 * torch.einsum("nqhw,qc->nchw", calibrated, grid)
        error = torch.log(((found - ab) ** 2).sum(1).mean((1, 2)) + 20).mean()

        def colourful(x: torch.Tensor) -> torch.Tensor:
            spread = x.var((2, 3), correction=0).sum(1) + 1
            return (spread.sqrt() + 0.3 * (x.mean((2, 3)).square().sum(1) + 1).sqrt()).mean()

        scale = ab.square().sum(1).mean((1, 2)).sqrt() + 6
        away = found - ab
        edges = sum((away.diff(dim=d).abs().mean((1, 2, 3)) / scale).mean() for d in (2, 3))
        return cross + 0.6 * (error - 0.9 * colourful(found) / colourful(ab)) + 0.4 * edges

    one = torch.randn(2, len(grid), 4, 4, requires_grad=True)
    other = one.detach().clone().requires_grad_(True)
    expected, found = plain(one), loss(other, ab).total
    assert torch.isclose(expected, found, rtol=1e-5)
    expected.backward()
    found.backward()
    assert torch.allclose(one.grad, other.grad, atol=1e-6)


def test_going_on_from_shipped_weights_changes_nothing_at_first(tmp_path: Path) -> None:
    path = tiny_checkpoint(tmp_path / "weights.safetensors")
    shipped, _ = load_net(path)
    light = torch.rand(4, 1, 64, 64) * 100
    net = ChromaNet(replace(TINY, attention=1))
    continue_from(path, net, [light])
    with torch.no_grad():
        assert torch.allclose(net.eval()(light), shipped(light), atol=1e-4)
        # On the very pictures they were measured on, the decoder's norms also train from there.
        net.train()
        loop._freeze_norms(net)
        assert torch.allclose(net(light), shipped(light), atol=1e-2)


def test_weights_of_another_shape_are_no_start(tmp_path: Path) -> None:
    path = tiny_checkpoint(tmp_path / "weights.safetensors")
    with pytest.raises(ModelError, match="does not fit the recipe"):
        continue_from(path, ChromaNet(), [torch.zeros(1, 1, 32, 32)])
    with pytest.raises(ModelError, match="no such checkpoint"):
        continue_from(tmp_path / "none.safetensors", ChromaNet(), [])


@pytest.fixture
def recipe(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Recipe:
    monkeypatch.setattr(
        loop,
        "NetConfig",
        lambda **more: net_module.NetConfig(
            **(TINY.to_dict() | {"stages": TINY.stages, "widths": TINY.widths} | more)
        ),
    )
    return Recipe(
        photos=(str(photos),),
        run=str(tmp_path / "run"),
        encoder="none",
        steps=6,
        stages=((0.0, 64, 2), (0.5, 32, 3)),
        warmup=1,
        save_every=3,
        log_every=2,
        device="cpu",
    )


def _weights(path: Path) -> dict[str, torch.Tensor]:
    return dict(load_net(path)[0].state_dict())


def test_training_writes_weights_that_load(recipe: Recipe) -> None:
    lines: list[str] = []
    path = loop.train(recipe, lines.append)
    net, checkpoint = load_net(path)
    assert checkpoint.card["steps"] == 6
    assert net(torch.zeros(1, 1, 32, 32)).shape[1] == len(nodes())
    assert any(line.startswith("step 6") for line in lines)


def test_a_killed_run_goes_on_to_the_same_result(
    recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = _weights(loop.train(replace(recipe, run=str(tmp_path / "whole")), lambda line: None))

    class KilledError(Exception):
        pass

    rate = loop._rate

    def dying(step: int, progress: float, recipe: Recipe) -> float:
        if step == 4:
            raise KilledError
        return rate(step, progress, recipe)

    monkeypatch.setattr(loop, "_rate", dying)
    with pytest.raises(KilledError):
        loop.train(recipe, lambda line: None)
    monkeypatch.setattr(loop, "_rate", rate)
    lines: list[str] = []
    resumed = _weights(loop.train(recipe, lines.append))
    assert "continuing from step 3" in lines
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)


def test_a_run_goes_on_from_the_weights_of_another(recipe: Recipe, tmp_path: Path) -> None:
    first = loop.train(recipe, lambda line: None)
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


def test_a_run_folder_that_cannot_be_made_is_refused(recipe: Recipe, photos: Path) -> None:
    with pytest.raises(TargetError, match=r"0\.png"):
        loop.train(replace(recipe, run=str(photos / "0.png" / "run")), lambda line: None)


def test_a_checkpoint_of_another_shape_is_refused(recipe: Recipe) -> None:
    run = Path(recipe.run)
    run.mkdir()
    torch.save({"net": {}, "step": 1}, run / "last.pt")
    with pytest.raises(ModelError, match="does not fit"):
        loop.train(recipe, lambda line: None)


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
    costs = [float(line.split(" ce ")[1].split()[0]) for line in lines if " ce " in line]
    assert costs[-1] < 0.8 * costs[0]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("photos = []", "photos is empty"),
        ("photoes = ['a']", "unknown key 'photoes'"),
        ("photos = ['a']\nsteps = 'many'", "steps must be a int"),
        ("photos = ['a']\nstages = [[0.0, 100, 2]]", "multiples of 32"),
        ("photos = [", "not a TOML file"),
    ],
)
def test_a_bad_recipe_is_refused_by_name(text: str, fault: str, tmp_path: Path) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(SettingsError, match=fault) as caught:
        load_recipe(path)
    assert "recipe.toml" in str(caught.value)


def test_a_recipe_reads_numbers_lists_and_changes(tmp_path: Path) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text("photos = ['a', 'b']\nminutes = 5\nstages = [[0, 64, 2]]", encoding="utf-8")
    recipe = load_recipe(path, {"steps": 7})
    assert recipe.photos == ("a", "b")
    assert recipe.minutes == 5.0
    assert recipe.stages == ((0, 64, 2),)
    assert recipe.steps == 7


def test_the_published_recipe_names_no_folders() -> None:
    card = Recipe(photos=("/secret/place/a.tar",), run="/secret/run").card()
    assert card["photos"] == ["a.tar"]
    assert card["run"] == "run"
    assert "secret" not in str(card)
