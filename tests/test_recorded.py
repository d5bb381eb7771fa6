"""The recorded network: what a GPU replays, run here with a recorder that keeps the same places."""

from __future__ import annotations

import weakref
from collections.abc import Callable

import numpy as np
import pytest
import torch

from vidcolor.device import OutOfMemory, record
from vidcolor.models.chromanet.config import NetConfig
from vidcolor.models.chromanet.net import ChromaNet
from vidcolor.models.recorded import Recorded
from vidcolor.models.torch_net import TorchNet

CPU = torch.device("cpu")
rng = np.random.default_rng(3)


def light(count: int, height: int = 32, width: int = 64) -> np.ndarray:
    return rng.uniform(0, 100, (count, height, width)).astype(np.float32)


def double(lightness: torch.Tensor, hints: torch.Tensor | None) -> torch.Tensor:
    """Twice the lightness as a*, and as b* the hints' mask, or -1 without hints."""
    second = -torch.ones_like(lightness) if hints is None else hints[:, 2:]
    return torch.cat((2 * lightness, second), 1)


class Recorder:
    """As a GPU's: the step is done in the same places, and gives the same array anew."""

    def __init__(self) -> None:
        self.shapes: list[tuple[int, ...]] = []
        self.replays = 0

    def __call__(
        self, step: Callable[[], torch.Tensor], device: torch.device
    ) -> Callable[[], torch.Tensor]:
        result = step()
        self.shapes.append(tuple(result.shape))

        def replay() -> torch.Tensor:
            self.replays += 1
            return result.copy_(step())

        return replay


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 9])
def test_a_batch_that_does_not_fill_its_shape_gives_its_own_pictures(count: int) -> None:
    recorded = Recorded(double, CPU, Recorder())
    recorded.run(light(16))
    pictures = light(count)
    ab = recorded.run(pictures)
    assert ab.shape == (count, 2, 32, 64)
    np.testing.assert_array_equal(ab[:, 0], 2 * pictures)
    assert (ab[:, 1] == -1).all()


def test_each_shape_is_recorded_once() -> None:
    recorder = Recorder()
    recorded = Recorded(double, CPU, recorder)
    for count in (4, 3, 4, 2, 4, 1):
        recorded.run(light(count))
    assert recorder.shapes == [(4, 2, 32, 64), (2, 2, 32, 64), (1, 2, 32, 64)]
    assert recorder.replays == 6 + 3  # Each is tried once.


def test_results_are_kept_while_the_next_batch_is_run() -> None:
    recorded = Recorded(double, CPU, Recorder())
    first, second = light(2), light(2)
    ab = recorded.run(first)
    recorded.run(second)
    np.testing.assert_array_equal(ab[:, 0], 2 * first)


def test_hints_have_a_recording_of_their_own() -> None:
    recorder = Recorder()
    recorded = Recorded(double, CPU, recorder)
    pictures = light(2)
    hints = rng.uniform(0, 1, (2, 3, 32, 64)).astype(np.float32)
    np.testing.assert_array_equal(recorded.run(pictures, hints)[:, 1], hints[:, 2])
    assert (recorded.run(pictures)[:, 1] == -1).all()
    np.testing.assert_array_equal(recorded.run(pictures, hints[::-1])[:, 1], hints[::-1, 2])
    assert len(recorder.shapes) == 2


def test_only_the_shapes_used_last_are_kept() -> None:
    recorder = Recorder()
    recorded = Recorded(double, CPU, recorder)
    for width in range(32, 32 * 10, 32):
        recorded.run(light(1, 32, width))
        recorded.run(light(1, 32, 32))
    assert len(recorder.shapes) == 9  # The first was never the one used longest ago.
    recorded.run(light(1, 32, 64))
    assert len(recorder.shapes) == 10  # This one was.


def test_what_cannot_be_recorded_is_done_each_time() -> None:
    def refuse(step: object, device: object) -> Callable[[], torch.Tensor]:
        raise RuntimeError("operation not permitted when stream is capturing")

    recorded = Recorded(double, CPU, refuse)
    for _ in range(2):
        pictures = light(3)
        np.testing.assert_array_equal(recorded.run(pictures)[:, 0], 2 * pictures)


def test_a_recording_that_gives_something_else_is_not_used() -> None:
    def grey(step: Callable[[], torch.Tensor], device: object) -> Callable[[], torch.Tensor]:
        return lambda: torch.zeros_like(step())

    recorded = Recorded(double, CPU, grey)
    pictures = light(2)
    np.testing.assert_array_equal(recorded.run(pictures)[:, 0], 2 * pictures)


class Small(Recorder):
    """A device with room for so many pictures, in all recordings together."""

    def __init__(self, room: int) -> None:
        super().__init__()
        self.room = room
        self.owners: list[weakref.ref[object]] = []

    def __call__(
        self, step: Callable[[], torch.Tensor], device: torch.device
    ) -> Callable[[], torch.Tensor]:
        replay = super().__call__(step, device)
        held = sum(owner.shape[0] for ref in self.owners if (owner := ref()) is not None)
        if held + self.shapes[-1][0] > self.room:
            raise OutOfMemory("no room")
        kept = torch.zeros(self.shapes[-1])
        self.owners.append(weakref.ref(kept))
        return lambda: (kept, replay())[1]


def test_out_of_memory_other_shapes_give_theirs_back_first() -> None:
    recorder = Small(5)
    recorded = Recorded(double, CPU, recorder)
    for count in (1, 2, 4, 2, 4):  # 1 and 2 fit beside each other, 4 and 2 do not.
        pictures = light(count)
        np.testing.assert_array_equal(recorded.run(pictures)[:, 0], 2 * pictures)


def test_out_of_memory_is_told_when_nothing_can_be_given_back() -> None:
    recorder = Small(3)
    recorded = Recorded(double, CPU, recorder)
    recorded.run(light(1))
    with pytest.raises(OutOfMemory):
        recorded.run(light(4))
    assert all(owner() is None for owner in recorder.owners)
    recorded.run(light(2))


@pytest.mark.parametrize("hinted", [False, True])
def test_a_network_gives_the_same_recorded(hinted: bool) -> None:
    torch.manual_seed(0)
    net = ChromaNet(NetConfig(widths=(16, 16, 8, 8))).for_films()
    plain = TorchNet(net, "cpu", torch.float32)
    pictures = light(3, 64, 96)
    hints = None
    if hinted:
        hints = rng.uniform(0, 1, (3, 3, 64, 96)).astype(np.float32)
        hints[:, 2] = hints[:, 2] > 0.9
    with torch.inference_mode():
        ab = Recorded(plain._work, CPU, Recorder()).run(pictures, hints)
    expected = plain.run(pictures, hints)
    assert expected.std() > 0
    np.testing.assert_allclose(ab, expected, atol=1e-3)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
@pytest.mark.parametrize("hinted", [False, True])
def test_a_gpu_gives_the_same_recorded_as_without(hinted: bool) -> None:
    torch.manual_seed(0)
    net = ChromaNet(NetConfig(widths=(16, 16, 8, 8))).for_films()
    on_gpu = TorchNet(net, "cuda", torch.float32)
    hints = np.zeros((3, 3, 64, 96), np.float32)
    hints[:, :, 10:20, 10:20] = np.array([20, -30, 1])[:, None, None]
    for _ in range(3):
        pictures = light(3, 64, 96)
        ab = on_gpu.run(pictures, hints if hinted else None)
        with torch.inference_mode():
            given = torch.from_numpy(hints).cuda() if hinted else None
            expected = on_gpu._work(torch.from_numpy(pictures)[:, None].cuda(), given).cpu()
        np.testing.assert_allclose(ab, expected.numpy(), atol=1e-2)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
def test_a_gpu_replays_what_it_recorded() -> None:
    values = torch.ones(4, device="cuda")
    replay = record(lambda: values * 2, torch.device("cuda"))
    values.fill_(5)
    assert replay().tolist() == [10, 10, 10, 10]
