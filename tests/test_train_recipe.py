from __future__ import annotations

from pathlib import Path

import pytest

from vidcolor.errors import SettingsError
from vidcolor.train.recipe import Recipe, load_recipe

CONFIGS = Path(__file__).parent.parent / "configs" / "train"


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("photos = []", "photos is empty"),
        ("photoes = ['a']", "unknown key 'photoes'"),
        ("photos = ['a']\nsteps = 'many'", "steps must be a int"),
        ("photos = ['a']\nstages = [[0.0, 100, 2]]", "multiples of 32"),
        ("photos = ['a']\nstages = [[0.0, 64, 0]]", "batch sizes of at least 1"),
        ("photos = ['a']\nstages = []", "stages must be a list"),
        ("photos = ['a']\nresident = 'yes'", "resident 'yes': unknown; valid are auto, on, off"),
        ("photos = ['a']\nencoder = 'lite9'", "encoder 'lite9': unknown"),
        ("photos = ['a']\nwidths = [1, 2]", "widths must be four"),
        ("photos = ['a']\nworkers = 0", "workers must be at least 1"),
        ("photos = ['a']\nstop_after = -1", "stop_after must not be negative"),
        ("photos = ['a']\nval_share = 3", "val_share must lie in 0 to 1"),
        ("photos = ['a', 1]", "photos must be a list of names"),
        ("photos = [", "not a TOML file"),
    ],
)
def test_a_bad_recipe_is_refused_by_name(text: str, fault: str, tmp_path: Path) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(SettingsError, match=fault) as caught:
        load_recipe(path)
    assert "recipe.toml" in str(caught.value)


def test_a_recipe_reads_numbers_lists_and_changes(tmp_path: Path) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text("photos = ['a', 'b']\nminutes = 5\nstages = [[0, 64, 2]]", encoding="utf-8")
    recipe = load_recipe(path, {"steps": 7})
    assert recipe.photos == ("a", "b")
    assert recipe.minutes == 5.0
    assert recipe.stages == ((0, 64, 2),)
    assert recipe.steps == 7


def test_the_published_recipe_names_no_folders() -> None:
    card = Recipe(
        photos=("/secret/place/a.tar",),
        run="/secret/run",
        val=("/secret/val.tar",),
        exclude=("/secret/list.txt", "a.tar/cat-*"),
    ).card()
    assert card["photos"] == ["a.tar"]
    assert card["exclude"] == ["list.txt", "a.tar/cat-*"]
    assert card["run"] == "run"
    assert "secret" not in str(card)


@pytest.mark.parametrize("name", ["default.toml", "gpu.toml"])
def test_the_recipes_that_ship_can_be_read(name: str) -> None:
    recipe = load_recipe(CONFIGS / name, {"photos": ["a.tar"]})
    assert recipe.stages[0][0] == 0


def test_one_exclusion_needs_no_list(tmp_path: Path) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text("photos = ['a']\nexclude = 'list.txt'", encoding="utf-8")
    assert load_recipe(path).exclude == ("list.txt",)
