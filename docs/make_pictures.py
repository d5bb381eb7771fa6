"""Makes the pictures of the guide from the sample clip, by vidcolor itself.

python docs/make_pictures.py
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import av

HERE = Path(__file__).resolve().parent
SAMPLE = HERE.parent / "sample_clips" / "sample_bw.mp4"
PICTURES = HERE / "pictures"

_WIDTH = 480
_EVERY = 2
"""Of the frames one in so many is shown: half the size, and smooth enough."""


def preview(*words: str) -> None:
    """``vidcolor preview`` of the sample clip."""
    command = [sys.executable, "-m", "vidcolor_cli", "preview", str(SAMPLE), *words]
    subprocess.run([*command, "--overwrite", "--quiet"], check=True)


def animate(clip: Path, target: Path) -> None:
    """The clip as an animated WebP, without sound."""
    with av.open(str(clip)) as source, av.open(str(target), "w", format="webp") as output:
        video = source.streams.video[0]
        rate = video.average_rate
        assert rate is not None
        options = {"quality": "50", "loop": "0"}
        picture = output.add_stream("libwebp_anim", rate=rate / _EVERY, options=options)
        picture.width, picture.height = _WIDTH, round(_WIDTH * video.height / video.width)
        picture.pix_fmt = "yuv420p"
        for number, frame in enumerate(source.decode(video)):
            if number % _EVERY == 0:
                small = frame.reformat(picture.width, picture.height, "yuv420p")
                small.pts, small.time_base = number // _EVERY, _EVERY / rate
                output.mux(picture.encode(small))
        output.mux(picture.encode(None))


def main() -> None:
    PICTURES.mkdir(exist_ok=True)
    preview(str(PICTURES / "shots.jpg"), "--every-shot", "--width", "1000")
    with tempfile.TemporaryDirectory() as folder:
        clip = Path(folder) / "split.mp4"
        preview(str(clip), "--frames", "54:150", "--split")
        animate(clip, PICTURES / "split.webp")


if __name__ == "__main__":
    main()
