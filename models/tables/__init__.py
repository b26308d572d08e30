"""The fast path: subclasses of the networks with the same parameters, which use that label maps repeat themselves.

`SPADE` computes gamma and beta at every site. `TableResnetBlock` computes them once for each distinct neighborhood of
the label map, a row of a table, and looks them up. Where that does not pay it calls its parent class, the definition.
"""

from models.tables.blocks import TableResnetBlock
from models.tables.discriminators import PresentLabelsDiscriminator
from models.tables.prepared import prepare
from models.tables.sites import sites_of

__all__ = ["PresentLabelsDiscriminator", "TableResnetBlock", "prepare", "sites_of"]
