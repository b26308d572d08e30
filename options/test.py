"""Options of the test program, and the groups about its results."""

from dataclasses import dataclass
from typing import ClassVar

from options.base import Options, Start
from options.data import TestDataOptions
from options.field import FOLDER, OptionError, at_least, declared_options, option, reuse
from options.networks import LATENT_FLAGS, DiscriminatorOptions, InitializationOptions, NetworkOptions
from options.run import ComputeOptions, DeviceOptions, RunOptions, SavedRunOptions
from options.train import LoggingOptions

SMALLEST_TILE = 32
"""In pixels. Smaller tiles save no memory, as the blocks compute margins around them."""


@dataclass(frozen=True, kw_only=True)
class ResultsOptions(Options, heading="results"):
    """Folder and number of generated images."""

    results_dir: str = option("./results/", "folder that results are written to", rule=FOLDER)
    how_many: int | None = option(None, "stop after this many", unit="images", rule=at_least(1), unset="all")


@dataclass(frozen=True, kw_only=True)
class GenerationOptions(Options, heading="results"):
    """How images are generated."""

    style_image: str | None = option(
        None, "photo that gives every image its style, with --use_vae", unset="a random style"
    )
    reconstruct: bool = option(
        False,
        "give every image the style of its own photo, with --use_vae: evaluate.py then measures PSNR and SSIM",
    )
    num_styles: int = option(
        1,
        "images for each label map, each from a random latent, with --use_vae, --random_input or --method oasis",
        unit="images",
        rule=at_least(1),
    )
    resample_class: str | None = option(
        None,
        "oasis, with --num_styles 2 or more: let the latent differ only at pixels of this class, given by name or id",
        unset="everywhere",
    )
    use_encoded_image: bool = option(
        False,
        "pix2pixhd: take instance features from the photos of the label maps, instead of drawing them from the centers "
        "of python -m scripts.prepare features",
    )
    use_raw_G: bool = option(False, "use the trained weights themselves, not their average of --ema")
    tile: int | None = option(
        None,
        "generate each image as large as its label map, instead of --crop_size, in tiles of this width and height: "
        "memory is that of a tile, and images are those of one pass, with batch norm",
        unit="pixels",
        rule=at_least(SMALLEST_TILE),
        unset="off",
        bare=512,
        replaces=("crop_size", "aspect_ratio", "load_size", "preprocess_mode"),
    )
    recalibrate_bn: int = option(
        0,
        "before testing, recompute the generator's batch-norm statistics on this many label maps",
        unit="images",
        rule=at_least(0),
    )


@dataclass(frozen=True, kw_only=True)
class TestOptions(
    RunOptions,
    DeviceOptions,
    ComputeOptions,
    SavedRunOptions,
    TestDataOptions,
    NetworkOptions,
    InitializationOptions,
    ResultsOptions,
    GenerationOptions,
):
    """The options of `test.py`. The trained run supplies architecture and data set."""

    is_train: ClassVar[bool] = False
    program: ClassVar[str] = "test.py"
    takes_conditions: ClassVar[bool] = True
    start: ClassVar[Start] = Start(
        "Generate images of label maps with the networks of a trained run, and a page of them.",
        ("--name mine", "--name mine --phase val --how_many 50 --results_dir validation"),
        (
            *("name", "which_epoch", "data", "label_dir", "image_dir", "phase", "how_many"),
            *("results_dir", "num_styles", "style_image"),
        ),
    )
    __test__: ClassVar[bool] = False  # or pytest would collect it, by its name

    norm_D: str = reuse(DiscriminatorOptions, "norm_D")
    display_winsize: int = reuse(LoggingOptions, "display_winsize", default=256)

    def check(self) -> None:
        """Refuse contradictions between options of different groups."""
        super().check()
        if self.lacks_instance_maps:
            others = "" if self.is_saved else ", or use --no_instance for networks without that channel"
            raise OptionError(f"--instance: {self.instance_folder}{others}")
        fix = "leave it out, or name a run that was trained with" if self.is_saved else "add"
        if self.style_image and not self.use_vae:
            instead = " --no_random_input" if self.random_input and not self.is_saved else ""
            raise OptionError(
                f"--style_image {self.style_image}: a network without encoder has no styles; {fix} --use_vae{instead}"
            )
        if self.reconstruct and not self.use_vae:
            raise OptionError(f"--reconstruct: a network without encoder takes no style from a photo; {fix} --use_vae")
        if self.reconstruct and (self.style_image or self.num_styles > 1):
            other = f"--style_image {self.style_image}" if self.style_image else f"--num_styles {self.num_styles}"
            raise OptionError(f"--reconstruct: gives every image one style, that of its own photo; leave out {other}")
        if self.num_styles > 1 and not self.has_latent:
            flags = LATENT_FLAGS.get(self.method, "--use_vae")
            raise OptionError(f"--num_styles {self.num_styles}: a network without latent has one style; {fix} {flags}")
        if self.resample_class is not None and self.num_styles < 2:
            raise OptionError(
                f"--resample_class {self.resample_class}: every label map has one style; add --num_styles 2 or more"
            )
        if self.tile:
            self._check_tiles()

    def _check_tiles(self) -> None:
        """Refuse what needs the whole image at once, or the size of the networks."""
        if self.input_nc:
            raise OptionError(
                f"--tile {self.tile}: tiles are cut from label maps, and these networks take conditioning images; "
                "leave the flag out"
            )
        if self.netG == "pix2pixhd":
            raise OptionError(f"--tile {self.tile}: --netG pix2pixhd is not computed in tiles; leave the flag out")
        if "instance" in self.norm_G:
            raise OptionError(
                f"--tile {self.tile}: --norm_G {self.norm_G} takes statistics over the whole image, which differ from "
                f"those of a tile; leave the flag out"
            )
        whole = {
            "compile": "compiles the generator for whole images",
            "recalibrate_bn": "computes statistics of images of --crop_size",
            "resample_class": "takes noise for every pixel, which is larger than a tile",
        }
        for flag, why in whole.items():
            if value := getattr(self, flag):
                typed = declared_options(type(self))[flag].typed_as(value)
                raise OptionError(f"{typed}: {why}, not with --tile {self.tile}; leave one of them out")
