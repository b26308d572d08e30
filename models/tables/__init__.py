"""The fast path: subclasses of the networks with the same parameters, which compute repeated label patterns once.

`SPADE` computes gamma and beta at every site. `TableResnetBlock` computes them once for each distinct neighborhood of
the label map, as the rows of a table, and looks them up. Where that is not faster, it calls its parent class.
"""

from models.tables.blocks import TableResnetBlock
from models.tables.discriminators import PresentLabelsDiscriminator
from models.tables.prepared import prepare
from models.tables.sites import sites_of

__all__ = ["PresentLabelsDiscriminator", "TableResnetBlock", "prepare", "sites_of"]
