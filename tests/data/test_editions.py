"""Other editions of each data set, and trees one folder off: one line that says what it is and what is wanted."""

import pytest
from PIL import Image

from data import DATASETS
from data.ade20k import Ade20kDataset
from data.facades import FacadesDataset
from scripts.prepare import check, outdoor
from util.errors import InputError

PAIR = ["train_label/1.png", "train_img/1.jpg"]
STREET = "{}/aachen/aachen_000000_000019"
PHOTO = f"leftImg8bit/{STREET.format('train')}_leftImg8bit.png"
FINE = f"gtFine/{STREET.format('train')}_gtFine"
FULL = "images/training/a/abbey/ADE_train_00000001"


@pytest.fixture
def fill(tmp_path):
    """Write small images, and text where the ending is another, below a root; return the root."""

    def fill(*names, root="root"):
        for name in names:
            path = tmp_path / root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.suffix in (".png", ".jpg"):
                Image.new("L" if path.suffix == ".png" else "RGB", (16, 16)).save(path)
            else:
                path.write_text("x")
        return tmp_path / root

    return fill


@pytest.fixture
def refusal(make_options):
    """What a data set says of a root."""

    def refusal(mode, root, **given):
        with pytest.raises(InputError) as caught:
            DATASETS[mode](make_options(dataset_mode=mode, dataroot=str(root), **given))
        return str(caught.value)

    return refusal


@pytest.mark.parametrize(
    ("mode", "files", "said"),
    [
        ("coco", ["train2017/1.jpg", "annotations/instances_train2017.json"], "is COCO as published"),
        ("coco", ["images/train2017/1.jpg"], "is COCO as published"),
        ("coco", ["train2014/1.jpg"], "is COCO as published"),
        ("coco", ["train2017/1.png", "val2017/1.png"], "wanted as train_label and val_label are the folders"),
        ("coco", ["stuff_train2017_pixelmaps/1.png"], "stuff-only maps"),
        ("coco", ["annotations/stuff_train2017_pixelmaps.zip"], "stuff-only maps"),
        ("coco", ["panoptic_train2017/1.png"], "panoptic"),
        ("coco", ["images/1.jpg", "annotations/1.mat", "imageLists/all.txt"], "COCO-Stuff 10k"),
        ("flickr", ["photos/1.jpg", "labels/1.png"], "not divided yet: photos become train_img"),
        ("ade20k", [f"{FULL}.jpg", f"{FULL}_seg.png", f"{FULL}_parts_1.png"], "full ADE20K"),
        ("ade20k", [f"{FULL}.jpg", f"{FULL}_seg.png", f"{FULL}/instance_000_ADE_train_00000001.png"], "full ADE20K"),
        ("ade20k", ["annotations_instance/training/ADE_train_1.png", "images/training/1.jpg"], "instance segmentation"),
        ("ade20k", PAIR, "--dataset_mode custom --label_dir {root}/train_label"),
        ("ade20k_outdoor", [f"{FULL}.jpg", f"{FULL}_seg.png"], "ADEChallengeData2016"),
        ("cityscapes", [PHOTO, f"{FINE}_labelTrainIds.png", f"{FINE}_color.png"], "train ids"),
        ("cityscapes", [PHOTO, f"{FINE}_color.png", f"{FINE}_polygons.json"], "label maps in colors"),
        ("cityscapes", [PHOTO, f"{FINE}_polygons.json"], "polygons"),
        ("cityscapes", [PHOTO, f"gtCoarse/{STREET.format('train')}_gtCoarse_labelIds.png"], "coarse annotations"),
        (
            "cityscapes",
            [f"leftImg8bit_trainvaltest/{PHOTO}", f"gtFine_trainvaltest/{FINE}_labelIds.png"],
            "a folder each",
        ),
        ("cityscapes", ["train/1.jpg", "val/1.jpg"], "side by side"),
        ("facades", ["train/1.jpg", "val/1.jpg", "test/1.jpg"], "edition of pix2pix"),
        ("facades", ["CMP_facade_DB_base.zip"], "archives that are not unpacked (CMP_facade_DB_base.zip)"),
        (
            "coco",
            ["train_label.tar.gz", "train_img.zip"],
            "archives that are not unpacked (train_img.zip, train_label.tar",
        ),
        ("coco", [PHOTO, f"{FINE}_labelIds.png"], "read it with --dataset_mode cityscapes"),
        ("cityscapes", ["annotations/training/1.png"], "read it with --dataset_mode ade20k"),
    ],
)
def test_other_editions(fill, refusal, mode, files, said):
    root = fill(*files)
    message = refusal(mode, root)
    assert message.startswith(f"--dataroot {root}: ") and "\n" not in message
    assert said.format(root=root) in message
    assert "--no_pairing_check" not in message and "replace or remove" not in message


