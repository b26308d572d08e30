"""The block of OASIS with gamma and beta from tables: constant noise adds one vector for each sample."""

from __future__ import annotations

from models.networks.oasis import FirstNorm
from models.tables.blocks import TableResnetBlock
from models.tables.normalization import TableSPADE


class TableOASISSPADE(FirstNorm, TableSPADE):
    """`TableSPADE` under the names of OASIS."""


class TableOASISBlock(TableResnetBlock):
    """`OASISResnetBlock`, the same function of the same parameters, with table lookups wherever they are faster.

    A constant noise vector adds the same to the hidden features of all windows of its sample that lie inside the map.
    So a row serves a neighborhood of one sample. Maps of noise take the definition.
    """

    spade = TableOASISSPADE
