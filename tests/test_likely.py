"""Likely colours at a place: the peaks of the network's distribution there."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from networks import tiny_checkpoint

from vidcolor.guide.hinted import color_shown, color_under
from vidcolor.models.checkpoint import write_checkpoint
from vidcolor.models.likely import LikelyColors, peaks
from vidcolor.models.registry import load_net

NODES = np.array([(a, b) for a in range(-40, 50, 10) for b in range(-40, 50, 10)], np.float32)


def test_peaks_are_where_the_shares_are_gathered() -> None:
    shares = np.zeros(len(NODES), np.float32)
    for (a, b), share in (((30, 20), 0.35), ((30, 30), 0.25), ((-20, 0), 0.4)):
        shares[((a, b) == NODES).all(1)] = share
    first, second = peaks(shares, NODES, 6)
    assert (first.a, first.share) == pytest.approx((30, 0.6))
    assert first.b == pytest.approx((20 * 0.35 + 30 * 0.25) / 0.6)
    assert (second.a, second.b, second.share) == pytest.approx((-20, 0, 0.4))
    assert len(peaks(shares, NODES, 1)) == 1
    even = peaks(np.full(len(NODES), 1 / len(NODES), np.float32), NODES, 100)
    assert sum(item.share for item in even) <= 1 + 1e-5


def test_both_engines_know_the_same_distribution(tmp_path: Path) -> None:
    path = tiny_checkpoint(tmp_path / "tiny.safetensors")
    light = np.random.default_rng(1).uniform(0, 100, (64, 96)).astype(np.float32)
    known = LikelyColors(str(path))
    shares = known.shares(light)
    assert shares.shape[:2] == (16, 24)
    np.testing.assert_allclose(shares.sum(-1), 1, atol=1e-5)
    np.testing.assert_allclose(known._prepare_torch()(light[None, None]), shares, atol=1e-5)
    # Its mean is what the network answers, at this temperature and gain.
    net, checkpoint = load_net(path)
    with torch.inference_mode():
        ab = net.decode(net(torch.from_numpy(light)[None, None]))[0].numpy()
    mean = np.moveaxis(shares @ checkpoint.state["nodes"], -1, 0)
    np.testing.assert_allclose(mean, ab, atol=1e-3)


def test_a_likely_colour_is_as_vivid_as_the_film_would_show_it(tmp_path: Path) -> None:
    path = tiny_checkpoint(tmp_path / "tiny.safetensors")
    _, checkpoint = load_net(path)
    config = checkpoint.config | {"chroma_gain": 0.8, "chroma_power": 0.5}
    vivid = tmp_path / "vivid.safetensors"
    write_checkpoint(vivid, "chromanet", config, checkpoint.state)
    light = np.random.default_rng(1).uniform(0, 100, (64, 96)).astype(np.float32)
    plain, strong = (LikelyColors(str(at)).at(light, (0.5, 0.5)) for at in (path, vivid))
    assert len(plain) > 1
    for one, other in zip(plain, strong, strict=True):
        times = 0.8 * ((np.hypot(one.a, one.b) + 8) / 20) ** 0.5
        assert (other.a, other.b) == pytest.approx((one.a * times, one.b * times), rel=1e-4)


def test_a_plus_may_be_part_of_a_files_name(tmp_path: Path) -> None:
    path = tiny_checkpoint(tmp_path / "mine+more.safetensors")
    known = LikelyColors(str(path))
    assert known.shares(np.full((32, 32), 50, np.float32)).shape[:2] == (8, 8)


def test_a_place_is_asked_for_in_shares_of_the_picture(tmp_path: Path) -> None:
    known = LikelyColors(str(tiny_checkpoint(tmp_path / "tiny.safetensors")))
    light = np.random.default_rng(2).uniform(0, 100, (64, 96)).astype(np.float32)
    shares, nodes = known.shares(light), known._nodes
    found = known.at(light, (0.999, 0.0), 3)
    wanted = peaks(shares[:2, -2:].mean((0, 1)), nodes, 3)
    assert found == wanted and 1 <= len(found) <= 3
    assert [it.share for it in found] == sorted((it.share for it in found), reverse=True)


@pytest.mark.parametrize("lightness", [20.0, 50.0, 80.0])
@pytest.mark.parametrize("ab", [(12.0, 18.0), (-10.0, 8.0), (0.0, 0.0), (4.0, -14.0)])
def test_a_colour_shown_is_understood_again(lightness: float, ab: tuple[float, float]) -> None:
    again = color_under(color_shown(lightness, *ab), lightness)
    assert np.hypot(again[0] - ab[0], again[1] - ab[1]) < 2.0


def test_what_srgb_cannot_show_is_drawn_into_it() -> None:
    red, green, blue = color_shown(95.0, 90.0, 60.0)
    assert red == 255 and 200 < green <= 255 and 200 < blue <= 255
    assert color_shown(0.0, 50.0, 50.0) == (0, 0, 0)
