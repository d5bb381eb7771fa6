from __future__ import annotations

import numpy as np
import pytest

from vidcolor.scaling import scaled


def test_what_becomes_smaller_is_averaged() -> None:
    picture = np.random.default_rng(0).uniform(0, 100, (64, 96)).astype(np.float32)
    found = scaled(picture, (16, 24))
    means = picture.reshape(16, 4, 24, 4).mean((1, 3))
    np.testing.assert_allclose(found, means, atol=1e-3)
    # One shorter side is enough: stripes turn grey.
    stripes = np.tile(np.array([0, 240], np.uint8), (8, 32))
    assert (scaled(stripes, (8, 32)) == 120).all()


@pytest.mark.parametrize("size", [(2, 6), (4, 3), (4, 6)])
def test_what_becomes_larger_is_linear(size: tuple[int, int]) -> None:
    ramp = np.add.outer(np.arange(2), 10 * np.arange(3)).astype(np.float32)
    found = scaled(ramp, size)
    assert found.shape == size and found.dtype == np.float32
    assert (found.min(), found.max()) == (0, 21)
    assert (np.diff(found, axis=0) >= 0).all() and (np.diff(found, axis=1) >= 0).all()
    assert size[1] == 3 or found[0, 1] == 2.5


@pytest.mark.parametrize("kind", [np.uint8, np.float32])
def test_type_and_channels_are_kept(kind: type[np.generic]) -> None:
    picture = np.arange(4 * 6 * 3).reshape(4, 6, 3).astype(kind)
    assert scaled(picture, (2, 3)).shape == (2, 3, 3)
    assert scaled(picture, (2, 3)).dtype == kind
    np.testing.assert_array_equal(scaled(picture, (4, 6)), picture)
