"""HDR's metadata: what the source says of its light arrives in the target, or is named as lost."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from clips import Clip, make
from PIL import Image, ImageCms
from test_verify import named

from vidcolor.errors import SourceError
from vidcolor.frames import LightMetadata, PaintedFrame
from vidcolor.media import hdr
from vidcolor.media.decode import decode
from vidcolor.media.hdr import light_options
from vidcolor.media.mux import Writer
from vidcolor.media.probe import probe
from vidcolor.settings import EncoderSettings
from vidcolor.verify import verify

DISPLAY = (0.68, 0.32, 0.265, 0.69, 0.15, 0.06, 0.3127, 0.329, 0.005, 1000.0)
PQ = Clip(
    "pq.mkv",
    frames=3,
    codec="libx265",
    pixel_format="yuv420p10le",
    rate=Fraction(20),
    tags=(1, 9, 9, 16),
    options={
        "preset": "ultrafast",
        "x265-params": "log-level=none:max-cll=990,410:master-display="
        "G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,50)",
    },
)


def _rewritten(source: Path, target: Path, settings: EncoderSettings) -> list[str]:
    info = probe(source)
    with Writer(target, info, settings) as writer:
        for frame in decode(info):
            neutral = np.full(writer.chroma_shape, 512, np.uint16)
            writer.write(PaintedFrame(frame, neutral, neutral))
    return writer.warnings


@pytest.mark.parametrize("codec", ["libx264", "libx265", "libsvtav1"])
@pytest.mark.parametrize("suffix", ["mkv", "mp4"])
def test_light_metadata_and_tags_reach_the_target(codec: str, suffix: str, tmp_path: Path) -> None:
    source = make(PQ, tmp_path)
    info = probe(source)
    assert info.color.transfer == "pq" and info.color.primaries == "bt2020"
    assert info.light is not None and info.light.content == (990, 410)
    assert info.light.mastering == pytest.approx(DISPLAY)

    target = tmp_path / f"out.{suffix}"
    presets = {"libsvtav1": "12"}
    options = {"preset": presets.get(codec, "ultrafast")}
    assert _rewritten(source, target, EncoderSettings(codec=codec, options=options)) == []
    assert named(verify(source, target), "HDR").outcome == "same"
    after = probe(target)
    assert after.tags == info.tags and after.color == info.color
    assert after.light is not None and after.light.content == (990, 410)
    # AV1 keeps fixed-point numbers of 16 and 24.8 bits.
    assert after.light.mastering == pytest.approx(DISPLAY, rel=1e-3, abs=1e-3)


def test_an_encoder_without_room_for_it_is_named(tmp_path: Path) -> None:
    source = make(PQ, tmp_path)
    (warning,) = _rewritten(source, tmp_path / "out.mkv", EncoderSettings(codec="ffv1"))
    assert "ffv1" in warning and "mastering display, content light level" in warning
    assert probe(tmp_path / "out.mkv").tags == probe(source).tags


def test_dynamic_metadata_is_named_and_the_rest_carried() -> None:
    light = LightMetadata(DISPLAY, None, ("Dolby Vision",))
    options, (warning,) = light_options("libx265", light)
    assert options["x265-params"].startswith("master-display=G(13250,34500)B(7500,3000)R(34000,")
    assert warning.endswith("Dolby Vision")


def test_dolby_vision_that_means_nothing_by_itself_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(hdr, "side_data", lambda frame: {"DOVI_RPU_BUFFER": b"x"})
    frame = av.VideoFrame(16, 16, "yuv420p10le")
    with pytest.raises(SourceError, match=r"a film: Dolby Vision .* convert it"):
        hdr.light_metadata(frame, Path("a film"))
    frame.color_trc = 18  # An HLG picture that any player can show.
    assert hdr.light_metadata(frame, Path("a film")) == LightMetadata(dynamic=("Dolby Vision",))


def test_a_picture_with_a_colour_profile_is_looked_at_without_harm(tmp_path: Path) -> None:
    """Its name is part of what a PNG's frame carries; to look at that ends the process."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    Image.new("L", (64, 48), 90).save(tmp_path / "scan.png", icc_profile=profile)
    code = (
        "import gc, sys; from pathlib import Path; from vidcolor.media.probe import probe\n"
        "for _ in range(20):\n"
        "    print(probe(Path(sys.argv[1])).width); gc.collect()"
    )
    words = [sys.executable, "-c", code, str(tmp_path / "scan.png")]
    done = subprocess.run(words, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stdout.split()) == (0, ["64"] * 20)


def test_light_metadata_that_is_missing_or_other_is_found(tmp_path: Path) -> None:
    source = make(PQ, tmp_path)
    bare = replace(PQ, name="bare.mkv", options={**PQ.options, "x265-params": "log-level=none"})
    brighter = str(PQ.options["x265-params"]).replace("990", "991")
    other = replace(PQ, name="other.mkv", options={**PQ.options, "x265-params": brighter})
    told = named(verify(source, make(bare, tmp_path)), "HDR")
    assert (told.outcome, told.says) == (
        "lost",
        "mastering display, content light level not in the target",
    )
    told = named(verify(source, make(other, tmp_path)), "HDR")
    assert (told.outcome, told.says) == (
        "changed",
        "content light level other than in the source",
    )
    told = named(verify(tmp_path / "bare.mkv", source), "HDR")
    assert told.outcome == "changed"
