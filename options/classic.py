"""Options of published command lines, and of older runs, that have no effect here."""

from collections.abc import Mapping

from options.field import Option, Rule

DEAD = {
    "model": "NAME",
    "optimizer": "NAME",
    "nef": "N",
    "debug": None,
    "cache_filelist_write": None,
    "cache_filelist_read": None,
}
"""Classic options without effect, and the name of the value that each takes; old command lines still parse."""
SETTLED: Mapping[str, Option] = {
    option.name: option
    for option in (
        Option(
            name="netD",
            kind=str,
            default="multiscale",
            help="discriminator",
            group="discriminator",
            choices=("multiscale",),
            retired=dict.fromkeys(("n_layer", "n_layers", "image"), "use --netD multiscale --num_D 1"),
        ),
        Option(
            name="netD_subarch",
            kind=str,
            default="n_layer",
            help="architecture of the discriminator at each scale",
            group="discriminator",
            choices=("n_layer",),
        ),
        Option(
            name="output_nc",
            kind=int,
            default=3,
            help="channels of the generated image",
            group="generator",
            rule=Rule("3: photos and generated images are RGB", lambda value: value == 3),
        ),
    )
}
"""Classic options that allow only their default; any other value is refused."""
