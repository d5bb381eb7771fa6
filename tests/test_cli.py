from __future__ import annotations

import errno
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from clips import Clip, make
from networks import tiny_checkpoint

from vidcolor.errors import SettingsError, TargetError, UsageError
from vidcolor.media.captions import Captioner
from vidcolor.settings import RangeSettings, Settings
from vidcolor_cli.flags import PRESETS
from vidcolor_cli.main import run
from vidcolor_cli.options import (
    build_settings,
    parse_options,
    parse_range,
    presets,
    with_keep,
)

Clips = Callable[[str], Path]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tiny_checkpoint(tmp_path_factory.mktemp("net") / "tiny.safetensors"))


@pytest.fixture
def quick(tiny: str) -> list[str]:
    return ["--model", tiny, "--short-side", "64"]


def test_the_main_job(
    clip: Clips, quick: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target, report = tmp_path / "out.mp4", tmp_path / "report.json"
    words = [str(clip("sound.mp4")), str(target), *quick, "--report", str(report), "--verbose"]
    assert run(words) == 0
    out, err = capsys.readouterr()
    assert "10 frames" in out
    assert "decode" in out
    assert err == ""
    assert json.loads(report.read_text())["frames"] == 10
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.mp4", "report.json"]


def test_a_film_waits_for_no_import_that_it_does_without(
    clip: Clips, quick: list[str], tmp_path: Path
) -> None:
    code = (
        "import sys\n"
        "from vidcolor_cli.main import run\n"
        "assert run(sys.argv[1:]) == 0\n"
        "others = {'PIL', 'pydantic', 'rich', 'sqlite3', 'torch', 'vidcolor.guide.survey'}\n"
        "found = others & set(sys.modules)\n"
        "assert not found, found\n"
    )
    words = [str(clip("plain.mp4")), str(tmp_path / "o.mp4"), *quick, "--quiet"]
    subprocess.run([sys.executable, "-c", code, *words], check=True, timeout=120)


def test_quiet_says_nothing(
    clip: Clips, quick: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([str(clip("plain.mp4")), str(tmp_path / "o.mp4"), *quick, "--quiet"]) == 0
    assert capsys.readouterr() == ("", "")


def test_flags_before_the_names_work(clip: Clips, quick: list[str], tmp_path: Path) -> None:
    words = ["--frames", "2:5", *quick, str(clip("plain.mp4")), str(tmp_path / "o.mp4"), "-q"]
    assert run(words) == 0


def test_a_dry_run_prints_the_plan_and_writes_nothing(
    clip: Clips, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([str(clip("rich.mkv")), str(tmp_path / "o.mp4"), "--dry-run"]) == 0
    out = capsys.readouterr().out
    assert "libx264" in out
    assert "warning" in out
    assert list(tmp_path.iterdir()) == []


def _bad_source(kind: str, clip: Clips, folder: Path) -> Path:
    path = folder / f"{kind.replace(' ', '-')}.mp4"
    match kind:
        case "a directory":
            path.mkdir()
        case "a text file":
            path.write_text("Once upon a time. " * 200, encoding="utf-8")
        case "an empty file":
            path.write_bytes(b"")
        case "a truncated file":
            whole = clip("sound.mp4").read_bytes()
            path.write_bytes(whole[: len(whole) // 2])
        case "sound only":
            _extract_sound(clip("sound.mp4"), path)
        case "no frames":
            _no_frames(path)
    return path


def _extract_sound(source: Path, target: Path) -> None:
    import av

    with av.open(str(source)) as film, av.open(str(target), "w") as output:
        track = film.streams.audio[0]
        copy = output.add_stream_from_template(track)
        for packet in film.demux(track):
            if packet.size:
                packet.stream = copy
                output.mux(packet)


def _no_frames(target: Path) -> None:
    import av

    with av.open(str(target), "w") as output:
        stream = output.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        output.start_encoding()


@pytest.mark.parametrize(
    "kind",
    [
        "a missing file",
        "a directory",
        "a text file",
        "an empty file",
        "a truncated file",
        "sound only",
        "no frames",
        "a name" + " that is too long" * 20,
    ],
)
def test_a_bad_source_is_one_line_and_code_3(
    kind: str, clip: Clips, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    source, out = _bad_source(kind, clip, tmp_path), tmp_path / "out"
    out.mkdir()
    assert run([str(source), str(out / "o.mp4")]) == 3
    _one_line(capfd, source.name)
    assert list(out.iterdir()) == []


def _one_line(capfd: pytest.CaptureFixture[str], *mentions: str) -> None:
    out, err = capfd.readouterr()
    assert out == ""
    assert err.startswith("vidcolor: ")
    assert err.count("\n") == 1, err
    for mention in mentions:
        assert mention in err


@pytest.mark.parametrize(
    ("target", "mention"),
    [
        ("missing-folder/o.mp4", "missing-folder"),
        ("there.mp4", "--overwrite"),
        ("o.xyz", ".xyz"),
        ("o", "suffix"),
        ("folder.mp4", "folder"),
    ],
)
def test_a_bad_target_is_one_line_and_code_4(
    target: str, mention: str, clip: Clips, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "there.mp4").write_bytes(b"kept")
    (tmp_path / "folder.mp4").mkdir()
    before = sorted(tmp_path.iterdir())
    assert run([str(clip("plain.mp4")), str(tmp_path / target)]) == 4
    _one_line(capfd, mention)
    assert sorted(tmp_path.iterdir()) == before
    assert (tmp_path / "there.mp4").read_bytes() == b"kept"


def test_a_preset_for_one_container_and_a_target_without_a_name(
    clip: Clips, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run([str(clip("plain.mp4")), ".", "--preset", "archive"]) == 2
    _one_line(capfd, ".mkv")


def test_the_report_takes_the_place_of_nothing_else(
    clip: Clips, quick: list[str], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    film = Path(shutil.copy(clip("plain.mp4"), tmp_path / "film.mp4"))
    before = film.read_bytes()
    notes = tmp_path / "notes.txt"
    notes.write_text("mine")
    for report in (film, tmp_path / "o.mp4", notes):
        assert run([str(film), str(tmp_path / "o.mp4"), *quick, "--report", str(report)]) == 4
        _one_line(capfd, report.name)
    assert film.read_bytes() == before and notes.read_text() == "mine"
    assert sorted(tmp_path.iterdir()) == [film, notes]


def test_the_target_may_not_be_the_source(
    clip: Clips, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    film = tmp_path / "film.mp4"
    shutil.copy(clip("plain.mp4"), film)
    before = film.read_bytes()
    assert run([str(film), str(film), "--overwrite"]) == 4
    _one_line(capfd, "film.mp4", "source")
    assert film.read_bytes() == before


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs a folder nobody may write to")
def test_a_folder_that_not_even_root_can_write_to(
    clip: Clips, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run([str(clip("plain.mp4")), "/proc/o.mp4"]) == 4
    _one_line(capfd, "/proc/o.mp4")


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write anywhere")
def test_an_unwritable_folder(
    clip: Clips, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "locked"
    folder.mkdir(mode=0o500)
    assert run([str(clip("plain.mp4")), str(folder / "o.mp4")]) == 4
    _one_line(capfd, "locked")


@pytest.mark.parametrize(
    ("flags", "code", "mention"),
    [
        (["--model", "no-such-model"], 5, "no-such-model"),
        (["--device", "cuda:77"], 6, "cuda:77"),
        (["--device", "cuda:"], 6, "valid are"),
        (["--device", "cuda:²"], 6, "valid are"),
        (["--preset", "best"], 2, "archive"),
        (["--colour", "1"], 2, "--colour"),
        (["--saturation", "9"], 2, "saturation"),
        (["--stabilize", "-1"], 2, "stabilize"),
        (["--batch-size", "0"], 2, "batch_size"),
        (["--short-side", "100"], 2, "short_side"),
        (["--frames", "9"], 2, "--frames"),
        (["--frames", "9:3"], 2, "9:3"),
        (["--frames", "500:600"], 2, "range"),
        (["--frames", "0:5", "--start", "1"], 2, "not both"),
        (["--keep-colour", "5"], 2, "--keep-colour 5"),
        (["--keep-colour", "2:4,9:3"], 2, "9:3"),
        (["--start", "9" * 25], 2, "range"),
        (["--start", "noon"], 2, "--start"),
        (["--duration", "0"], 2, "duration"),
        (["--codec", "h266"], 4, "h266"),
        (["--encoder-options", "preset"], 2, "key=value"),
        (["--encoder-options", "no-such-option=1"], 2, "no-such-option"),
        (["--config", "none.toml"], 2, "none.toml"),
        (["--report", "no/such/folder/r.json"], 4, "no/such/folder"),
        (["--report", "."], 4, "folder"),
        (["--report", "r" * 300], 4, "too long"),
        (["--crf", "high"], 2, "--crf"),
        (["--crf", "-1"], 2, "crf"),
        (["--preset", "archive"], 2, ".mkv"),
    ],
)
def test_a_bad_option_is_one_line_and_its_code(
    flags: list[str],
    code: int,
    mention: str,
    clip: Clips,
    quick: list[str],
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    small = [] if "--model" in flags else quick
    if "--short-side" in flags:
        small = small[:2]
    assert run([str(clip("plain.mp4")), str(tmp_path / "o.mp4"), *small, *flags]) == code
    _one_line(capfd, mention)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", [b"", b"\x80", b"\x80\x04not weights", b"\x10" + bytes(200)])
def test_a_broken_checkpoint_is_code_5(
    content: bytes, clip: Clips, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    weights = tmp_path / "weights.safetensors"
    weights.write_bytes(content)
    words = [str(clip("plain.mp4")), str(tmp_path / "o.mp4"), "--model", str(weights)]
    assert run(words) == 5
    _one_line(capfd, "weights.safetensors")
    assert list(tmp_path.iterdir()) == [weights]


@pytest.mark.parametrize(
    "text", ["[color]\nmodle = 'x'", "[colour]\nmodel = 'x'", "[color]\nbatch_size = 'big'", "["]
)
def test_a_bad_config_is_code_2(
    text: str, clip: Clips, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "my.toml"
    config.write_text(text, encoding="utf-8")
    words = [str(clip("plain.mp4")), str(tmp_path / "o.mp4"), "--config", str(config)]
    assert run(words) == 2
    _one_line(capfd, "my.toml")


def test_no_words_at_all_print_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert run([]) == 0
    assert "SOURCE" in capsys.readouterr().out


def test_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    from vidcolor import __version__

    assert run(["--version"]) == 0
    assert capsys.readouterr().out == f"vidcolor {__version__}\n"


def test_probe_for_people_and_programs(clip: Clips, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["probe", str(clip("sound.mp4"))]) == 0
    out = capsys.readouterr().out
    assert "64" in out
    assert "compatible_brands iso" in out
    assert run(["probe", str(clip("sound.mp4")), "--json"]) == 0
    values = json.loads(capsys.readouterr().out)
    assert values["width"] == 64
    assert len(values["others"]) == 2


def test_probing_a_bad_file(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["probe", str(tmp_path / "none.mp4")]) == 3
    _one_line(capfd, "none.mp4")


def test_ctrl_c_ends_with_130_and_leaves_nothing(clip: Clips, tiny: str, tmp_path: Path) -> None:
    """On a film far longer than the time we give it, with the real process and signal."""
    from clips import Clip, make

    film = make(Clip("long.mkv", frames=3000), tmp_path)
    out = tmp_path / "out"
    out.mkdir()
    # A process that was started in the background ignores Ctrl-C, and so would its children.
    command = (
        "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); "
        "from vidcolor_cli.main import main; main(sys.argv[1:])"
    )
    words = [str(film), str(out / "o.mkv"), "--model", tiny, "--short-side", "256", "--no-resume"]
    with subprocess.Popen(
        [sys.executable, "-c", command, *words], stderr=subprocess.PIPE, text=True
    ) as process:
        deadline = time.monotonic() + 60
        # The temporary file is there before the first frame, and the film takes much longer.
        while time.monotonic() < deadline and not any(out.iterdir()):
            time.sleep(0.05)
        time.sleep(1)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert err.endswith("vidcolor: interrupted: the target was not written\n")
    assert "Traceback" not in err
    assert list(out.iterdir()) == []


def test_ctrl_c_while_everything_is_still_imported() -> None:
    code = (
        "import sys\n"
        "class Stop:\n"
        "    def find_spec(self, name, *rest):\n"
        "        if name == 'typer': raise KeyboardInterrupt\n"
        "sys.meta_path.insert(0, Stop())\n"
        "from vidcolor_cli.__main__ import main\n"
        "main()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (130, "vidcolor: interrupted\n")


@pytest.mark.parametrize("quiet", [[], ["--quiet"]])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_whose_exception_a_library_drops_is_heeded_with_the_next_frame(
    number: signal.Signals,
    quiet: list[str],
    clip: Clips,
    quick: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    told = 0
    caption = Captioner.caption

    def dropping(self: Captioner, picture: av.VideoFrame, decoded: object) -> av.VideoFrame:
        nonlocal told
        told += 1
        if told == 3:
            with suppress(KeyboardInterrupt, SystemExit):
                signal.raise_signal(number)
        return caption(self, picture, decoded)

    monkeypatch.setattr(Captioner, "caption", dropping)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    out = tmp_path / "out"
    out.mkdir()
    words = [str(clip("plain.mp4")), str(out / "o.mkv"), *quick, *quiet, "--no-resume"]
    try:
        if number == signal.SIGINT:
            assert run(words) == 130
        else:
            with pytest.raises(SystemExit) as ended:
                run(words)
            assert ended.value.code == 143
        word = "interrupted" if number == signal.SIGINT else "terminated"
        assert f"vidcolor: {word}: the target was not written\n" in capfd.readouterr().err
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)
    assert told == 3
    assert list(out.iterdir()) == []


def test_only_an_interrupted_film_leaves_nothing(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Training keeps what it has saved, and must not say otherwise."""

    def interrupted(*words: object, **options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("vidcolor_cli.main.app", interrupted)
    assert run(["train", "recipe.toml"]) == 130
    assert capfd.readouterr().err == "vidcolor: interrupted\n"


def test_presets_and_flags_override_in_order(tmp_path: Path) -> None:
    config = tmp_path / "my.toml"
    config.write_text("[color]\nsaturation = 0.5\nbatch_size = 2", encoding="utf-8")
    settings = build_settings("fast", [config], {"batch_size": 3, "model": None}, {"crf": 20.0})
    assert settings.color.saturation == 0.5
    assert settings.color.batch_size == 3
    assert settings.encoder.crf == 20
    assert settings.encoder.effort == "fast"
    later = tmp_path / "later.toml"
    later.write_text("[color]\nsaturation = 0.25\n")
    both = build_settings("fast", [config, later], {}, {})
    assert both.color.saturation == 0.25
    assert both.replace("color", saturation=1.0) == build_settings(
        "fast", [config], {}, {}
    ).replace("color", saturation=1.0)


def test_another_codec_drops_the_options_of_the_presets_own() -> None:
    settings = build_settings("archive", None, {}, {"codec": "av1", "options": "preset=9"})
    assert settings.encoder.options == {"preset": "9"}
    assert build_settings("archive", None, {}, {"codec": "h264"}).encoder.container is None
    share = build_settings("share", None, {}, {"codec": "h265"}).encoder
    assert (share.container, share.depth, share.chroma, share.audio) == (None, None, None, None)


def test_sound_is_encoded_on_request(
    clip: Clips, quick: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, target = str(clip("sound.mp4")), tmp_path / "out.mp4"
    assert run([source, str(target), *quick, "--audio", "wma"]) == 2
    assert "audio must be one of aac, ac3," in capsys.readouterr().err
    assert run([source, str(target), *quick, "--audio", "OPUS", "--verify"]) == 0
    assert "is converted to opus, 96 kbit/s, as asked" in capsys.readouterr().err
    with av.open(str(target)) as film:
        assert {sound.codec_context.name for sound in film.streams.audio} == {"opus"}


def test_the_help_names_every_preset() -> None:
    assert set(re.findall("[a-z]+", PRESETS)) - {"or"} == presets().keys()


def test_an_unknown_preset_names_the_known_ones() -> None:
    with pytest.raises(SettingsError, match="default, edit, fast"):
        build_settings("best", None, {}, {})


def test_a_name_gives_no_orders_to_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["\x1b[31mred\x9b\udcff 東京.mp4", "out.mp4"]) == 3
    err = capsys.readouterr().err
    assert err.startswith(r"vidcolor: \x1b[31mred\x9b\udcff 東京.mp4: ") and err.count("\n") == 1


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90", 90),
        ("1:30", 90),
        ("75:00", 4500),
        ("0:01:30.5", Fraction(181, 2)),
        ("0.04", Fraction(1, 25)),
    ],
)
def test_times_are_exact(text: str, seconds: Fraction) -> None:
    assert parse_range(None, text, None) == RangeSettings(start=Fraction(seconds))


@pytest.mark.parametrize("text", ["1:99", "1:60", "0:60:00", "0:00:60.5", "1:2:3:4", "a"])
def test_what_no_clock_shows_is_no_time(text: str) -> None:
    with pytest.raises(UsageError, match=f"--start {text}: give seconds, or hh:mm:ss"):
        parse_range(None, text, None)


def test_kept_colour_is_auto_or_ranges() -> None:
    assert with_keep(Settings(), None) == Settings()
    assert with_keep(Settings(), "auto").keep_color == "auto"
    assert with_keep(Settings(), ":5,8:9,20:").keep_color == ((0, 5), (8, 9), (20, None))


def test_frame_ranges_may_be_open() -> None:
    assert parse_range("5:", None, None) == RangeSettings(first_frame=5)
    assert parse_range(":5", None, None) == RangeSettings(end_frame=5)


def test_encoder_options_are_pairs() -> None:
    assert parse_options("a=1, b=x:y=2") == {"a": "1", "b": "x:y=2"}
    assert parse_options(None) == {}
    with pytest.raises(UsageError, match="key=value"):
        parse_options("a=1,b")


@pytest.mark.skipif(os.name != "posix", reason="closes file descriptors as a shell does")
@pytest.mark.parametrize("closed", [(0,), (1,), (2,), (0, 1, 2)])
def test_a_film_is_made_with_standard_streams_closed(
    closed: tuple[int, ...], clip: Clips, quick: list[str], tmp_path: Path
) -> None:
    target = tmp_path / "out.mp4"
    words = [sys.executable, "-m", "vidcolor_cli", str(clip("plain.mp4")), str(target), *quick]
    done = subprocess.run(
        words, preexec_fn=lambda: [os.close(number) for number in closed], timeout=120, check=False
    )
    assert done.returncode == 0
    assert run(["verify", str(clip("plain.mp4")), str(target), "--quiet"]) == 0


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere names are text")
def test_a_name_that_is_no_text_is_printed_too(clip: Clips, quick: list[str]) -> None:
    film = str(clip("plain.mp4"))
    words = [sys.executable, "-m", "vidcolor_cli", film, b"caf\xe9.mp4", *quick, "--dry-run"]
    done = subprocess.run(words, capture_output=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert rb"caf\udce9.mp4: libx264" in done.stdout


def test_names_that_do_not_go_together_are_told_of_by_what_they_are(
    clip: Clips, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photo = tmp_path / "photo.png"
    cv2.imwrite(str(photo), np.full((32, 32), 99, np.uint8))
    film = str(clip("plain.mp4"))
    for words, told in (
        ([str(photo), str(tmp_path / "out.bmp")], "or for a photo .jpg"),
        ([film, str(tmp_path / "out.png")], "is none of them"),
        ([str(tmp_path / "none.mp4"), str(tmp_path / "out.png")], "no such file"),
        (["preview", film, str(tmp_path / "out.mp4")], "a range"),
        (["preview", film, str(tmp_path / "out.jpg"), "--frames", "0:4"], "for a sheet"),
        (["verify", str(photo), str(photo)], "only films"),
    ):
        assert run(words) in (2, 3, 4)
        out, err = capsys.readouterr()
        assert told in err
        assert len(err.splitlines()) == 1
        assert not out
    assert [path.name for path in tmp_path.iterdir()] == ["photo.png"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no disk that is always full")
@pytest.mark.parametrize("words", [["--help"], ["probe"], ["shots"]])
def test_output_that_cannot_be_written_is_one_line(words: list[str], clip: Clips) -> None:
    film = [] if words == ["--help"] else [str(clip("plain.mp4"))]
    command = [sys.executable, "-m", "vidcolor_cli", *words, *film]
    with open("/dev/full", "w") as full:  # noqa: PTH123
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == TargetError.exit_code
    assert done.stderr.splitlines()[-1].startswith("vidcolor: standard output cannot be written: ")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("words", [[], ["preview"], ["shots", "--output"], ["batch"]])
def test_links_in_a_circle_are_one_line(
    words: list[str],
    clip: Clips,
    quick: list[str],
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    circle = tmp_path / ("circle.mkv" if not words else "circle.jpg")
    circle.symlink_to(circle.name)
    film = clip("plain.mp4")
    match words:
        case ["batch"]:
            asked = ["batch", str(film.parent), str(circle / "x"), *quick[:2]]
        case ["shots", "--output"]:
            asked = ["shots", str(film), "--output", str(circle), "--overwrite"]
        case _:
            asked = [*words, str(film), str(circle), "--overwrite", *quick[:2]]
    assert run(asked) == TargetError.exit_code
    last = capfd.readouterr().err.splitlines()[-1]
    assert last.startswith("vidcolor: ") and "circle" in last
    assert circle.is_symlink()


def test_limits_can_be_raised_wherever_they_are_told_of(tmp_path: Path) -> None:
    film = str(make(Clip("film.mkv", frames=4), tmp_path))
    jobs = (
        ["probe", film],
        ["shots", film, "--quiet"],
        ["preview", film, str(tmp_path / "sheet.png"), "--quiet", "--overwrite"],
    )
    for words in jobs:
        assert run([*words, "--limits", "pixels=100"]) == 3
        assert run([*words, "--limits", "pixels=10000"]) == 0
    net = tiny_checkpoint(tmp_path / "net.safetensors")
    batch = ["batch", str(tmp_path), str(tmp_path / "done"), "--quiet", "--model", str(net)]
    assert run([*batch, "--limits", "pixels=100"]) != 0
    assert run([*batch, "--retry-failed", "--limits", "pixels=10000"]) == 0


@pytest.mark.parametrize(
    "words",
    [["--stabilize", "0.3", "--no-stabilize"], ["--reference-strength", "0.5"]],
)
def test_options_that_cannot_both_hold_are_refused(words: list[str], tmp_path: Path) -> None:
    film = str(make(Clip("film.mkv", frames=4), tmp_path))
    assert run([film, str(tmp_path / "out.mkv"), "--dry-run", *words]) == 2


def test_a_report_that_cannot_be_written_is_told_before_the_work(
    clip: Clips, quick: list[str], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    report, target = tmp_path / "r.json", tmp_path / "o.mp4"
    report.symlink_to(tmp_path / "nowhere/r.json")
    words = [str(clip("plain.mp4")), str(target), *quick, "--report", str(report)]
    assert run(words) == 4
    _one_line(capfd, "r.json", "report")
    assert not target.exists()


def test_a_log_on_a_full_disk_ends_no_work(
    clip: Clips, quick: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Full:
        def __getattr__(self, name: str) -> Any:
            return getattr(sys.__stderr__, name)

        def write(self, text: str) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

        def isatty(self) -> bool:
            return False

    monkeypatch.setattr("vidcolor_cli.progress._EVERY", 0.0)
    monkeypatch.setattr(sys, "stderr", Full())
    assert run([str(clip("plain.mp4")), str(tmp_path / "o.mp4"), *quick]) == 0
    assert (tmp_path / "o.mp4").is_file()
