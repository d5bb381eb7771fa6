"""What every page is told about the open film and the work: plain values for JSON."""

from __future__ import annotations

import shlex
from dataclasses import asdict
from typing import Any

from vidcolor.errors import SettingsError
from vidcolor.hintlist import Hint
from vidcolor.jobs.naming import target_suffix
from vidcolor.studio.decisions import LOOK
from vidcolor.studio.film import OpenFilm
from vidcolor.studio.session import Opened, Session


def state(session: Session) -> dict[str, Any]:
    """The film, and what was decided about it. ``film`` is None while none is open."""
    with session.lock:
        head = {
            "server": session.name,
            "version": session.version,
            "folder": session.folder.root.name,
            "presets": list(session.presets),
            "film": None,
        }
        return {**head, **(_film(session, session.now) if session.now is not None else {})}


def work(session: Session) -> dict[str, Any] | None:
    """The piece of work that is, or was last, under way."""
    now = session.worker.work
    return None if now is None else asdict(now)


def _film(session: Session, opened: Opened) -> dict[str, Any]:
    film, history, info = opened.film, opened.history, opened.film.info
    now = history.now
    height, width = film.shape
    hints = now.parsed()
    stills, problem = [], None
    try:
        stills = [
            {"name": it.path.name, "frame": it.frame, "shot": it.shot}
            for it in opened.kept.stills()
        ]
    except SettingsError as error:
        problem = str(error)
    look = session.base.look_in()
    return {
        "film": {
            "number": opened.number,
            "name": film.path.name,
            "path": session.folder.name(film.path),
            "frames": film.frames,
            "rate": float(info.average_rate or 0),
            "seconds": float(film.time(film.frames)),
            "size": [info.width, info.height],
            "width": width,
            "height": height,
        },
        "revision": history.revision,
        "changed": history.changed,
        "steps": history.steps,
        "notes": [*opened.notes, *([problem] if problem else [])],
        "defaults": {key: getattr(look, key) for key in LOOK},
        "look": dict(now.look),
        "shots": [
            {
                "first_frame": shot.first_frame,
                "start": film.clock(shot.first_frame),
                "look": shot.notes.get("look", {}),
            }
            for shot in (now.shots.shots if now.shots is not None else ())
            if shot.first_frame < film.frames
        ],
        "hints": [
            {"id": key, "number": place, **_hint(hint, film)}
            for place, (key, hint) in enumerate(hints.items(), 1)
        ],
        "references": stills,
        "command": [
            shlex.quote(film.path.name),
            shlex.join([*session.given, *opened.kept.options(now, stills=bool(stills))]),
        ],
        "targets": {
            name: f"{film.path.stem}-colour{target_suffix(film.path.suffix, settings)}"
            for name, settings in session.presets.items()
        },
    }


def _hint(hint: Hint, film: OpenFilm) -> dict[str, Any]:
    frame = film.frame_of(hint)
    problem = None
    if not hint.inside:
        problem = "lies outside the picture"
    elif frame >= film.frames:
        problem = "lies after the film's end"
    return {
        "frame": frame,
        "places": hint.places,
        "color": "#{:02x}{:02x}{:02x}".format(*hint.color),
        "scope": hint.scope,
        "problem": problem,
    }
