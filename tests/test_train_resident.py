from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from skimage.color import rgb2lab
from training import photo

from vidcolor.models.lab import lab_from_rgb, rgb_from_lab
from vidcolor.train import ageing, examples
from vidcolor.train.ageing import Chance, age_batch
from vidcolor.train.examples import Augment, age, make_example
from vidcolor.train.photos import PhotoSet
from vidcolor.train.resampling import blur_matrix, resize_matrix, smooth_field
from vidcolor.train.resident import ResidentPhotos, draw_hints, turned

CPU = torch.device("cpu")
PLAIN = Augment(smallest_crop=0.6, degraded=0, points=0, dense=0)


def _chance(seed: int, count: int) -> Chance:
    return Chance(torch.Generator().manual_seed(seed), count, slice(None))


def _noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).random(shape).astype(np.float32)


@pytest.fixture(scope="module")
def photos() -> PhotoSet:
    """Of several sizes and shapes, one smaller than the crops that are made of it."""
    shapes = [(96, 128), (128, 96), (100, 100), (150, 90), (60, 200)]
    images = tuple(photo(seed, *shape) for seed, shape in enumerate(shapes))
    return PhotoSet(images, tuple("abcde"), 0, 0)


@pytest.fixture(scope="module")
def store(photos: PhotoSet) -> ResidentPhotos:
    return ResidentPhotos(photos, CPU)


def test_lab_is_that_of_skimage_there_and_back() -> None:
    rgb = _noise(1, 3, 20, 20)
    plain = rgb[0].transpose(1, 2, 0).astype(np.float64)
    lab = lab_from_rgb(torch.from_numpy(rgb))
    assert np.abs(lab[0].permute(1, 2, 0).numpy() - rgb2lab(plain)).max() < 0.02
    assert (rgb_from_lab(lab) - torch.from_numpy(rgb)).abs().max() < 1e-4


@pytest.mark.parametrize("length", [90, 77, 64, 50])
def test_resizing_by_a_matrix_is_opencvs(length: int) -> None:
    picture = _noise(90, 90)
    way = cv2.INTER_AREA if length > 64 else cv2.INTER_LINEAR
    expected = cv2.resize(picture[:length, :length], (64, 64), interpolation=way)
    matrix = resize_matrix(torch.tensor([length]), 64, 90)[0].numpy()
    assert np.abs(matrix @ picture @ matrix.T - expected).max() < 1e-5
    turned = resize_matrix(torch.tensor([length]), 64, 90, torch.tensor([True]))[0].numpy()
    assert np.abs(matrix @ picture @ turned.T - expected[:, ::-1]).max() < 1e-5


@pytest.mark.parametrize("sigma", [0.3, 0.7, 1.3])
def test_blurring_by_a_matrix_is_opencvs(sigma: float) -> None:
    picture = _noise(32, 32)
    matrix = blur_matrix(torch.tensor([sigma, 0.0]), 32).numpy()
    expected = cv2.GaussianBlur(picture, (0, 0), sigma)
    assert np.abs(matrix[0] @ picture @ matrix[0].T - expected).max() < 1e-5
    assert np.abs(matrix[1] - np.eye(32)).max() < 1e-6


def test_smooth_fields_and_jpeg_blocks_are_opencvs() -> None:
    coarse = _noise(3, 3)
    field = smooth_field(torch.from_numpy(coarse)[None], 64)[0].numpy()
    expected = cv2.resize(coarse, (64, 64), interpolation=cv2.INTER_CUBIC)
    assert np.abs(field - expected).max() < 1e-5
    soft = cv2.GaussianBlur(_noise(64, 64), (0, 0), 2)
    for quality in (15, 40, 69):
        ours = ageing._blocks(torch.from_numpy(soft)[None], torch.tensor([quality]))[0].numpy()
        theirs = examples._blocks(soft, quality)
        # Their transform rounds as it goes: here and there the next level, seldom more.
        assert np.abs(ours - theirs).mean() < 0.002
        assert np.abs(ours - soft).mean() > 4 * np.abs(ours - theirs).mean()


def test_a_batch_depends_on_the_seed_and_the_step_alone(store: ResidentPhotos) -> None:
    augment = Augment(degraded=0.5, points=0.4, dense=0.4)
    one = store.batch(3, 7, 64, 8, augment)
    for part, same, later, other in zip(
        one,
        store.batch(3, 7, 64, 8, augment),
        store.batch(3, 8, 64, 8, augment),
        store.batch(4, 7, 64, 8, augment),
        strict=True,
    ):
        assert torch.equal(part, same)
        assert not torch.equal(part, later)
        assert not torch.equal(part, other)
    shapes = [(8, 1, 64, 64), (8, 2, 16, 16), (8, 3, 64, 64), (8,)]
    assert [tuple(part.shape) for part in one] == shapes
    assert all(part.dtype == torch.float32 for part in one[:3])


def test_processes_share_a_batch_without_changing_it(store: ResidentPhotos) -> None:
    augment = Augment(degraded=0.5, points=0.4, dense=0.4)
    whole = store.batch(0, 0, 64, 6, augment)
    for rank in range(2):
        rows = slice(rank, None, 2)
        for part, all_ in zip(store.batch(0, 0, 64, 6, augment, rows), whole, strict=True):
            assert torch.allclose(part, all_[rows], atol=1e-3)


