from __future__ import annotations

import importlib.util
import shutil
import tarfile
from pathlib import Path
from types import ModuleType

import cv2
import numpy as np
import pytest
import torch
from networks import tiny_net
from training import photo, photo_folder

from vidcolor.errors import SettingsError, SourceError
from vidcolor.evaluate import metrics
from vidcolor.train import heldout
from vidcolor.train.examples import Augment, age, make_example
from vidcolor.train.heldout import Figures, HeldOut, hold_out
from vidcolor.train.photos import PhotoSet, encoded_photos, load_photos
from vidcolor.train.recipe import Recipe
from vidcolor.train.sets import Listing, photo_sets


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    return photo_folder(tmp_path / "photos")


def test_photos_come_from_folders_tars_and_lists(photos: Path, tmp_path: Path) -> None:
    shard = tmp_path / "shard.tar"
    with tarfile.open(shard, "w") as archive:
        for path in sorted(photos.rglob("*.png")):
            archive.add(path, path.name)
            archive.add(path, f"./._{path.name}")
    listed = tmp_path / "list.txt"
    listed.write_text("photos/0.png\nphotos/inner/1.png\n", encoding="utf-8")
    for hidden in (photos / ".thumbs" / "0.png", photos / "._0.png"):
        hidden.parent.mkdir(exist_ok=True)
        shutil.copy(photos / "0.png", hidden)
    assert len(load_photos([photos], 64).images) == 5
    assert len(load_photos([shard], 64).images) == 5
    assert load_photos([listed], 64).names == ("0.png", "1.png")
    assert min(load_photos([photos], 64).images[0].shape[:2]) == 64


@pytest.mark.parametrize("suffix", ["tar.gz", "TGZ", "tar.xz"])
def test_tars_may_be_compressed(suffix: str, photos: Path, tmp_path: Path) -> None:
    shard = tmp_path / f"shard.{suffix}"
    with tarfile.open(shard, "w:xz" if suffix == "tar.xz" else "w:gz") as archive:
        for path in sorted(photos.rglob("*.png")):
            archive.add(path, path.name)
    assert len(load_photos([shard], 64).images) == 5
    shard.write_bytes(shard.read_bytes()[:-500])
    with pytest.raises(SourceError, match=r"shard.*: cannot read these photos"):
        load_photos([shard], 64)


def test_unreadable_and_grey_photos_are_counted_and_left_out(photos: Path) -> None:
    (photos / "folder.jpg").mkdir()
    cv2.imwrite(str(photos / "icon.png"), photo(0, 31, 80))
    (photos / "text.jpg").write_text("not a photo", encoding="utf-8")
    cv2.imwrite(str(photos / "grey.png"), np.full((40, 40, 3), 99, np.uint8))
    found = load_photos([photos], 64)
    assert (len(found.images), found.unreadable, found.grey, found.small) == (5, 1, 1, 1)
    assert found.left_out == "1 unreadable (text.jpg), 1 grey, 0 excluded, 1 too small"


def test_the_first_unreadable_photos_are_named(tmp_path: Path) -> None:
    for number in range(4):
        (tmp_path / f"{number}.jpg").touch()
    with pytest.raises(SourceError, match=r"4 unreadable \(0\.jpg, 1\.jpg, 2\.jpg, …\), 0 grey"):
        load_photos([tmp_path], 64)


def test_a_list_that_is_no_utf8_is_an_error_that_names_it(tmp_path: Path) -> None:
    listed = tmp_path / "latin1.txt"
    listed.write_bytes(b"caf\xe9.png\n")
    with pytest.raises(SourceError, match=r"latin1\.txt: cannot read these photos: 'utf-8'"):
        load_photos([listed], 64)


def test_links_to_nothing_in_a_tar_are_unreadable_photos(photos: Path, tmp_path: Path) -> None:
    shard = tmp_path / "shard.tar"
    with tarfile.open(shard, "w") as archive:
        for name, target in (("gone.jpg", "missing.jpg"), ("self.jpg", "self.jpg")):
            link = tarfile.TarInfo(name)
            link.type, link.linkname = tarfile.SYMTYPE, target
            archive.addfile(link)
        archive.add(photos, "photos")
    found, plain = load_photos([shard], 64), load_photos([photos], 64)
    assert found.spoilt[:2] == ("gone.jpg", "self.jpg")
    assert found.unreadable == plain.unreadable + 2
    assert len(found.images) == len(plain.images)


def test_a_list_that_names_itself_is_an_error(photos: Path, tmp_path: Path) -> None:
    (tmp_path / "one.txt").write_text(f"{photos}\nother.txt\n", encoding="utf-8")
    (tmp_path / "other.txt").write_text("one.txt\n", encoding="utf-8")
    with pytest.raises(SourceError, match=r"one\.txt: this list names itself"):
        list(encoded_photos([tmp_path / "one.txt"]))
    # Twice beside each other is no circle.
    (tmp_path / "other.txt").write_text(f"{photos}\n", encoding="utf-8")
    (tmp_path / "one.txt").write_text("other.txt\nother.txt\n", encoding="utf-8")
    assert len(list(encoded_photos([tmp_path / "one.txt"]))) == 2 * len(
        list(encoded_photos([photos]))
    )


def test_a_mark_of_the_encoding_is_no_part_of_the_first_name(tmp_path: Path) -> None:
    folder, names = photo_folder(tmp_path / "photos", 3), ["0.png", "2.png"]
    listed = folder / "list.txt"
    listed.write_text("\n".join(names), encoding="utf-8-sig")
    assert [name for name, _, _ in encoded_photos([listed])] == names
    assert all(Listing([str(listed)], "exclude").holds(name, "") for name in names)


def test_nothing_to_train_on_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no colour photo"):
        load_photos([tmp_path], 64)
    with pytest.raises(SourceError, match=r"missing\.tar"):
        load_photos([tmp_path / "missing.tar"], 64)


def test_a_photo_that_cannot_be_opened_is_counted(photos: Path) -> None:
    (photos / "empty.jpg").touch()
    (photos / "gone.jpg").symlink_to(photos / "nowhere.jpg")
    assert load_photos([photos], 64).unreadable == 2


def test_photos_are_left_out_by_name_pattern_and_source(photos: Path, tmp_path: Path) -> None:
    listed = tmp_path / "out.txt"
    listed.write_text("0.png\n\ninner/*3.png\n", encoding="utf-8")

    def left(*entries: str) -> tuple[str, ...]:
        recipe = Recipe(photos=(str(photos),), exclude=entries, val_every=0)
        found, _ = photo_sets(recipe, 1)
        assert found.unwanted == 5 - len(found.names)
        return found.names

    assert left() == ("0.png", "2.png", "4.png", "inner/1.png", "inner/3.png")
    assert left(str(listed)) == ("2.png", "4.png", "inner/1.png")
    assert left("inner/*") == ("0.png", "2.png", "4.png")
    assert left("photos/inner/?.png", "4*") == ("0.png", "2.png")
    with pytest.raises(SourceError, match="5 excluded"):
        left("photos/*")
    with pytest.raises(SettingsError, match=r"missing\.txt"):
        Listing(["missing.txt"], "exclude")


def _script(name: str) -> ModuleType:
    """A developer's script, which is in no package."""
    path = Path(__file__).parent.parent / "benchmarks" / name
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_staged_shards_hold_the_same_bytes_and_stay_small(photos: Path, tmp_path: Path) -> None:
    long = photos / ("long-" * 30 + ".png")
    (photos / "0.png").rename(long)
    most = 3 * 10240 + 2 * long.stat().st_size
    shards = _script("stage_photos.py").pack([photos], tmp_path / "out", most, ["inner/3*"])
    assert len(shards) > 1
    assert all(path.stat().st_size <= most for path in shards)
    packed = {name: data for name, _, data in encoded_photos(shards)}
    there = {name: data for name, _, data in encoded_photos([photos]) if name != "inner/3.png"}
    assert packed == there
    with pytest.raises(ValueError, match="do not fit"):
        _script("stage_photos.py").pack([photos], tmp_path / "out", 10752)


def test_photos_are_listed_by_their_collection(tmp_path: Path) -> None:
    index = tmp_path / "index.csv"
    index.write_text("file,source_set\na.png,coco-1\nb.png,cats\nc.png,coco-2\n", encoding="utf-8")
    photos_of = _script("list_photos.py").photos_of
    assert photos_of(index, ["coco-*"], "file", "source_set") == ["a.png", "c.png"]
    with pytest.raises(ValueError, match="no collection is called dogs"):
        photos_of(index, ["cats", "dogs"], "file", "source_set")
    with pytest.raises(ValueError, match="no column name"):
        photos_of(index, ["cats"], "name", "source_set")


def test_photos_to_be_measured_by_are_not_trained_on(photos: Path, tmp_path: Path) -> None:
    apart = tmp_path / "apart"
    apart.mkdir()
    files = sorted(photos.glob("*.png")) or sorted(photos.glob("*.jpg"))
    for file in files[:2]:
        shutil.copy(file, apart / f"other-{file.name}")
    recipe = Recipe(photos=(str(photos),), val=(str(apart),), run="r")
    alone, _ = photo_sets(Recipe(photos=(str(photos),), run="r"), 1)
    rest, held = photo_sets(recipe, 1)
    assert held is not None and len(held.images) == 2
    assert len(rest.images) == len(alone.images) - 2 and rest.unwanted == 2
    assert not {image.tobytes() for image in rest.images} & {i.tobytes() for i in held.images}
    same, _ = photo_sets(Recipe(photos=(str(apart),), val=(str(photos),), run="r"), 1)
    assert len(same.images) == 2


def test_opencv_tells_nothing_of_broken_photos(
    photos: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (photos / "broken.tif").write_bytes(b"II*\0" + bytes(range(200)))
    assert load_photos([photos], 64).unreadable >= 1
    assert "imdecode" not in capfd.readouterr().err


def _set(count: int) -> PhotoSet:
    return PhotoSet(tuple([photo(0)] * count), tuple(f"{k}.png" for k in range(count)), 0, 0)


def test_a_few_photos_are_held_out_and_stay_so_when_others_come() -> None:
    train, held = hold_out(_set(400), 0.05, 100)
    assert held is not None
    assert 8 < len(held.names) < 40
    assert not set(train.names) & set(held.names)
    assert len(train.names) + len(held.names) == 400
    more_train, more_held = hold_out(_set(800), 0.05, 100)
    assert more_held is not None
    assert set(held.names) < set(more_held.names)
    assert set(train.names) < set(more_train.names)
    assert len(hold_out(_set(400), 0.05, 5)[1].names) == 5  # type: ignore[union-attr]


def test_of_few_photos_none_is_held_out() -> None:
    assert hold_out(_set(49), 0.5, 100)[1] is None
    assert hold_out(_set(60), 0.0, 100)[1] is None


def test_held_out_figures_are_those_of_the_evaluation() -> None:
    net = tiny_net()
    with torch.no_grad():
        net.head.weight.mul_(20)
    images = tuple(photo(seed, 192, 192) for seed in range(3))
    held = HeldOut(PhotoSet(images, ("a", "b", "c"), 0, 0), 3)
    found = held.measure(net, torch.device("cpu"), torch.float32)
    gains, colour, true = [], [], []
    for image in images:
        rgb = image.astype(np.float32) / 255
        light = metrics.lab_of(rgb)[..., 0]
        with torch.no_grad():
            ab = net.decode(net(torch.from_numpy(light)[None, None]))[0].numpy()
        full = cv2.resize(ab.transpose(1, 2, 0), (192, 192))
        ours = metrics.rgb_of(light, full)
        grey = metrics.rgb_of(light, 0 * full)
        gains.append(metrics.psnr(ours, rgb) - metrics.psnr(grey, rgb))
        colour.append(metrics.colorfulness(ours))
        true.append(metrics.colorfulness(rgb))
    assert found.gain == pytest.approx(np.mean(gains), abs=0.01)
    assert found.colour == pytest.approx(np.mean(colour) / np.mean(true), abs=0.005)
    sheet = held.sheet(net, torch.device("cpu"), torch.float32)
    assert sheet.shape == (3 * heldout.SIDE, 3 * heldout.SIDE, 3)
    assert np.ptp(sheet[:192, :192].astype(int), axis=2).max() <= 1
    assert np.abs(sheet[:192, 384:].astype(int) - images[0]).max() <= 1


def test_a_paler_network_scores_lower() -> None:
    assert Figures(1.0, 0.9).score == 1.0
    assert Figures(1.0, 0.48).score == pytest.approx(0.1)


def test_an_example_keeps_true_colours_and_depends_on_the_seed_alone() -> None:
    image = photo(0)
    plain = Augment(degraded=0, points=0, dense=0)
    one = make_example(image, 64, plain, np.random.default_rng(3))
    same = make_example(image, 64, plain, np.random.default_rng(3))
    assert one.lightness.shape == (1, 64, 64)
    assert one.ab.shape == (2, 16, 16)
    assert not one.hints.any()
    assert all(np.array_equal(getattr(one, k), getattr(same, k)) for k in ("lightness", "ab"))
    # In these photos brighter is yellower, wherever the crop lies.
    small = cv2.resize(one.lightness[0], (16, 16), interpolation=cv2.INTER_AREA)
    assert np.corrcoef(small.ravel(), one.ab[1].ravel())[0, 1] > 0.8


def test_hints_carry_the_true_colour_where_their_mask_is_set() -> None:
    image = photo(1)
    points = Augment(smallest_crop=1, degraded=0, points=1, dense=0)
    example = make_example(image, 64, points, np.random.default_rng(0))
    mask = example.hints[2] > 0
    assert 0 < mask.mean() < 1
    assert not example.hints[:2, ~mask].any()
    full = cv2.resize(example.ab.transpose(1, 2, 0), (64, 64)).transpose(2, 0, 1)
    # Each point is as large as nine pixels and carries the mean of what it covers.
    found, true = example.hints[:2, mask], full[:, mask]
    assert np.abs(found.mean(1) - true.mean(1)).max() < 5
    assert np.corrcoef(found.ravel(), true.ravel())[0, 1] > 0.95


def test_ageing_stays_in_range_and_changes_the_picture() -> None:
    light = np.linspace(0, 100, 64 * 64, dtype=np.float32).reshape(64, 64)
    for seed in range(10):
        old = age(light, np.random.default_rng(seed))
        assert old.min() >= 0
        assert old.max() <= 100
        assert np.abs(old - light).mean() > 0.5
