"""The recipes give train.py the settings of the paper, and hand on what the user adds."""

import shlex

import pytest

from data import PRESETS
from options import TrainOptions, parse_options

pytestmark = pytest.mark.tools

COMMON = {"batch_size": 32, "lr": 0.0002, "TTUR": True, "beta1": 0.0, "gan_mode": "hinge", "netG": "spade"}
COMMON |= {"norm_G": "spectralspadesyncbatch3x3", "lambda_feat": 10.0, "lambda_vgg": 10.0, "num_D": 2, "flip": True}
RECIPES = {  # (paper, section 4 and appendix A)
    "coco": {"niter": 100, "niter_decay": 0, "crop_size": 256, "aspect_ratio": 1, "use_vae": False, "semantic_nc": 184},
    "ade20k": {"niter": 100, "niter_decay": 100, "crop_size": 256, "aspect_ratio": 1, "use_vae": False}
    | {"semantic_nc": 151},
    "cityscapes": {"niter": 100, "niter_decay": 100, "crop_size": 512, "aspect_ratio": 2, "use_vae": False}
    | {"semantic_nc": 36, "num_upsampling_layers": "more"},
    "flickr": {"niter": 50, "niter_decay": 0, "crop_size": 256, "aspect_ratio": 1, "use_vae": True},
}


@pytest.fixture
def train_options(scripts):
    """The options that train.py gets from a recipe."""

    def run(recipe: str, *flags: str) -> TrainOptions:
        scripts.stubbed.add("train.py")
        done = scripts.run(f"train_{recipe}.sh", *flags)
        assert done.returncode == 0, done.stderr
        *_, command = scripts.calls("train.py")
        return parse_options(TrainOptions, shlex.split(command), PRESETS)

    return run


@pytest.mark.parametrize("recipe", RECIPES)
def test_the_settings_are_those_of_the_paper(recipe, train_options):
    opt = train_options(recipe)
    assert opt.dataset_mode == opt.name == recipe
    for name, value in (COMMON | RECIPES[recipe]).items():
        assert getattr(opt, name) == value, name


def test_what_the_user_adds_wins(train_options):
    opt = train_options("coco", "--batchSize", "4", "--dataroot", "/data/coco", "--name", "mine")
    assert (opt.batch_size, opt.dataroot, opt.name, opt.niter) == (4, "/data/coco", "mine", 100)


def test_other_data_sets_fit_a_recipe(train_options):
    opt = train_options("ade20k", "--name", "outdoor", "--dataset_mode", "ade20k_outdoor")
    assert (opt.dataset_mode, opt.niter_decay) == ("ade20k_outdoor", 100)


@pytest.mark.parametrize("size, num_D", [(512, 3), (1024, 4)])
def test_larger_images_start_from_smaller_ones_with_first_maps_of_one_size(size, num_D, train_options):
    opt = train_options(str(size), "--load_pretrained", "checkpoints/smaller", "--load_what_fits", "--ngf", "8")
    assert (opt.crop_size, opt.num_D, opt.ngf, opt.load_what_fits) == (size, num_D, 8, True)
    assert opt.crop_size / 2**opt.upsamplings == 8 and opt.load_size > size
    assert opt.precision == "bf16" and opt.checkpoint_activations and opt.use_vae
    assert train_options(str(size), "--continue_train").continue_train
