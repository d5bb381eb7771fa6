"""The networks that recipes can name: built, written, found again, and told what they are told."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from torch import nn
from training import photo, photo_folder, quiet

from vidcolor.errors import ModelError, SettingsError
from vidcolor.models.checkpoint import write_checkpoint
from vidcolor.models.chromanet.bins import nodes
from vidcolor.models.chromanet.config import NetConfig
from vidcolor.models.chromanet.parts import ConvUnit, Encoder
from vidcolor.models.chromanet.pretrained import (
    encoder_stages,
    load_imagenet_encoder,
    load_imagenet_head,
)
from vidcolor.models.colorizer import Colorizer
from vidcolor.models.fusionnet import classifier
from vidcolor.models.lab import ab_of, chroma_of, grey_of, lab_from_rgb
from vidcolor.models.registry import ARCHITECTURES, load_net, read_model
from vidcolor.models.unet.net import PaletteNet
from vidcolor.train import known
from vidcolor.train.combinations import NETWORKS
from vidcolor.train.critic import PatchCritic
from vidcolor.train.known import find_out
from vidcolor.train.network import build_net, export
from vidcolor.train.photos import PhotoSet, load_photos
from vidcolor.train.recipe import Recipe
from vidcolor.train.saved import Best, described
from vidcolor.train.start import fill as start

PHOTOS = PhotoSet((photo(0),), ("a",), 0, 0)
CPU = torch.device("cpu")
NEW = [
    Recipe(network="eccv16", width=8),
    Recipe(network="siggraph17", width=8, loss="huber"),
    Recipe(network="tanhnet", width=8, loss="l2"),
    Recipe(network="tanhnet", width=8, loss="l2", space="yuv"),
    Recipe(network="fusionnet", width=8, loss="l2"),
    Recipe(network="fusionnet", width=8, loss="l2", embedding="logits"),
    Recipe(network="fusionnet", width=8, loss="l2", embedding="features", space="yuv"),
    Recipe(network="unet", width=8, loss="l1"),
    Recipe(network="palettenet", width=8, loss="l1"),
]


@pytest.mark.parametrize("temperature", ["warm", 0, -1.0, float("nan")])
def test_a_temperature_without_a_mean_is_refused_at_once(
    temperature: object, tmp_path: Path
) -> None:
    net = build_net(NEW[0], PHOTOS).for_films()
    path = tmp_path / "weights.safetensors"
    write_checkpoint(path, "eccv16", {"temperature": temperature}, net.state_dict())
    with pytest.raises(ModelError, match="does not fit eccv16: "):
        load_net(path)


@pytest.mark.parametrize("recipe", NEW, ids=lambda r: f"{r.network}-{r.embedding}-{r.space}")
def test_a_network_comes_back_as_it_was_exported(recipe: Recipe, tmp_path: Path) -> None:
    torch.manual_seed(0)
    net = build_net(recipe, PHOTOS, labels=3 if recipe.embedding == "learned" else 0).eval()
    path = tmp_path / "weights.safetensors"
    export(net, path, {"steps": 0})
    architecture, checkpoint = read_model(path)
    assert architecture.name == recipe.network
    assert sum(item.detect(checkpoint.state) for item in ARCHITECTURES) == 1
    light = np.random.default_rng(0).uniform(0, 100, (2, 32, 64)).astype(np.float32)
    with torch.no_grad():
        output = net(torch.from_numpy(light)[:, None])
        assert output.shape[2:] == (32 // net.shrink, 64 // net.shrink)
        expected = net.decode(output).numpy()
    colorizer = Colorizer(str(path), "cpu", dtype=torch.float32)
    found = colorizer.colors(light)
    assert found.shape == (2, 2, 32, 64)
    if net.shrink == 1:
        assert np.abs(found - expected).max() < 1e-3
    assert colorizer.takes_hints == net.hinted
    if not net.hinted:
        with pytest.raises(ModelError, match="cannot be told colours"):
            colorizer.colors(light, np.zeros((2, 3, 32, 64), np.float32))
        with pytest.raises(ValueError, match="no hints"):
            net(torch.zeros(1, 1, 32, 32), torch.zeros(1, 3, 32, 32))


def test_every_network_of_a_recipe_is_in_the_registry() -> None:
    assert set(NETWORKS) <= {item.name for item in ARCHITECTURES}


@pytest.mark.parametrize("config", [{"space": "lab", "depth": 3}, {"space": "xyz"}])
def test_weights_with_another_config_are_refused(tmp_path: Path, config: dict[str, object]) -> None:
    net = build_net(NEW[2], PHOTOS)
    path = tmp_path / "weights.safetensors"
    net.shape = lambda: config  # type: ignore[method-assign]
    export(net, path, {})
    with pytest.raises(ModelError, match="does not fit tanhnet"):
        load_net(path)


def test_eccv16_is_annealed_as_its_recipe_says(tmp_path: Path) -> None:
    net = build_net(Recipe(network="eccv16", width=8, temperature=0.25), PHOTOS)
    export(net, tmp_path / "w.safetensors", {})
    again, _ = load_net(tmp_path / "w.safetensors")
    logits = torch.zeros(1, len(nodes()), 1, 1)
    logits[0, 7] = 1.0
    shares = torch.softmax(logits[0, :, 0, 0] / 0.25, 0)
    assert torch.allclose(again.decode(logits)[0, :, 0, 0], shares @ nodes(), atol=1e-4)


def test_colours_in_yuv_come_back_as_ab() -> None:
    rgb = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    lab = lab_from_rgb(rgb)
    told = chroma_of(lab[:, :1], lab[:, 1:], "yuv")
    red, green, blue = rgb.unbind(1)
    luma = 0.299 * red + 0.587 * green + 0.114 * blue
    assert torch.allclose(told[:, 0] * 0.886, blue - luma, atol=1e-3)
    assert torch.allclose(told[:, 1] * 0.701, red - luma, atol=1e-3)
    told.requires_grad_()
    found = ab_of(lab[:, :1], told, "yuv")
    assert (found - lab[:, 1:]).abs().max() < 0.01
    found.sum().backward()
    assert told.grad is not None and told.grad.isfinite().all() and told.grad.abs().mean() > 1
    grey = torch.full((1, 1, 1, 1), 53.389)
    assert float(grey_of(grey)) == pytest.approx(0.5, abs=1e-3)


def test_a_palette_says_which_colours_there_are_and_not_where() -> None:
    net = PaletteNet(8).eval()
    hints = torch.zeros(3, 3, 32, 32)
    hints[0, :, 2:5, 3:6] = torch.tensor([40.0, -20.0, 1.0])[:, None, None]
    hints[1, :, 20:30, 9:30] = torch.tensor([40.0, -20.0, 1.0])[:, None, None]
    found = net.colours(hints)
    assert torch.equal(found[0], found[1])
    at = int((nodes() == torch.tensor([40.0, -20.0])).all(1).nonzero())
    assert found[0].nonzero().flatten().tolist() == [at, len(nodes())]
    assert not found[2].any()
    light = torch.rand(1, 1, 32, 32).expand(3, -1, -1, -1) * 100
    with torch.no_grad():
        told = net(light, hints)
        assert torch.allclose(told[0], told[1])
        assert not torch.allclose(told[0], told[2])
        assert torch.allclose(told[2], net(light)[2], atol=1e-6)


def test_the_classifier_says_what_its_published_weights_say() -> None:
    """Though its norms were folded, and its stem made grey."""
    net = classifier.published("lite0")
    light = torch.rand(1, 1, 224, 224, generator=torch.Generator().manual_seed(0)) * 100
    features, logits = net.train()(light)
    assert not any(module.training for module in net.modules())

    encoder = Encoder(NetConfig(stages=encoder_stages("lite0")), folded=False, planes=3)
    last, classes = ConvUnit(encoder.channels[-1], 1280, 1, folded=False), nn.Linear(1280, 1000)
    load_imagenet_encoder(encoder, "lite0")
    load_imagenet_head(last, classes, "lite0")
    with torch.no_grad():
        deepest = encoder.eval()(2 * grey_of(light).expand(-1, 3, -1, -1) - 1)[-1]
        expected = last.eval()(deepest).mean((2, 3))
        assert expected.std() > 0.1
        assert torch.allclose(features, expected, atol=1e-3)
        assert torch.allclose(logits, classes(expected), atol=1e-2)
    told = net.embedding(light, "logits")
    assert torch.equal(told.argmax(1), logits.argmax(1))
    assert abs(float(told.mean())) < 1e-5


def test_labels_are_folders_or_what_the_classifier_says(tmp_path: Path) -> None:
    photos = load_photos([photo_folder(tmp_path / "photos")], 64)
    recipe = Recipe(network="fusionnet", loss="l2", classification=0.1)
    lines: list[str] = []
    found = find_out(recipe, photos, CPU, lines.append)
    assert found.kinds == 2
    inner = [name.startswith("inner/") for name in photos.names]
    assert found.labels is not None and found.labels.tolist() == [int(not item) for item in inner]
    assert "the folders of the photos" in lines[-1]

    alone = photos.subset([k for k, inside in enumerate(inner) if not inside])
    found = find_out(recipe, alone, CPU, lines.append)
    assert "best guesses of lite0" in lines[-1]
    assert found.labels is not None and len(found.labels) == 3
    assert int(found.labels.max()) + 1 == found.kinds


def test_kinds_are_the_folders_however_the_photos_are_given(tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("forest", "beach")]
    for folder in folders:
        folder.mkdir()
        for seed in range(2):
            cv2.imwrite(str(folder / f"{seed}.png"), photo(seed))
    listed = tmp_path / "list.txt"
    listed.write_text("forest/0.png\nforest/1.png\nbeach/0.png\nbeach/1.png\n", encoding="utf-8")
    recipe = Recipe(network="fusionnet", loss="l2", classification=0.1, labels="folders")
    for sources in (folders, [listed]):
        found = find_out(recipe, load_photos(sources, 64), CPU, quiet)
        assert found.kinds == 2
        assert found.labels is not None and found.labels.tolist() == [1, 1, 0, 0]
    with pytest.raises(SettingsError, match="all photos lie in one folder"):
        find_out(recipe, load_photos(folders[:1], 64), CPU, quiet)


@pytest.mark.parametrize("recipe", NEW, ids=lambda r: f"{r.network}-{r.embedding}-{r.space}")
def test_what_answers_is_what_colours_come_from(recipe: Recipe) -> None:
    """With its weights and biases at 0, all that is shown looks alike."""
    torch.manual_seed(0)
    net = build_net(recipe, PHOTOS, labels=0).eval()
    light = torch.rand(2, 1, 32, 32) * 100
    with torch.no_grad():
        before = net.chroma(net(light))
        for value in net.answer().parameters():
            value.zero_()
        after = net.chroma(net(light))
    assert len([*net.answer().parameters()]) <= 2
    assert before.flatten().std() > 0
    assert after.flatten(2).std(2).max() < 1e-5


def test_weights_of_another_space_are_no_start(tmp_path: Path) -> None:
    painted = Recipe(network="tanhnet", width=8, loss="l2", space="yuv")
    path = tmp_path / "weights.safetensors"
    export(build_net(painted, PHOTOS), path, {"steps": 0})
    build_net(replace(painted, start_from=str(path)), PHOTOS)
    start(build_net(painted, PHOTOS), path)
    with pytest.raises(ModelError, match="its answers are yuv, those of the recipe's network lab"):
        start(build_net(replace(painted, space="lab"), PHOTOS), path)
    best = tmp_path / "best.pt"
    net = build_net(painted, PHOTOS)
    Best(1, 0.5, net.state_dict(), described(net)).save(best)
    start(build_net(painted, PHOTOS), best)
    with pytest.raises(ModelError, match="its answers are yuv"):
        start(build_net(replace(painted, space="lab"), PHOTOS), best)
    with pytest.raises(ModelError, match="weights of tanhnet, not of unet"):
        start(build_net(Recipe(network="unet", width=8, loss="l1"), PHOTOS), path)


def test_embeddings_are_computed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    photos = load_photos([photo_folder(tmp_path / "photos")], 64)
    recipe = Recipe(
        network="fusionnet", loss="l2", embedding="features", cache=str(tmp_path / "cache")
    )
    first = find_out(recipe, photos, CPU, quiet).embeddings
    assert first is not None and first.shape == (5, 1280)

    def missing(variant: str) -> None:
        raise AssertionError(variant)

    with monkeypatch.context() as patch:
        patch.setattr(known, "published", missing)
        again = find_out(recipe, photos, CPU, quiet).embeddings
        assert again is not None and torch.equal(first, again)
        with pytest.raises(AssertionError):
            find_out(recipe, photos.subset([0, 1]), CPU, quiet)
    (path,) = (tmp_path / "cache").glob("*.pt")
    path.write_bytes(b"nothing")
    with pytest.raises(ModelError, match="broken; remove it"):
        find_out(recipe, photos, CPU, quiet)


def test_a_patch_of_the_critic_is_70_pixels_wide() -> None:
    critic = PatchCritic(8)
    light = torch.zeros(1, 1, 128, 128, requires_grad=True)
    # The norms look at the whole picture; without them only the convolutions' reach is left.
    for number, layer in enumerate(critic.layers):
        if isinstance(layer, torch.nn.GroupNorm):
            critic.layers[number] = torch.nn.Identity()
    verdicts = critic(light + 50, torch.zeros(1, 2, 128, 128))
    middle = verdicts[0, 0, verdicts.shape[2] // 2, verdicts.shape[3] // 2]
    (grad,) = torch.autograd.grad(middle, light)
    assert int((grad[0, 0].abs().sum(0) > 0).sum()) == 70
