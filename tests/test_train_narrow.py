from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from networks import TINY, tiny_lively_net

from vidcolor.models.checkpoint import write_checkpoint
from vidcolor.models.chromanet.net import ChromaNet
from vidcolor.train.narrow import narrowed
from vidcolor.train.start import continue_from

LIGHT = torch.rand(2, 1, 64, 64, generator=torch.Generator().manual_seed(0)) * 100


def widened(net: ChromaNet, more: int) -> ChromaNet:
    """A network that answers as ``net`` does, with channels in its decoder that nothing reads."""
    widths = tuple(width + more for width in net.config.widths)
    wide = ChromaNet(replace(net.config, widths=widths), folded=True).eval()
    hints = 3
    with torch.no_grad():
        for name, value in net.state_dict().items():
            target = wide.state_dict()[name]
            if target.shape == value.shape:
                target.copy_(value)
                continue
            # What makes channels has more rows, what reads them more columns.
            rows = value.shape[0]
            if value.dim() == 1 or "lateral" in name:
                target[:rows] = value
                continue
            target.zero_()
            target[rows:] = 0.1
            if name.endswith("first.conv.weight"):
                # Joined: from below, from the encoder, hints.
                half = net.state_dict()[name.replace("first", "lateral")].shape[0]
                wide_half = wide.state_dict()[name.replace("first", "lateral")].shape[0]
                below = value.shape[1] - half - hints
                target[:rows, :below] = value[:, :below]
                at = target.shape[1] - wide_half - hints
                target[:rows, at : at + half] = value[:, below : below + half]
                target[:rows, -hints:] = value[:, -hints:]
            elif name in ("bottom.conv.weight", "context.0.weight"):
                target[:rows] = value
            else:
                target[:rows, : value.shape[1]] = value
    return wide


def test_channels_that_nothing_reads_are_the_first_to_go(tmp_path: Path) -> None:
    net = tiny_lively_net()
    wide = widened(net, 4)
    with torch.no_grad():
        told = torch.rand(2, 3, 64, 64)
        assert torch.allclose(wide(LIGHT, told), net(LIGHT, told), atol=1e-5)
        narrow = narrowed(wide, net.config.widths)
        assert narrow.config == net.config
        assert torch.allclose(narrow(LIGHT, told), net(LIGHT, told), atol=1e-5)
        assert not torch.allclose(net(LIGHT, told), net(LIGHT), atol=1e-3)

    path = tmp_path / "wide.safetensors"
    write_checkpoint(path, "chromanet", wide.config.to_dict(), wide.state_dict())
    started = ChromaNet(TINY)
    continue_from(path, started, [LIGHT])
    with torch.no_grad():
        assert torch.allclose(started.eval()(LIGHT), net(LIGHT), atol=1e-4)


def test_a_decoder_cannot_be_narrowed_to_more_channels_nor_with_attention() -> None:
    net = tiny_lively_net()
    w32, *others = net.config.widths
    with pytest.raises(ValueError, match="cannot be narrowed"):
        narrowed(net, (w32 + 1, *others))
    attentive = ChromaNet(replace(TINY, attention=1), folded=True)
    with pytest.raises(ValueError, match="cannot be narrowed"):
        narrowed(attentive, TINY.widths)
