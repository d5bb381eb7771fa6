"""The error tree: what its docstring and the README promise is what the classes do."""

from __future__ import annotations

import builtins
import re
from pathlib import Path

import pytest

from vidcolor import errors
from vidcolor.errors import VidcolorError

README = Path(__file__).resolve().parent.parent / "README.md"

CLASSES = {
    name: value
    for name, value in vars(errors).items()
    if isinstance(value, type) and issubclass(value, Exception)
}


def documented() -> list[tuple[int, str, int, str | None]]:
    """(depth, name, exit code, builtin) of each line of the tree in the module's docstring."""
    lines = re.findall(
        r"^( {4}[│├└─ ]*)(\w+Error) +(\d)  (?:.*\(also an? (\w+)\))?",
        errors.__doc__ or "",
        re.MULTILINE,
    )
    return [
        (len(indent) // 4 - 1, name, int(code), also or None) for indent, name, code, also in lines
    ]


def test_the_docstring_lists_every_error_once() -> None:
    assert sorted(name for _, name, _, _ in documented()) == sorted(CLASSES)


@pytest.mark.parametrize(("depth", "name", "code", "also"), documented())
def test_an_error_is_what_the_docstring_says(
    depth: int, name: str, code: int, also: str | None
) -> None:
    error = CLASSES[name]
    assert error.exit_code == code
    if also is not None:
        assert issubclass(error, getattr(builtins, also))
    assert error.__doc__


def test_the_docstring_draws_the_inheritance() -> None:
    path: list[str] = []
    for depth, name, _, _ in documented():
        path[depth:] = [name]
        parents = {base.__name__ for base in CLASSES[name].__bases__}
        assert (path[-2] if depth else "Exception") in parents


def test_errors_of_our_own_share_one_root() -> None:
    assert all(issubclass(error, VidcolorError) for error in CLASSES.values())
    # 0 is success and 130 is Ctrl-C; the shell keeps 126 and above for itself.
    assert all(0 < error.exit_code < 126 for error in CLASSES.values())


@pytest.mark.parametrize("name", sorted(CLASSES))
def test_the_message_comes_out_as_it_went_in(name: str) -> None:
    # OSError prints its arguments in a way of its own when it gets two; one must stay one.
    message = "a film.mp4: no such file; check the path"
    assert str(CLASSES[name](message)) == message


def test_the_readme_lists_the_exit_codes() -> None:
    rows = re.findall(r"^\| (\d+) \| ", README.read_text(encoding="utf-8"), re.MULTILINE)
    codes = {error.exit_code for error in CLASSES.values()}
    assert {int(row) for row in rows} == codes | {0, 130}
