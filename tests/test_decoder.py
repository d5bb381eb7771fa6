"""``--decoder``: jobs whose film a device decodes, and what is said where none does."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from clips import Clip, make
from conftest import Clips
from contents import differences
from devices import Device, stand_in

from vidcolor import Progress, Settings, color_frames, colorize_video, job
from vidcolor.chunks import ChunkLength
from vidcolor.errors import DeviceError, SettingsError
from vidcolor.jobs.found import Batch
from vidcolor.jobs.run import run_batch
from vidcolor.jobs.sidecars import Digests
from vidcolor.models.colorizer import Colorizer
from vidcolor.settings import load_settings
from vidcolor_cli.main import run

SETTINGS = Settings().replace("color", short_side=64).replace("encoder", codec="ffv1")
BY_DEVICE = SETTINGS.replace("decoder", device="cuda")


@pytest.fixture
def device(monkeypatch: pytest.MonkeyPatch) -> Device:
    return stand_in(monkeypatch)


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    clip = Clip("film.mkv", frames=150, audio=("eng",), options={"g": "25"})
    return make(clip, tmp_path_factory.mktemp("film"))


@pytest.fixture(autouse=True)
def short_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job, "LENGTH", ChunkLength(10, 60))


def test_a_job_by_a_device_makes_the_same_film(
    film: Path, colorizer: Colorizer, device: Device, tmp_path: Path
) -> None:
    ours, theirs = tmp_path / "ours.mkv", tmp_path / "theirs.mkv"
    report = colorize_video(film, ours, BY_DEVICE, colorizer=colorizer)
    assert device.read > 150
    assert report.decoder == "cuda" and not report.warnings
    assert json.loads(report.to_json())["decoder"] == "cuda"
    by_software = colorize_video(film, theirs, SETTINGS, colorizer=colorizer)
    assert by_software.decoder == "software"
    assert not differences(ours, theirs)


def test_what_software_began_a_device_may_go_on_with(
    film: Path, colorizer: Colorizer, device: Device, tmp_path: Path
) -> None:
    whole, target = tmp_path / "whole.mkv", tmp_path / "out.mkv"
    colorize_video(film, whole, SETTINGS, colorizer=colorizer)

    def stop(done: Progress) -> None:
        if done.done == 130:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        colorize_video(film, target, SETTINGS, colorizer=colorizer, progress=stop)
    device.fails_at = 15  # Behind those on which it is tried.
    told: list[str] = []
    report = colorize_video(film, target, BY_DEVICE, colorizer=colorizer, warn=told.append)
    assert report.resumed == 120
    assert not differences(target, whole)
    (line,) = told
    assert line.startswith(f"{film}: the device that was to decode it could not; software went on")


def test_giving_up_is_in_the_report(
    film: Path, colorizer: Colorizer, device: Device, tmp_path: Path
) -> None:
    device.fails_at = 40
    report = colorize_video(film, tmp_path / "out.mkv", BY_DEVICE, colorizer=colorizer)
    (span,) = report.damage
    assert span["kind"] == "software" and abs(span["start"] - 40 / 25) <= 2 / 25
    (line,) = report.warnings
    assert "software went on there: 0:00:01.5" in line
    assert report.frames == 150 and report.skipped == 0


def test_a_film_that_the_device_does_not_take(
    film: Path, colorizer: Colorizer, device: Device, tmp_path: Path
) -> None:
    device.takes = False
    told: list[str] = []
    report = colorize_video(
        film, tmp_path / "out.mkv", BY_DEVICE, colorizer=colorizer, warn=told.append
    )
    assert report.decoder == "software" and report.frames == 150
    assert (
        told
        == report.warnings
        == [f"{film}: decoded by software, not cuda: it does not decode h264 in yuv420p here"]
    )


def test_frames_for_notebooks_come_from_the_device_too(
    film: Path, colorizer: Colorizer, device: Device
) -> None:
    crop: Any = {"start": Fraction(1), "duration": Fraction(1, 5)}
    ours = list(color_frames(film, BY_DEVICE.replace("range", **crop), colorizer=colorizer))
    assert device.read > 12
    theirs = list(color_frames(film, SETTINGS.replace("range", **crop), colorizer=colorizer))
    assert len(ours) == len(theirs) == 5
    assert all(np.array_equal(a.rgb, b.rgb) for a, b in zip(ours, theirs, strict=True))


@pytest.mark.parametrize("dry", [True, False])
def test_a_missing_device_ends_it_before_any_work(
    device: Device, tmp_path: Path, capsys: pytest.CaptureFixture[str], dry: bool
) -> None:
    device.here = False
    words = [str(tmp_path / "not there.mp4"), str(tmp_path / "o.mp4"), "--decoder", "cuda"]
    assert run([*words, "--dry-run"] if dry else words) == DeviceError.exit_code == 6
    out, err = capsys.readouterr()
    (line,) = err.splitlines()
    assert line.startswith("vidcolor: decoder 'cuda': it needs an NVIDIA GPU")
    assert out == "" and not list(tmp_path.iterdir())


def test_the_plan_names_the_device(
    film: Path, net: Path, device: Device, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [str(film), str(tmp_path / "o.mkv"), "--model", str(net), "--dry-run"]
    assert run([*words, "--decoder", "cuda"]) == 0
    assert capsys.readouterr().out.splitlines()[1].split() == ["decoder", "cuda"]
    assert run(words) == 0
    assert "decoder" not in capsys.readouterr().out
    device.takes = False
    assert run([*words, "--decoder", "cuda"]) == 0
    out = capsys.readouterr().out
    assert "warning   " in out and "decoded by software, not cuda" in out
    assert "decoder   " not in out


def test_a_config_file_names_it_and_a_flag_comes_before_that(
    film: Path, net: Path, device: Device, tmp_path: Path
) -> None:
    config = tmp_path / "config.toml"
    config.write_text("[decoder]\ndevice = 'cuda'\n[color]\nshort_side = 64\n")
    words = [str(film), str(tmp_path / "o.mkv"), "--model", str(net), "--config", str(config)]
    report = tmp_path / "report.json"
    words += ["--quiet", "--overwrite", "--report", str(report), "--frames", ":5"]
    assert run(words) == 0
    assert json.loads(report.read_text())["decoder"] == "cuda"
    read = device.read
    assert run([*words, "--decoder", "software"]) == 0
    assert json.loads(report.read_text())["decoder"] == "software"
    assert device.read == read


@pytest.mark.parametrize("text", ["[decoder]\ncodec = 'h264'", "[decoder]\ndevice = 1"])
def test_mistakes_in_the_table(tmp_path: Path, text: str) -> None:
    config = tmp_path / "config.toml"
    config.write_text(text)
    with pytest.raises(SettingsError, match=r"config\.toml: .*decoder\.") as caught:
        load_settings(config)
    assert "device" in str(caught.value)


def test_a_film_is_no_other_for_what_decoded_it() -> None:
    assert Digests().of(BY_DEVICE) == Digests().of(SETTINGS)


def test_a_batch_without_its_device_is_not_begun(
    clip: Clips, net: Path, device: Device, tmp_path: Path
) -> None:
    device.here = False
    source, target = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    (source / "film.mp4").write_bytes(clip("plain.mp4").read_bytes())
    settings = BY_DEVICE.replace("color", model=str(net))
    with pytest.raises(DeviceError, match="decoder 'cuda'"):
        run_batch(Batch(source, target, settings))
    assert not target.exists()


def test_a_photo_has_no_decoder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    photo = tmp_path / "photo.png"
    photo.write_bytes(b"\x89PNG\r\n\x1a\n")
    assert run([str(photo), str(tmp_path / "out.png"), "--decoder", "cuda"]) == 2
    assert "--decoder: only for films" in capsys.readouterr().err


def test_what_is_known_of_a_film_says_nothing_of_devices(
    clip: Clips, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["probe", str(clip("plain.mp4")), "--json"]) == 0
    assert "surface" not in json.loads(capsys.readouterr().out)
