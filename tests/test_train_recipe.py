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
        ("photos = ['a']\nstages = [[0, 64, 2], [0.9, 96, 2], [0.5, 32, 2]]", "in the order"),
        ("photos = ['a']\nstages = [[0, 64, 2], [0.5, 96, 2], [0.5, 32, 2]]", "in the order"),
        ("photos = ['a']\nstages = [[0, 64, 2], [1.5, 96, 2]]", "none beyond 1.0"),
        ("photos = ['a']\nstages = []", "stages must be a list"),
        ("photos = ['a']\nresident = 'yes'", "resident 'yes': unknown; valid are auto, on, off"),
        ("photos = ['a']\nencoder = 'lite9'", "encoder 'lite9': unknown"),
        ("photos = ['a']\nwidths = [1, 2]", "widths must be four"),
        ("photos = ['a']\nworkers = 0", "workers must be at least 1"),
        ("photos = ['a']\nstop_after = -1", "stop_after must not be negative"),
        ("photos = ['a']\nval_share = 3", "val_share must lie in 0 to 1"),
        ("photos = ['a', 1]", "photos must be a list of names"),
        ("photos = [", "not a TOML file"),
        (
            "photos = ['a']\nnetwork = 'resnet'",
            "network 'resnet': unknown; valid are chromanet, ec",
        ),
        ("photos = ['a']\nnetwork = 'unet'", "loss 'distribution' is for network chromanet or ecc"),
        (
            "photos = ['a']\nnetwork = 'eccv16'\nloss = 'l2'",
            "eccv16 gives a distribution; use tanh",
        ),
        ("photos = ['a']\nwidth = 32", "width = 32 means nothing with network = 'chromanet'"),
        ("photos = ['a']\nnetwork = 'unet'\nloss = 'l1'\nwidth = 20", "multiple of 8"),
        ("photos = ['a']\nnetwork = 'eccv16'\nattention = 1", "attention = 1 means nothing with"),
        ("photos = ['a']\nnetwork = 'siggraph17'\nloss = 'l1'\nspace = 'yuv'", "space = 'yuv' mea"),
        (
            "photos = ['a']\nnetwork = 'fusionnet'\nloss = 'l2'\ncache = 'c'",
            "embedding logits or fe",
        ),
        (
            "photos = ['a']\nnetwork = 'fusionnet'\nloss = 'l2'\nembedding = 'logits'\n"
            "classification = 0.1",
            "classification = 0.1 means nothing with embedding = 'logits'; it is for embedding le",
        ),
        (
            "photos = ['a']\nnetwork = 'fusionnet'\nloss = 'l2'\nembedding = 'logits'\n"
            "encoder = 'none'",
            "embedding needs a pretrained encoder",
        ),
        ("photos = ['a']\nperceptual = 1\nencoder = 'none'", "perceptual needs a pretrained"),
        ("photos = ['a']\nteachers = ['a']\ntaught = 0", "means nothing while taught is 0"),
        ("photos = ['a']\ncritic_from = 0.5", "means nothing while adversarial is 0"),
        ("photos = ['a']\ntaught = 0.7", "taught = 0.7 means nothing while teachers is empty"),
        ("photos = ['a']\nteachers = [3]", "teachers must be a list of names"),
        ("photos = ['a']\nteachers = ['t']\nloss = 'l1'", "teachers tell a distribution, which"),
        (
            "photos = ['a']\nteachers = ['t']\nnetwork = 'eccv16'\nregression = 0\nedges = 0",
            "means nothing with network = 'eccv16'; it is for network chromanet",
        ),
        (
            "photos = ['a']\nadversarial = 1\ncritic_from = 0.5\nadversary_from = 0.2",
            "adversary_from must not come before critic_from",
        ),
        ("photos = ['a']\nlabels = 'folders'", "labels = 'folders' means nothing while"),
        ("photos = ['a']\nval_every = 0\ngallery = true", "gallery = True means nothing while val"),
        ("photos = ['a']\ntemperature = 0", "temperature must be above 0"),
        ("photos = ['a']\nrate = -1e-3", "rate must be above 0"),
        ("photos = ['a']\nrotate = -3", "rotate must not be negative"),
        (f"photos = ['a']\nrate = 1{'0' * 400}", "rate: no TOML number is this large"),
        (f"photos = ['a']\nrate = 0x{'f' * 5000}", "rate: no TOML number is this large"),
        ("photos = ['a']\nstages = [['all', 64, 2]]", "stages must be a list of"),
        ("photos = ['a']\nstages = [64]", "stages must be a list of"),
        ("photos = ['a']\nrate = inf", "rate must be finite, not nan or inf"),
        ("photos = ['a']\nclip = nan", "clip must be finite, not nan or inf"),
        ("photos = ['a']\nstages = [[0.0, 64, 2], [nan, 96, 2]]", "stages must be finite"),
        ("photos = ['a']\nnetwork = 'chromanet'\nuniform = 0.5", "it is for network eccv16"),
        ("photos = ['a']\nnetwork = 'eccv16'\nedges = 0", "regression and edges judge colours"),
        (
            "photos = ['a']\nnetwork = 'eccv16'\nregression = 0.0",
            "regression and edges judge colours",
        ),
        ("photos = ['a']\nseed = -1", "seed must not be negative"),
        ("photos = ['a']\nweight_decay = -0.1", "weight_decay must not be negative"),
        ("photos = ['a']\nrotate = 200", "rotate must be at most 180"),
        ("photos = ['a']\npoints = 0.6\ndense = 0.6", "must not be above 1 together"),
        ("photos = ['a']\nema = 1.0", "ema must be below 1"),
        ("photos = ['a']\nrun = ''", "run is empty"),
        ("photos = ['a']\nstages = [[0, 64, true]]", "stages must be a list of"),
        ("photos = ['a']\nwidths = [16, 1, 16, 16]", "of at least 2"),
        ("photos = ['a']\nattention = 1\nwidths = [16, 10, 16, 16]", "4 heads, by which"),
        (
            "photos = ['a']\nnetwork = 'tanhnet'\nloss = 'l2'\nclassification = 1",
            "classification is of an embedding",
        ),
        ("photos = ['a']\nnetwork = 'unet'\nloss = 'l1'\npoints = 0.75", "points = 0.75 means"),
        ("photos = ['a']\nnetwork = 'unet'\nloss = 'l1'\ntemperature = 1", "temperature = 1.0 m"),
        ("photos = ['a']\nloss = 'l1'\nrebalance = 1", "it is for loss distribution"),
        ("photos = ['a']\nvary = false\nrotate = 30", "means nothing while vary is false"),
        ("photos = ['a']\nval_every = 0\nval = ['x']", "means nothing while val_every is 0"),
        ("# nothing", "sets nothing, so it is no recipe"),
        ("photos = ['a']\nbest_by = 'looks'", "best_by 'looks': unknown; valid are score, rmse"),
    ],
)
def test_a_bad_recipe_is_refused_by_name(text: str, fault: str, tmp_path: Path) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(SettingsError, match=fault) as caught:
        load_recipe(path)
    assert "recipe.toml" in str(caught.value)


def test_crops_of_one_place_need_two_for_each_thread_of_all_processes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text("photos = ['a']\nstages = [[0.0, 32, 4]]\nthreads = 2\n")
    assert load_recipe(path).threads == 2
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(SettingsError, match="at least 2 for each of the 4 threads"):
        load_recipe(path)


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


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.toml")), ids=lambda path: path.stem)
def test_the_recipes_that_ship_can_be_read(path: Path) -> None:
    recipe = load_recipe(path, {"photos": ["a.tar"]})
    assert recipe.stages[0][0] == 0
    assert Path(recipe.run).name == path.stem


def test_one_exclusion_needs_no_list(tmp_path: Path) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text("photos = ['a']\nexclude = 'list.txt'", encoding="utf-8")
    assert load_recipe(path).exclude == ("list.txt",)
