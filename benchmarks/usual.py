"""The usual script that vidcolor is compared with: every frame through RGB and a large network.

    python benchmarks/usual.py SOURCE TARGET [FRAMES]

ECCV16 (Zhang, Isola, Efros 2016) in eager PyTorch, frame by frame, at 256x256: frame to RGB, RGB to
Lab, the network, its colours scaled up, Lab to RGB, RGB to the encoder. Its weights are random: the
work is the same, and only the time counts.
"""

from __future__ import annotations

import sys
from itertools import islice

import av
import cv2
import numpy as np
import torch

from vidcolor.models.eccv16.net import EccvNet


def main(source: str, target: str, frames: int | None) -> None:
    net = EccvNet().eval()
    with av.open(source) as film, av.open(target, "w") as output, torch.inference_mode():
        picture = film.streams.video[0]
        picture.thread_type = "AUTO"
        options = {"crf": "18", "preset": "veryfast"}
        encoder = output.add_stream("libx264", rate=picture.average_rate, options=options)
        encoder.width, encoder.height, encoder.pix_fmt = picture.width, picture.height, "yuv420p"
        for frame in islice(film.decode(picture), frames):
            lab = cv2.cvtColor(
                frame.to_ndarray(format="rgb24") / np.float32(255), cv2.COLOR_RGB2LAB
            )
            light = cv2.resize(lab[..., 0], (256, 256))
            logits = net(torch.from_numpy(light)[None, None])
            ab = net.decode(logits)[0].numpy().transpose(1, 2, 0)
            lab[..., 1:] = cv2.resize(np.ascontiguousarray(ab), (picture.width, picture.height))
            rgb = np.clip(cv2.cvtColor(lab, cv2.COLOR_LAB2RGB), 0, 1) * 255
            colored = av.VideoFrame.from_ndarray(rgb.astype(np.uint8), format="rgb24")
            output.mux(encoder.encode(colored.reformat(format="yuv420p")))
        output.mux(encoder.encode(None))


if __name__ == "__main__":
    main(*sys.argv[1:3], int(sys.argv[3]) if len(sys.argv) > 3 else None)
