"""The training method, and the groups of options that only single methods use."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from options.base import Options
from options.field import FILE, OptionError, at_least, option


class MethodFacts(Protocol):
    """What options need to know of a method; its class in models/methods says it."""

    @property
    def preset(self) -> Mapping[str, Any]: ...

    @property
    def data_presets(self) -> Mapping[str, Mapping[str, Any]]: ...

    @property
    def options(self) -> Collection[str]: ...

    @property
    def size_fixes_weights(self) -> bool: ...

    def check(self, opt: Any) -> None:
        """Raise a `ValueError` of one line for options that the method cannot use."""


class AnyOptions:
    """Facts of the default method for programs and tests that know no other one: it uses every option."""

    preset: Mapping[str, Any] = {}
    data_presets: Mapping[str, Mapping[str, Any]] = {}
    options: Collection[str] = ()
    size_fixes_weights = False

    def check(self, opt: Any) -> None:
        """Allow everything."""


SPADE_ALONE: Mapping[str, Any] = {"spade": AnyOptions()}

FEATURES = ("instance_feat", "label_feat")


@dataclass(frozen=True, kw_only=True)
class MethodOptions(Options, heading="method"):
    """The method, and what only some methods use of networks and label maps."""

    method: str = option("spade", "what is trained, and how", role="weights")
    n_downsample_global: int = option(
        4, "pix2pixhd: times the global generator halves the image", rule=at_least(1), role="weights"
    )
    n_blocks_global: int = option(
        9, "pix2pixhd: residual blocks of the global generator", unit="blocks", rule=at_least(0), role="weights"
    )
    n_local_enhancers: int = option(1, "pix2pixhd: enhancers of --netG local", rule=at_least(1), role="weights")
    n_blocks_local: int = option(
        3, "pix2pixhd: residual blocks of each enhancer", unit="blocks", rule=at_least(0), role="weights"
    )
    instance_feat: bool = option(False, "pix2pixhd: features of every instance are an input", role="weights")
    label_feat: bool = option(False, "pix2pixhd: the same for every class instead of every instance", role="weights")
    feat_num: int = option(3, "pix2pixhd: features of an instance", rule=at_least(1), role="weights", needs=FEATURES)
    feat_width: int = option(
        16, "pix2pixhd: width of their encoder", unit="channels", rule=at_least(1), role="weights", needs=FEATURES
    )
    n_downsample_E: int = option(
        4, "pix2pixhd: times their encoder halves the image", rule=at_least(0), role="weights", needs=FEATURES
    )
    n_clusters: int = option(
        10,
        "pix2pixhd: centers of the features of a class, drawn from in a test",
        rule=at_least(1),
        role="data",
        needs=FEATURES,
    )
    dropout: bool = option(True, "pix2pix: dropout in the generator, also in a test", role="weights")
    test_statistics: str = option(
        "own",
        "pix2pix: batch-norm statistics of a test: those of each image alone, as published, or the running ones of the "
        "training, without dropout (the published --eval)",
        choices=("own", "running"),
        role="data",
    )
    crn_channels: int | None = option(
        None, "crn: at most this many channels in each module", rule=at_least(1), role="weights", unset="as published"
    )
    crn_images: int = option(
        9, "crn: images for each label map, of which the best counts for each class", rule=at_least(1), role="weights"
    )
    sims_width: int = option(64, "sims: width of the networks", unit="channels", rule=at_least(1), role="weights")
    align_segments: bool = option(
        False, "sims: also train a network that moves segments to where they fit, and use it in tests", role="weights"
    )
    order_segments: bool = option(
        False,
        "sims: also train a network that says which of two segments is in front, from disparity maps, and use it in "
        "tests",
        role="weights",
    )
    noise_3d: bool = option(
        True,
        "oasis: noise in front of the label map in all layers of the generator, --z_dim channels",
        role="weights",
        off_aliases=("no_3dnoise",),
    )
    bank: str | None = option(
        None,
        "sims: file of photo segments to compose images from, of python -m scripts.prepare bank",
        rule=FILE,
        role="data",
        unset="not given",
    )


@dataclass(frozen=True, kw_only=True)
class MethodTrainingOptions(Options, heading="method"):
    """What only single methods use in training."""

    niter_fix_global: int = option(
        0, "pix2pixhd: first epochs in which only the outermost enhancer is trained", unit="epochs", rule=at_least(0)
    )
    pool_size: int = option(
        0, "pix2pixhd: earlier fakes that the discriminator also sees", unit="images", rule=at_least(0)
    )
    lambda_L1: float = option(100.0, "pix2pix: weight of the L1 distance of images", rule=at_least(0))
    vgg_origin: str = option(
        "torchvision",
        "crn, sims: where the VGG-19 weights of the loss come from: torchvision, or caffe for the original ones under "
        "torchvision's names, given with --vgg_weights, for which the published weights of the loss terms were found",
        choices=("torchvision", "caffe"),
    )
    crn_weights: str | None = option(
        None,
        "crn, sims: JSON file of one object with the weights of the loss terms, by term: input, relu1_2, ... relu5_2",
        rule=FILE,
        unset="published with --vgg_origin caffe, derived with torchvision",
    )
    crn_train_from: int | None = option(
        None, "crn: train only modules of this height and larger", unit="pixels", rule=at_least(4), unset="all"
    )
    class_balance: bool = option(
        True,
        "oasis: in the losses of labels, every class of a batch weighs the same, and unknown pixels nothing",
        off_aliases=("no_balancing_inloss",),
    )
    labelmix: bool = option(True, "oasis: the discriminator must treat a mix of images as it treats these")
    lambda_labelmix: float = option(10.0, "oasis: weight of that loss", rule=at_least(0), needs=("labelmix",))
    lambda_layout: float = option(10.0, "sims: weight of the cross-entropy of the label map", rule=at_least(0))
    disparity_dir: str | None = option(
        None,
        "sims: with --order_segments, folder of disparity maps named like the label maps: images of integers, larger "
        "where the photo is nearer, 0 where it was not measured",
        unset="disparity/<split> of --dataset_mode cityscapes",
        needs=("order_segments",),
    )


def refuse_unused(
    typed: Mapping[str, Any], name: str, methods: Mapping[str, MethodFacts], spelled: Callable[[str], str]
) -> None:
    """Raise an `OptionError` for a typed option that other methods use and the method `name` does not.

    Args:
        spelled: returns an option as it was typed, by its name.
    """
    for option_name in sorted(typed.keys() & unused_options(name, methods)):
        users = [other for other, facts in methods.items() if option_name in facts.options]
        raise OptionError(
            f"{spelled(option_name)}: --method {name} does not use it ({', '.join(users)} {_do(users)}); leave it out"
        )


def unused_options(name: str, methods: Mapping[str, MethodFacts]) -> frozenset[str]:
    """The options that other methods use and the method `name` does not."""
    all_used = frozenset().union(*(facts.options for facts in methods.values()))
    return all_used - frozenset(methods[name].options)


def _do(users: Collection[str]) -> str:
    return "does" if len(users) == 1 else "do"
