"""One run of the command line in a process of its own, watched from outside."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from vidcolor_cli.main import COMMANDS

LIMIT_SECONDS = 60.0
LIMIT_BYTES = 2 << 30
REFUSALS = (3, 4)
"""Exit codes a file may be refused with: a source that is no film, a target that cannot hold it."""

COMMAND = (sys.executable, "-m", "vidcolor_cli")
_TAIL = 300
_PAUSE = 0.02


@dataclass(frozen=True, slots=True)
class Ended:
    """How a process ended. ``code`` is None if it had to be killed at the limit."""

    code: int | None
    seconds: float
    peak_bytes: int
    errors: str
    """What it wrote to stderr."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one film. ``faults`` is empty if all promises were kept."""

    result: str
    """``codec pixel_format`` of the film that was written, or ``refused, exit N: reason``."""
    faults: tuple[str, ...]
    seconds: float
    peak_bytes: int
    verified: bool


def run(command: Sequence[str], limit: float = LIMIT_SECONDS) -> Ended:
    """Run a command to its end, or kill it after ``limit`` seconds of a machine that is its own.

    Where more wants to run than there are cores, it is given as many times longer.
    """
    with tempfile.TemporaryFile() as errors:
        begun = time.monotonic()
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=errors)
        killed = False
        while True:
            # Not Popen.wait, because only this call tells the memory of just this process.
            pid, status, usage = os.wait4(process.pid, os.WNOHANG)
            if pid:
                break
            if not killed and time.monotonic() - begun > limit * _crowding():
                process.kill()
                killed = True
            time.sleep(_PAUSE)
        seconds = time.monotonic() - begun
        code = process.returncode = os.waitstatus_to_exitcode(status)
        errors.seek(0)
        text = errors.read().decode("utf-8", "replace")
    unit = 1 if sys.platform == "darwin" else 1024
    return Ended(None if killed else code, seconds, usage.ru_maxrss * unit, text)


def _crowding() -> float:
    return max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))


def color(source: Path, suffix: str, options: Sequence[str], crop: Sequence[str] = ()) -> Outcome:
    """Colour ``source``, or the part of it in ``crop``, into a file with this suffix; verify it."""
    with tempfile.TemporaryDirectory() as room:
        folder, report = Path(room) / "target", Path(room) / "report.json"
        folder.mkdir()
        target = folder / f"out{suffix}"
        words = (str(source), str(target), "--quiet", "--report", str(report), *options, *crop)
        ended = run((*COMMAND, *words))
        faults = judge(ended, target)
        result, verified = refusal(ended, source), False
        if ended.code == 0 and not faults:
            result = written(report)
            if "verify" in COMMANDS:
                check = run((*COMMAND, "verify", str(source), str(target), *crop))
                verified = check.code == 0
                faults += [] if verified else [f"verify, exit {check.code}: {_last(check.errors)}"]
    return Outcome(result, tuple(faults), ended.seconds, ended.peak_bytes, verified)


def judge(ended: Ended, target: Path) -> list[str]:
    """Every promise that a run into ``target``, alone in its folder, did not keep."""
    faults = []
    if ended.code is None:
        return [f"did not end in {LIMIT_SECONDS:.0f} s"]
    if ended.code not in (0, *REFUSALS):
        faults.append(f"exit code {ended.code}: {_last(ended.errors)}")
    if "Traceback" in ended.errors:
        faults.append(f"traceback: {_last(ended.errors)}")
    lines = ended.errors.splitlines()
    said = [line for line in lines if not line.startswith("warning: ")]
    if len(said) != bool(ended.code) or any(not line.startswith("vidcolor: ") for line in said):
        faults.append(f"{len(said)} lines on stderr besides warnings: {' / '.join(said)[:_TAIL]}")
    if ended.peak_bytes > LIMIT_BYTES:
        faults.append(f"took {ended.peak_bytes >> 20} MB")
    there = {path.name for path in target.parent.iterdir()}
    expected = {target.name} if ended.code == 0 else set()
    if there - expected:
        faults.append(f"left {', '.join(sorted(there - expected))}")
    if expected - there:
        faults.append("wrote no target")
    return faults


def written(report: Path) -> str:
    """Codec and pixel format, as the report of a run tells them."""
    values = json.loads(report.read_text(encoding="utf-8"))
    return f"{values['codec']} {values['pixel_format']}"


def refusal(ended: Ended, source: Path) -> str:
    """Exit code and reason, without the names of files."""
    reason = _last(ended.errors).removeprefix("vidcolor: ")
    for name in (f"{source}: ", str(source.parent)):
        reason = reason.replace(name, "")
    if "/target/out" in reason:
        reason = reason.partition(": ")[2]
    return f"refused, exit {ended.code}: {reason}"


def _last(errors: str) -> str:
    lines = errors.strip().splitlines() or ["(nothing)"]
    return lines[-1][:_TAIL]
