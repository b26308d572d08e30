"""What options must be together; each value alone is checked by its own declaration."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from options.field import OptionError
from options.saved import SAVED_NAME

if TYPE_CHECKING:
    from options.base import BaseOptions


def check_together(opt: "BaseOptions") -> None:
    """Raise an `OptionError` with the fix for the first options that contradict each other."""
    check_custom_folders(opt)
    _check_instance_maps(opt)
    _check_network_size(opt)
    _check_crop_fits(opt)
    _check_generator(opt)
    if opt.is_train:
        _check_schedule(opt)
        _check_parts(opt)
    else:
        _check_style(opt)


def check_custom_folders(opt: "BaseOptions") -> None:
    """Raise an `OptionError` if folders of the custom data set are missing: it has none of its own."""
    if opt.dataset_mode != "custom":
        return
    if not opt.label_dir:
        raise OptionError("--dataset_mode custom: add --label_dir FOLDER, the folder of label maps")
    if not opt.image_dir and opt.is_train:
        raise OptionError("--dataset_mode custom: add --image_dir FOLDER, the folder of photos")


def _check_instance_maps(opt: "BaseOptions") -> None:
    """Networks that were trained with edges of instances need them; only a new training can do without."""
    if opt.dataset_mode != "custom" or not opt.instance or opt.instance_dir:
        return
    if opt.is_train:
        raise OptionError(
            "--instance: with --dataset_mode custom add --instance_dir FOLDER, or train without it by --no_instance"
        )
    others = "" if _is_saved(opt) else ", or use --no_instance for networks without that channel"
    raise OptionError(
        f"--instance: with --dataset_mode custom add --instance_dir FOLDER, the instance maps of --label_dir{others}"
    )


def _check_network_size(opt: "BaseOptions") -> None:
    """The generator makes multiples of 2^n pixels; other sizes would not match the photos in the discriminator."""
    step, cause = _size_step(opt)
    width, height = opt.crop_size, round(opt.crop_size / opt.aspect_ratio)
    if width % step:
        fix = _either(str(size) for size in _multiples_around(width, step))
        raise OptionError(f"--crop_size {width}: must be a multiple of {step} with {cause}; use {fix}")
    if height % step or not height:
        fix = _either(f"{width / size:.6g}" for size in _multiples_around(height, step))
        raise OptionError(
            f"--aspect_ratio {opt.aspect_ratio:g}: --crop_size {width} gives height {height}, "
            f"which must be a multiple of {step} with {cause}; use --aspect_ratio {fix}"
        )


def _size_step(opt: "BaseOptions") -> tuple[int, str]:
    """What width and height of images are multiples of, and the flag that says so."""
    if opt.netG == "spade":
        return 2**opt.upsamplings, f"--num_upsampling_layers {opt.num_upsampling_layers}"
    return 2**opt.resnet_n_downsample, f"--resnet_n_downsample {opt.resnet_n_downsample}"


def _multiples_around(size: int, step: int) -> list[int]:
    """The nearest multiples of `step` below and above `size`, without 0."""
    below = size // step * step
    return [multiple for multiple in (below, below + step) if multiple]


def _either(words: Iterable[str]) -> str:
    return " or ".join(words)


def _check_crop_fits(opt: "BaseOptions") -> None:
    """Where files are scaled and then cropped, the crop must lie inside."""
    if opt.preprocess_mode.endswith("_and_crop") and opt.load_size < opt.crop_size:
        step, _ = _size_step(opt)
        crop_size = opt.load_size // step * step
        is_possible = opt.is_train and crop_size and round(crop_size / opt.aspect_ratio) % step == 0
        raise OptionError(
            f"--load_size {opt.load_size}: smaller than --crop_size {opt.crop_size}; use --load_size {opt.crop_size} "
            f"or more" + (f", or --crop_size {crop_size}" if is_possible else "")
        )


def _check_generator(opt: "BaseOptions") -> None:
    """What the generators cannot do."""
    if opt.use_vae and opt.netG == "pix2pixhd":
        raise OptionError("--use_vae: --netG pix2pixhd takes no latent; use --netG spade or --no_use_vae")


def _check_schedule(opt: "BaseOptions") -> None:
    """There must be something to do, and to score."""
    if opt.niter + opt.niter_decay == 0:
        raise OptionError("--niter 0: with --niter_decay 0 there are no epochs; use --niter 1 or more")
    if opt.which_epoch != "latest" and opt.auto_resume:
        raise OptionError(
            f"--which_epoch {opt.which_epoch}: --auto_resume goes on with the latest save; use --continue_train to go "
            f"on from another one, or leave the flag out"
        )
    if opt.which_epoch != "latest" and not (opt.continue_train or opt.load_pretrained):
        raise OptionError(f"--which_epoch {opt.which_epoch}: goes with --continue_train or --load_pretrained DIR")
    if opt.eval_generator in ("average", "both") and opt.ema is None:
        raise OptionError(f"--eval_generator {opt.eval_generator}: there is no average; add --ema 0.999, or use raw")
    if opt.eval_flags and not opt.eval_freq:
        raise OptionError(
            f"--eval_flags {opt.eval_flags!r}: nothing is scored without --eval_freq; add --eval_freq N, to score "
            f"every N epochs, or give --eval_flags ''"
        )


def _check_parts(opt: "BaseOptions") -> None:
    """A batch is computed in equal parts."""
    if opt.batch_size % opt.accumulate:
        raise OptionError(
            f"--accumulate {opt.accumulate}: must divide --batch_size {opt.batch_size}; "
            f"use --batch_size {_either(str(size) for size in _multiples_around(opt.batch_size, opt.accumulate))}"
        )


def _is_saved(opt: "BaseOptions") -> bool:
    """Whether a saved run fixes the architecture; weights alone need flags that say what they are."""
    return (opt.run_dir / SAVED_NAME).exists()


def _check_style(opt: "BaseOptions") -> None:
    """Only a generator trained with an encoder has styles."""
    if opt.use_vae:
        return
    fix = "leave it out, or name a run that was trained with --use_vae" if _is_saved(opt) else "add --use_vae"
    if opt.style_image:
        raise OptionError(f"--style_image {opt.style_image}: a network without encoder has no styles; {fix}")
    if opt.num_styles > 1:
        raise OptionError(f"--num_styles {opt.num_styles}: a network without encoder has one style; {fix}")