@pytest.mark.parametrize(
    ("mode", "files", "inside"),
    [
        ("coco", PAIR, "train_label"),
        ("cityscapes", [PHOTO, f"{FINE}_labelIds.png"], "gtFine/train"),
        ("facades", PAIR, "train_img"),
    ],
)
def test_a_folder_too_low_and_too_high(fill, refusal, mode, files, inside):
    root = fill(*files, root="top/root")
    for given in (root / inside, root.parent):
        assert f"--dataroot {given}: the data set lies in {root}; give that folder" in refusal(mode, given)


@pytest.mark.parametrize("mode", ["coco", "ade20k", "cityscapes", "facades", "flickr"])
def test_a_file_as_root(fill, refusal, mode):
    root = fill("data.zip", "a.png")
    assert "data.zip: is an archive; unpack it" in refusal(mode, root / "data.zip")
    assert "a.png: is a file; give the folder" in refusal(mode, root / "a.png")


def test_a_root_that_is_not_there(fill, refusal):
    root = fill("a.png").parent / "nowhere"
    assert f"--dataroot {root}: no such folder (datasets/README.md says where to get it" in refusal("coco", root)


def test_what_else_is_wrong_keeps_its_own_words(fill, refusal):
    root = fill(*PAIR, "annotations/instances_train2017.json", "train2017/1.jpg", "more.zip")
    assert "train_inst: no such folder" in refusal("coco", root, instance=True)
    (root / "train_img" / "1.jpg").rename(root / "train_img" / "2.jpg")
    assert "1 of 1 label maps have no photo (1)" in refusal("coco", root)


def test_swapped_parts_are_refused(fill, refusal, make_options):
    trees = {
        "ade20k": ["annotations/training/ADE_val_00000001.png", "images/training/ADE_val_00000001.jpg"],
        "cityscapes": [name.replace("aachen", "lindau") for name in (PHOTO, f"{FINE}_labelIds.png")],
    }
    for mode, files in trees.items():
        message = refusal(mode, fill(*files, root=mode))
        assert "the folders of the part train hold files of the part val" in message and "swapped" in message
    fill("annotations/training/street_1.png", "images/training/street_1.jpg", root="own")  # names of one's own
    own = fill(root="own")
    assert len(Ade20kDataset(make_options(dataset_mode="ade20k", dataroot=str(own), label_nc=150))) == 1


def test_facades_are_read_as_the_archives_have_them(fill, make_options):
    root = fill(
        "base/cmp_b0001.png",
        "base/cmp_b0001.jpg",
        "base/cmp_b0001.xml",
        "extended/cmp_x0001.png",
        "extended/cmp_x0001.jpg",
    )
    for is_train, name in ((True, "cmp_b0001"), (False, "cmp_x0001")):
        phase = "train" if is_train else "test"
        options = make_options(dataset_mode="facades", dataroot=str(root), is_train=is_train, phase=phase)
        (paths,) = FacadesDataset(options).paths
        assert (paths.name, paths.labels.suffix, paths.image.suffix) == (name, ".png", ".jpg")


def test_the_checker_and_the_list_of_scenes_say_it_too(fill, capsys):
    root = fill(f"{FULL}.jpg", f"{FULL}_seg.png")
    assert check.main(["--dataset_mode", "ade20k", "--dataroot", str(root), "--workers", "1"]) == 1
    report = capsys.readouterr().out
    assert report.count("is the full ADE20K") == 1 and report.endswith("training would NOT run: 1 problem\n")
    with pytest.raises(InputError, match="is the full ADE20K"):
        outdoor.main([str(root), "--workers", "1"])
