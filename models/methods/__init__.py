"""Training methods, one file each: networks, losses, optimizer settings, and the order of the steps.

To add a method: one file with a class, and its line in `METHODS`.
"""

from models.methods.base import Method
from models.methods.crn import CRNMethod
from models.methods.oasis import OASISMethod
from models.methods.pix2pix import Pix2PixMethod
from models.methods.pix2pixhd import Pix2PixHDMethod
from models.methods.sims import SIMSMethod
from models.methods.spade import SPADEMethod
from models.methods.spade_plus import SPADEPlusMethod

METHODS: dict[str, type[Method]] = {
    "spade": SPADEMethod,
    "pix2pixhd": Pix2PixHDMethod,
    "pix2pix": Pix2PixMethod,
    "crn": CRNMethod,
    "sims": SIMSMethod,
    "oasis": OASISMethod,
    "spade_plus": SPADEPlusMethod,
}
