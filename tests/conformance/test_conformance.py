"""A fast part of `make conformance`, in this process, and the watchman himself."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from networks import tiny_checkpoint

from conformance import results, watch
from conformance.mutations import KINDS, kind_of, mutate
from conformance.sources import SOURCES, TARGETS, TO_DAMAGE, film
from vidcolor_cli.main import run as run_here

TAKEN = {name: TARGETS[number % 4] for number, name in enumerate(list(SOURCES)[::4])}
"""Every fourth film, each into another target than the one before."""


@pytest.fixture(scope="module")
def options(tmp_path_factory: pytest.TempPathFactory) -> Sequence[str]:
    net = tiny_checkpoint(tmp_path_factory.mktemp("net") / "tiny.safetensors")
    return ("--preset", "fast", "--model", str(net), "--short-side", "64", "--quiet")


@pytest.fixture(scope="module")
def told() -> dict[str, Any]:
    return results.load()


def ended(capfd: pytest.CaptureFixture[str], words: Sequence[str]) -> watch.Ended:
    code = run_here([*words])
    return watch.Ended(code, 0.0, 0, capfd.readouterr().err)


@pytest.mark.parametrize("name", TAKEN)
def test_the_table_is_true(
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    options: Sequence[str],
    told: dict[str, Any],
    name: str,
) -> None:
    suffix, folder = TAKEN[name], tmp_path / "target"
    folder.mkdir()
    source, report = film(name, tmp_path), tmp_path / "report.json"
    capfd.readouterr()
    target = folder / f"out{suffix}"
    end = ended(capfd, [str(source), str(target), "--report", str(report), *options])
    assert watch.judge(end, target) == []
    result = watch.written(report) if end.code == 0 else watch.refusal(end, source)
    assert result == told["sources"]["rows"][name][suffix]


@pytest.mark.parametrize("name", TO_DAMAGE)
def test_damaged_films_are_coloured_or_refused(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], options: Sequence[str], name: str
) -> None:
    content = film(name, tmp_path).read_bytes()
    number = TO_DAMAGE.index(name) % len(KINDS)
    source, folder = tmp_path / f"damaged {name}", tmp_path / "target"
    source.write_bytes(mutate(content, name, number))
    folder.mkdir()
    capfd.readouterr()
    target = folder / "out.mkv"
    assert watch.judge(ended(capfd, [str(source), str(target), *options]), target) == []


def test_the_page_shows_the_results_of_all_films(told: dict[str, Any]) -> None:
    assert results.TABLE.read_text(encoding="utf-8") == results.page(told)
    assert set(told["sources"]["rows"]) == set(SOURCES)
    assert set(told["mutations"]["rows"]) == set(TO_DAMAGE)
    assert "FAULT:" not in results.page(told)


def test_mutations_differ_from_the_film_and_are_the_same_each_time() -> None:
    content = bytes(range(256)) * 40
    made = [mutate(content, "film", number) for number in range(12)]
    assert made == [mutate(content, "film", number) for number in range(12)]
    assert len({*made, content}) == 13
    assert {kind_of(number) for number in range(12)} == set(KINDS)


FAULTY = {
    "raise ValueError('no')": "exit code 1",
    "import sys; print('vidcolor: refused', file=sys.stderr); sys.exit(9)": "exit code 9",
    "import sys; print('Traceback', file=sys.stderr); sys.exit(3)": "traceback",
    "import sys; sys.exit(3)": "0 lines on stderr",
    "import sys; [print('vidcolor: no', file=sys.stderr) for _ in 'ab']; sys.exit(4)": "2 lines",
    "import os; os.abort()": "exit code -6",
    "pass": "wrote no target",
    "import sys; open(sys.argv[1] + '.part', 'w'); open(sys.argv[1], 'w')": "left out.mp4.part",
    "import sys; open(sys.argv[1], 'w'); a = b'1' * 300_000_000": "MB",
    "import time; time.sleep(60)": "did not end",
}


@pytest.fixture
def no_cores() -> Iterator[None]:
    """Who aborts on purpose leaves no core, which would be taken for that of a true crash."""
    if sys.platform == "win32":  # Where there are none.
        yield
        return
    import resource

    before = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (0, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_CORE, before)


@pytest.mark.usefixtures("no_cores")
@pytest.mark.parametrize("code", FAULTY)
def test_broken_promises_are_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str
) -> None:
    monkeypatch.setattr(watch, "LIMIT_BYTES", 200_000_000)
    target = tmp_path / "out.mp4"
    limit = 0.5 if "sleep" in code else 30.0
    end = watch.run((sys.executable, "-S", "-c", code, str(target)), limit)
    assert any(re.search(FAULTY[code], fault) for fault in watch.judge(end, target))


def test_kept_promises_are_no_faults(tmp_path: Path) -> None:
    target = tmp_path / "out.mp4"
    code = "import sys; open(sys.argv[1], 'w'); print('warning: odd', file=sys.stderr)"
    assert watch.judge(watch.run((sys.executable, "-S", "-c", code, str(target))), target) == []
    target.unlink()
    code = "import sys; print('vidcolor: no film', file=sys.stderr); sys.exit(3)"
    end = watch.run((sys.executable, "-S", "-c", code))
    assert watch.judge(end, target) == []
    assert watch.refusal(end, Path("film.mp4")) == "refused, exit 3: no film"
