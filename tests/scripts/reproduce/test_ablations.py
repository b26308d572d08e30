"""The rows of the paper's tables: flags that build what the paper counted, and the numbers that it printed."""

import pytest
import torch

from data import PRESETS
from models import create_model
from models.networks.init import parameter_count
from options import TrainOptions, parse_options
from scripts.reproduce.ablations import ABLATIONS

pytestmark = pytest.mark.tools

# Parameters of G (or D) of every row with the 151 channels of ADE20K, counted in the published code where it has them.
COUNTS = {
    "": {"G": 96_492_483, "D": 5_836_930},
    "--ngf 48": {"G": 60_642_771, "D": 5_836_930},
    "--ngf 80": {"G": 140_682_163, "D": 5_836_930},
    "--conditioning concat": {"G": 79_103_043},
    "--netG pix2pixhd --norm_G spectralsyncbatch": {"G": 182_928_771, "D": 5_836_930},
    "--netG pix2pixhd --norm_G spectralsyncbatch --ngf 48": {"G": 102_996_003},
    "--netG pix2pixhd --conditioning spade": {"G": 236_879_235},
    "--netG pix2pixhd --conditioning concat": {"G": 195_453_315},
    "--random_input": {"G": 111_942_595, "D": 5_836_930},
    "--norm_G spectralspadesyncbatch1x1": {"G": 71_295_939},
    "--norm_G spectralspadesyncbatch5x5": {"G": 146_885_571},
    "--n_layers_D 5": {"G": 96_492_483, "D": 14_225_538},
}
ROWS = [row for rows in ABLATIONS.values() for row in rows]
OWN = sorted({row.flags for row in ROWS if "--method" not in row.flags})
"""The flags of rows that are not another method."""


def counts(flags: str) -> dict[str, int]:
    argv = f"--dataset_mode ade20k --init_type none {flags}".split()
    with torch.device("meta"):
        networks = create_model(parse_options(TrainOptions, argv, PRESETS)).networks
    return {letter: parameter_count(network) for letter, network in networks.items()}


@pytest.mark.parametrize("flags", OWN)
def test_parameters_are_those_that_were_counted(flags):
    found = counts(flags)
    assert found | COUNTS.get(flags, {}) == found
    printed = {row.parameters for row in ROWS if row.flags == flags and row.parameters}
    assert printed <= {round(found["G"] / 1e6)}


def test_every_printed_count_is_checked():
    printed = {row.flags: row.parameters for row in ROWS if row.parameters and "--method" not in row.flags}
    assert sorted(printed.values()) == [61, 79, 96, 103, 141, 183, 195, 237]
    assert printed.keys() <= COUNTS.keys()


def test_rows_of_one_model_have_the_same_flags_in_every_table():
    def options(flags: str) -> TrainOptions:
        return parse_options(TrainOptions, flags.split(), PRESETS)

    different = {options(flags) for flags in OWN}
    assert len(different) == len(OWN)
    assert all(options(f"{flags} --name x").run_dir.name == "x" for flags in OWN)


def test_numbers_are_those_of_the_paper():
    """Two rows of each table, as printed."""
    printed = {(table, row.name): row.published for table, rows in ABLATIONS.items() for row in rows}
    assert printed[1, "Ours"]["ade20k"] == {"miou": 0.385, "accuracy": 0.799, "fid": 33.9}
    assert printed[1, "SIMS"]["cityscapes"]["fid"] == 49.7 and "coco" not in printed[1, "SIMS"]
    assert printed[3, "decoder w/ Concat"]["ade20k"]["miou"] == 0.336
    assert printed[3, "pix2pixHD++ w/ SPADE"]["cityscapes"]["miou"] == 0.622
    assert printed[4, "random input"]["coco"]["miou"] == 0.353
    assert printed[4, "SyncBatchNorm"] == printed[4, "kernelsize 5x5"] != printed[4, "kernelsize 3x3"]
    assert printed[5, "Ours w/o Perceptual loss"]["ade20k"]["miou"] == 0.301
    assert printed[5, "pix2pixHD++ w/o Sync BatchNorm"]["coco"]["miou"] == 0.274
    sizes = {table: len(rows) for table, rows in ABLATIONS.items()}
    assert sizes == {1: 7, 3: 8, 4: 11, 5: 9}