def test_batches_made_on_the_device_look_like_the_others(
    store: ResidentPhotos, photos: PhotoSet
) -> None:
    count = 400
    augment = Augment(smallest_crop=0.6, degraded=0.4, points=0.3, dense=0.15)
    light, ab, hints, _ = (part.numpy() for part in store.batch(0, 0, 64, count, augment))
    rng = np.random.default_rng(0)
    others = [
        make_example(photos.images[rng.integers(len(photos.images))], 64, augment, rng)
        for _ in range(count)
    ]
    for ours, theirs, mean, spread in (
        (light, np.stack([item.lightness for item in others]), 2.0, 0.1),
        (np.diff(light), np.stack([np.diff(item.lightness) for item in others]), 0.2, 0.2),
        (ab, np.stack([item.ab for item in others]), 2.0, 0.1),
        (np.diff(ab), np.stack([np.diff(item.ab) for item in others]), 0.2, 0.1),
        (hints[:, 2], np.stack([item.hints[2] for item in others]), 0.04, 0.1),
        (hints[:, :2], np.stack([item.hints[:2] for item in others]), 1.5, 0.15),
    ):
        assert abs(ours.mean() - theirs.mean()) < mean
        assert ours.std() == pytest.approx(theirs.std(), rel=spread)
    assert light.min() >= 0
    assert light.max() <= 100


def test_a_plain_crop_keeps_true_colours(store: ResidentPhotos) -> None:
    light, ab, hints, _ = store.batch(0, 0, 64, 16, PLAIN)
    assert not hints.any()
    # In these photos brighter is yellower, wherever the crop lies and however it is turned.
    small = torch.nn.functional.avg_pool2d(light, 4)
    for one, yellow in zip(small.flatten(1).numpy(), ab[:, 1].flatten(1).numpy(), strict=True):
        assert np.corrcoef(one, yellow)[0, 1] > 0.8


def test_a_whole_photo_comes_out_as_opencv_would_have_it() -> None:
    image = photo(0, 100, 100)
    store = ResidentPhotos(PhotoSet((image,), ("a",), 0, 0), CPU)
    light, ab, _, number = store.batch(0, 0, 64, 8, Augment(1, 0, 0, 0, stretch=0))
    assert not number.any()
    small = cv2.resize(image, (64, 64), interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    lab = cv2.cvtColor(small, cv2.COLOR_RGB2Lab)
    turned = 0
    for one in light[:, 0].numpy():
        away = [np.abs(one - lab[:, ::step, 0]).max() for step in (1, -1)]
        assert min(away) < 0.5
        turned += int(np.argmin(away))
    assert 0 < turned < 8
    assert ab.shape == (8, 2, 16, 16)


def test_turned_crops_are_opencvs() -> None:
    picture = cv2.GaussianBlur(_noise(64, 64), (0, 0), 2)
    ours = turned(torch.from_numpy(picture)[None, None], torch.tensor([20.0]))[0, 0].numpy()
    about = cv2.getRotationMatrix2D((31.5, 31.5), 20, 1)
    expected = cv2.warpAffine(picture, about, (64, 64), borderMode=cv2.BORDER_REFLECT)
    # OpenCV counts places in 32nds of a pixel.
    assert np.abs(ours - expected).max() < 0.01


def test_hints_carry_the_true_colour_where_their_mask_is_set() -> None:
    # Columns of one colour each, so that a point shows where it was taken.
    ab = torch.stack((torch.arange(64.0), -torch.arange(64.0))).view(1, 2, 1, 64)
    ab = ab.expand(40, 2, 64, 64).contiguous()
    hints = draw_hints(ab, Augment(points=1, dense=0), _chance(0, 40))
    mask = hints[:, 2:] > 0
    assert not hints[:, :2][~mask.expand(-1, 2, -1, -1)].any()
    away = (hints[:, :2] - ab).abs()[mask.expand(-1, 2, -1, -1)]
    assert away.max() <= 5
    assert away.mean() < 3
    assert (mask.float().mean((1, 2, 3)) > 0).all()
    dense = draw_hints(ab, Augment(points=0, dense=1), _chance(0, 40))
    known = dense[:, 2:] > 0
    assert 0.3 < known.float().mean() < 0.95
    # Off by one shift for the whole picture.
    for k in range(40):
        off = (dense[k, :2] - ab[k])[:, known[k, 0]]
        assert off.std(1).max() < 1e-4
    assert not draw_hints(ab, Augment(points=0, dense=0), _chance(0, 40)).any()


def test_ageing_is_as_strong_as_the_other() -> None:
    count = 400
    light = np.stack([cv2.cvtColor(photo(k, 64, 64), cv2.COLOR_RGB2GRAY) for k in range(count)])
    light = light.astype(np.float32) / 2.55
    ours = age_batch(torch.from_numpy(light), _chance(0, count)).numpy()
    rng = np.random.default_rng(0)
    theirs = np.stack([age(one, rng) for one in light])
    assert ours.min() >= 0
    assert ours.max() <= 100
    for measure in (lambda x: x, np.diff, lambda x: np.abs(x - light)):
        assert measure(ours).std() == pytest.approx(measure(theirs).std(), rel=0.1)
        assert np.abs(measure(ours)).mean() == pytest.approx(
            np.abs(measure(theirs)).mean(), rel=0.1
        )


def test_scratches_and_dust_are_as_many_as_the_others() -> None:
    count = 1500
    blank = torch.zeros(count, 64, 64)
    rng = np.random.default_rng(0)
    for ours, draw in (
        (ageing._scratches(blank, _chance(0, count)), examples._scratch),
        (ageing._dust(blank, _chance(1, count)), examples._dust),
    ):
        theirs = np.zeros((count, 64, 64), np.float32)
        for one in theirs:
            if rng.random() < 0.15:
                draw(one, rng)
        spoiled = (ours != 0).flatten(1).any(1).float().mean()
        assert float(spoiled) == pytest.approx((theirs != 0).any((1, 2)).mean(), abs=0.04)
        assert float(ours.abs().mean()) == pytest.approx(np.abs(theirs).mean(), rel=0.3)
