"""The rows of the paper's tables 1, 3, 4 and 5: the flags of train.py that make each, and what the paper printed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from evaluation.published_scores import published_scores, source_of

Scores = Mapping[str, float]


@dataclass(frozen=True)
class Row:
    """A row of a table.

    Attributes:
        name: as printed.
        flags: of train.py, beside those of the data set. Rows of equal flags are one model.
        published: scores as printed by --dataset_mode; mIoU and accuracy as fractions.
        parameters: of the generator in millions as printed, for the 151 channels of ADE20K; None if not printed.
        guess: what the paper leaves open and these flags decide; None if nothing.
        source: of the published scores; None for the paper.
    """

    name: str
    flags: str
    published: Mapping[str, Scores] = field(default_factory=dict)
    parameters: int | None = None
    guess: str | None = None
    source: str | None = None


def _scores_of(method: str) -> Mapping[str, Scores]:
    """The scores of a method in table 1, by --dataset_mode."""
    modes = ("coco", "ade20k", "ade20k_outdoor", "cityscapes")
    return {mode: rows[method] for mode in modes if method in (rows := published_scores(mode))}


def _miou(coco: float, ade20k: float, cityscapes: float) -> Mapping[str, Scores]:
    """mIoU in percent, as tables 3 to 5 print it."""
    percent = {"coco": coco, "ade20k": ade20k, "cityscapes": cityscapes}
    return {mode: {"miou": round(value / 100, 4)} for mode, value in percent.items()}


HD = "--netG pix2pixhd"
OURS = _miou(35.2, 38.5, 62.3)
"""Table 1 has 37.4 for COCO-Stuff: probably another training or evaluation of the same model."""
COMPACT = _miou(35.2, 38.0, 62.5)

# Norm of pix2pixHD++ that stands for "w/o Sync BatchNorm": the drop in mIoU fits instance norm, which pix2pixHD has.
INSTANCE_GUESS = "the norm in place of synchronized batch norm: instance norm, as in pix2pixHD"

ABLATIONS: Mapping[int, tuple[Row, ...]] = {
    1: (
        Row("CRN", "--method crn", _scores_of("CRN")),
        Row("SIMS", "--method sims", _scores_of("SIMS")),
        Row("pix2pixHD", "--method pix2pixhd", _scores_of("pix2pixHD")),
        Row("OASIS (not in the paper's table)", "--method oasis", _scores_of("OASIS"), source=source_of("OASIS")),
        Row("pix2pix (not in the paper's table)", "--method pix2pix"),
        Row("spade_plus (not in the paper's table)", "--method spade_plus"),
        Row("Ours", "", _scores_of("SPADE")),
    ),
    3: (
        Row("decoder w/ SPADE (Ours)", "", OURS, 96),
        Row("compact decoder w/ SPADE", "--ngf 48", COMPACT, 61),
        Row(
            "decoder w/ Concat",
            "--conditioning concat",
            _miou(31.9, 33.6, 61.1),
            79,
            "the map joins the input of both 3x3 convolutions of a block, after norm and activation",
        ),
        Row(
            "pix2pixHD++ w/ SPADE",
            f"{HD} --conditioning spade",
            _miou(34.4, 39.0, 62.2),
            237,
            "all 27 norms become SPADE, and the map also stays the input of the first convolution",
        ),
        Row(
            "pix2pixHD++ w/ Concat",
            f"{HD} --conditioning concat",
            _miou(32.9, 38.9, 57.1),
            195,
            "the map joins the input of the first convolution of each residual block",
        ),
        Row("pix2pixHD++", f"{HD} --norm_G spectralsyncbatch", _miou(32.7, 38.3, 58.8), 183),
        Row("compact pix2pixHD++", f"{HD} --norm_G spectralsyncbatch --ngf 48", _miou(31.6, 37.3, 57.6), 103),
        Row("pix2pixHD", "--method pix2pixhd", _miou(14.6, 20.3, 58.3), 183),
    ),
    4: (
        Row("segmap input", "", OURS),
        Row("random input", "--random_input", _miou(35.3, 38.3, 61.6)),
        Row("kernelsize 5x5", "--norm_G spectralspadesyncbatch5x5", _miou(35.0, 39.3, 61.8)),
        Row("kernelsize 3x3", "", OURS),
        Row("kernelsize 1x1", "--norm_G spectralspadesyncbatch1x1", _miou(32.7, 35.9, 59.9)),
        Row("#params 141M", "--ngf 80", _miou(35.3, 38.3, 62.5), 141),
        Row("#params 96M", "", OURS, 96),
        Row("#params 61M", "--ngf 48", COMPACT, 61),
        # The same model as "segmap input", yet the numbers of "kernelsize 5x5": probably a slip of the paper.
        Row("SyncBatchNorm", "", _miou(35.0, 39.3, 61.8)),
        Row(
            "BatchNorm",
            "--norm_G spectralspadebatch3x3",
            _miou(33.7, 37.9, 61.8),
            guess="statistics of 4 images, a GPU's part of the batch of 32 on 8 GPUs; with fewer GPUs add --accumulate "
            "for parts of 4",
        ),
        Row("InstanceNorm", "--norm_G spectralspadeinstance3x3", _miou(33.9, 37.4, 58.7)),
    ),
    5: (
        Row("Ours", "", OURS),
        Row("Ours w/o Perceptual loss", "--no_vgg_loss", _miou(24.7, 30.1, 57.4)),
        Row("Ours w/o GAN feature matching loss", "--no_gan_feat_loss", _miou(33.2, 38.0, 62.2)),
        Row(
            "Ours w/ a deeper discriminator",
            "--n_layers_D 5",
            _miou(34.9, 38.3, 60.9),
            guess="one more convolution of stride 2",
        ),
        Row(
            "pix2pixHD++ w/ SPADE",
            f"{HD} --conditioning spade",
            _miou(34.4, 39.0, 62.2),
            guess="as in table 3",
        ),
        Row("pix2pixHD++", f"{HD} --norm_G spectralsyncbatch", _miou(32.7, 38.3, 58.8)),
        Row(
            "pix2pixHD++ w/o Sync BatchNorm",
            f"{HD} --norm_G spectralinstance",
            _miou(27.4, 31.8, 51.1),
            guess=INSTANCE_GUESS,
        ),
        Row(
            "pix2pixHD++ w/o Sync BatchNorm, and w/o Spectral Norm",
            f"{HD} --norm_G instance --norm_D instance",
            _miou(26.0, 31.9, 52.3),
            guess=f"{INSTANCE_GUESS}; the discriminator, too, loses spectral norm",
        ),
        Row("pix2pixHD", "--method pix2pixhd", _miou(14.6, 20.3, 58.3)),
    ),
}
"""The rows by number of the table, in the order of the paper."""
