"""The public API: builds, loads and generates; what cannot be used is an exception of one line."""

import sys
import threading

import numpy as np
import pytest
import torch
from PIL import Image

import spade
from models.networks.generators import SPADEGenerator
from util.fill import fill

ITEM = (np.zeros((64, 64), int), np.zeros((64, 64, 3), np.uint8))
SMALL = {"label_nc": 4, "crop_size": 64, "ngf": 2, "device": "cpu"}


@pytest.fixture(scope="module")
def styled():
    """A small generator with instances, unknown pixels and an encoder."""
    return spade.build(**SMALL, contain_dontcare_label=True, instance=True, use_vae=True, z_dim=3)


def some_labels(*shape: int, most: int = 4) -> np.ndarray:
    """Random ids (..., H, W), the same in blocks of 8 x 8."""
    small = np.random.default_rng(0).integers(0, most, (*shape[:-2], shape[-2] // 8, shape[-1] // 8))
    return small.repeat(8, -2).repeat(8, -1)


def test_a_generator_says_what_it_is_for(styled):
    assert styled.class_names == ("class 0", "class 1", "class 2", "class 3", "unknown")
    assert styled.class_colors.shape == (5, 3) and styled.class_colors.dtype == np.uint8
    assert (styled.size, styled.z_dim, styled.has_encoder, styled.device.type) == ((64, 64), 3, True, "cpu")
    plain = spade.build(**SMALL, aspect_ratio=2.0)
    assert (plain.size, plain.z_dim, plain.has_encoder) == ((32, 64), None, False)


def test_one_map_gives_one_image_and_several_give_a_batch(styled):
    labels = some_labels(3, 64, 64)
    images = styled.generate(labels)
    assert images.shape == (3, 64, 64, 3) and images.dtype == np.uint8 and images.std() > 0
    assert np.array_equal(styled.generate(labels[0]), images[0])  # the first random style
    assert np.array_equal(styled.generate(torch.from_numpy(labels), z=styled.latents(3)), images)
    assert not np.array_equal(styled.generate(labels, seed=1), images)


def test_every_way_to_give_a_map_is_the_same(styled, tmp_path):
    labels = some_labels(64, 64).astype(np.uint8)
    labels[:9] = 255  # unknown in files
    Image.fromarray(labels).save(tmp_path / "map.png")
    last = np.where(labels == 255, 4, labels).astype(np.int64)  # unknown of samples: the last class
    enlarged = np.kron(labels, np.ones((2, 2), dtype=np.uint8))
    expected = styled.generate(labels)
    for given in (last, tmp_path / "map.png", Image.open(tmp_path / "map.png"), enlarged, last.astype(np.uint16)):
        assert np.array_equal(styled.generate(given), expected)


def test_instances_are_the_regions_of_a_class_unless_given(styled):
    labels = some_labels(64, 64)
    assert np.array_equal(styled.generate(labels), styled.generate(labels, instances=labels * 1000))
    assert not np.array_equal(styled.generate(labels), styled.generate(labels, instances=np.zeros_like(labels)))


def test_a_photo_gives_all_images_its_style(styled, tmp_path):
    labels, photo = some_labels(2, 64, 64), np.random.default_rng(0).integers(0, 256, (50, 70, 3), dtype=np.uint8)
    Image.fromarray(photo).save(tmp_path / "photo.png")
    images = styled.generate(labels, style=photo)
    assert styled.style_of(photo).shape == (3,)
    assert np.array_equal(images, styled.generate(labels, style=tmp_path / "photo.png"))
    assert np.array_equal(images, styled.generate(labels, z=styled.style_of(Image.fromarray(photo))))


def test_threads_may_generate_at_once(styled):
    maps = some_labels(4, 64, 64)
    made = [None] * len(maps)

    def generate(number: int) -> None:
        made[number] = [styled.generate(maps[number], seed=number) for _ in range(2)]

    threads = [threading.Thread(target=generate, args=(number,)) for number in range(len(maps))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number, images in enumerate(made):
        alone = styled.generate(maps[number], seed=number)
        assert all(np.array_equal(image, alone) for image in images)


def test_random_numbers_of_the_program_stay_as_they_are():
    def drawn() -> list:
        torch.manual_seed(3), np.random.seed(3)
        first = spade.build(**SMALL, seed=7)
        return [torch.rand(2).tolist(), np.random.rand(2).tolist(), first.generate(some_labels(64, 64)).tolist()]

    one, other = drawn(), drawn()
    torch.manual_seed(3), np.random.seed(3)
    assert one == other and one[:2] == [torch.rand(2).tolist(), np.random.rand(2).tolist()]
    assert one[2] != spade.build(**SMALL, seed=8).generate(some_labels(64, 64)).tolist()


def test_released_weights_need_the_name_of_their_data_set(tmp_path):
    netG = SPADEGenerator(37, 2, latent_size=(1, 2))
    fill(netG, seed=0)
    (tmp_path / "city").mkdir()
    torch.save(netG.state_dict(), tmp_path / "city" / "20_net_G.pth")
    size = {"crop_size": 128, "ngf": 2, "device": "cpu"}
    loaded = spade.load(
        tmp_path / "city" / "20_net_G.pth", dataset_mode="cityscapes", contain_dontcare_label=True, **size
    )
    assert (loaded.size, loaded.class_names[7]) == ((64, 128), "road")
    with pytest.raises(ValueError, match=r'no options.json; say what the weights are for, such as dataset_mode="coco"'):
        spade.load(tmp_path / "city")
    with pytest.raises(ValueError, match=r"--ngf is 2 in the file and 3 here"):
        spade.load(tmp_path / "city", dataset_mode="cityscapes", which_epoch="20", **size | {"ngf": 3})


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        (
            {"labels": np.full((64, 64), 7)},
            "--label_nc 4: the label map holds label 7; ids must be 0..3, or",
        ),
        ({"labels": np.full((64, 64), -1)}, "the label map holds label -1"),
        ({"labels": np.zeros((64, 64))}, "labels float64: must be integers"),
        ({"labels": [[0, 1], [1]]}, "labels: is no array; must be integers of one shape"),
        ({"labels": np.zeros((64, 64, 3), int)}, "an image of colors; give class ids"),
        ({"labels": np.full((2, 2), 2**40)}, "must be integers of 32 bits"),
        ({"labels": np.zeros((1, 1, 64, 64), int)}, r"labels \(1, 1, 64, 64\): must be \(H, W\) or \(N, H, W\)"),
        ({"labels": np.zeros((0, 64, 64), int)}, r"labels \(0, 64, 64\): must be"),
        ({"labels": "nowhere.png"}, "nowhere.png: "),
        ({"labels": Image.new("RGB", (64, 64))}, "labels: an image of mode RGB; must hold one id per pixel"),
        ({"instances": np.zeros((32, 64), int)}, r"instances \(32, 64\): must have the shape of the labels"),
        ({"z": np.zeros(4)}, r"z \(4,\) float64: must be numbers \(1, 3\)"),
        ({"z": np.array([0, np.nan, 0])}, "z: must be finite"),
        ({"z": np.zeros(3), "style": np.zeros((8, 8, 3), np.uint8)}, "z and style: both give the style"),
        ({"style": torch.zeros(3, 8, 8)}, r"style \(3, 8, 8\) float32: must be \(H, W, 3\) uint8; a tensor in 0..1"),
        ({"style": np.zeros((8, 8, 4), np.uint8)}, r"style \(8, 8, 4\) uint8: must be"),
    ],
)
def test_inputs_that_do_not_suit_are_named_in_one_line(styled, inputs, message):
    with pytest.raises(ValueError, match=message) as caught:
        styled.generate(**{"labels": np.zeros((64, 64), int)} | inputs)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: spade.build(**SMALL).generate(np.zeros((64, 64), int), z=np.zeros(3)), "z: this generator takes none"),
        (lambda: spade.build(**SMALL).latents(2), "latents: this generator takes none"),
        (lambda: spade.build(**SMALL).style_of(np.zeros((8, 8, 3), np.uint8)), "style: this generator has no encoder"),
        (lambda: spade.build(**SMALL | {"crop_size": 65}), "--crop_size 65: must be a multiple of 32"),
        (lambda: spade.build(**SMALL | {"ngf": "8"}), "--ngf 8: must be an integer"),
        (lambda: spade.build(method="sims"), "^--method sims needs more than a label map"),
        (lambda: spade.build(**SMALL | {"device": "cuda:9"}), "no such GPU"),
        (lambda: spade.build(**SMALL | {"device": "meta"}), 'device meta: must be "cpu" or "cuda"'),
        (lambda: spade.load("no/run"), "no/run: no such run or file"),
        (lambda: spade.load(__file__), "test_spade.py: must be named LABEL_net_G.pth"),
        (lambda: spade.score("nowhere", "nowhere", features="random"), "nowhere"),
        (lambda: spade.score("nowhere"), "--fake nowhere: add --real|nowhere"),
        (lambda: spade.train([ITEM], name="x"), "label_nc: say how many classes there are, or give their class_names"),
        (lambda: spade.train([ITEM], name="x", class_names="sky"), "class_names 'sky': must be a list of names"),
        (
            lambda: spade.train([ITEM], name="x", class_names=["sky", "sea"], class_colors=[[0, 0, 255]]),
            r"class_colors \(1, 3\): must be \(2, 3\), of red, green and blue in 0..255",
        ),
        (lambda: spade.train([ITEM], name="x", label_nc=2, method="sims"), "--method sims needs more than a label map"),
        (lambda: spade.train([], name="x", label_nc=2), "the data set: holds no samples"),
        (lambda: spade.train(iter([]), name="x", label_nc=2), "the data set: a list_iterator has no length"),
        (
            lambda: spade.train([1], name="x", class_names="ab", data="d.toml"),
            "class_names: the classes are those of d",
        ),
        (lambda: spade.train([1], name="x", label_nc=2), r"sample 0: is int; must be \(labels, image\)"),
        (lambda: spade.train([{"labels": 1}], name="x", label_nc=2), "sample 0: is a dict of labels; must be"),
    ],
)
def test_what_cannot_be_done_is_refused_in_one_line(call, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=message) as caught:
        call()
    assert "\n" not in str(caught.value) and not list(tmp_path.iterdir())


def test_an_unknown_option_names_near_ones():
    with pytest.raises(TypeError, match=r"ngff: no option of spade; did you mean ngf\?"):
        spade.build(ngff=3)
    with pytest.raises(TypeError, match=r"nitter: no option of train.py; did you mean niter or "):
        spade.train(name="mine", nitter=3)


def test_a_program_of_the_name_of_train_is_told_so(tmp_path, monkeypatch):
    (tmp_path / "train.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "train", raising=False)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=r"train.py: has the name of train.py of this project; give it another one"):
        spade.train([ITEM], name="x", label_nc=2)
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == []
