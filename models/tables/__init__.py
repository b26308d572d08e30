"""The fast path: subclasses of the networks with the same parameters, which compute repeated label patterns once.

`SPADE` computes gamma and beta at every site. `TableResnetBlock` computes them once for each distinct neighborhood of
the label map, a row of a table, and looks them up; `TableOASISBlock` does the same under the names of OASIS.
`PresentLabelsDiscriminator` has no table: it leaves out the channels of labels that do not occur.

`create_model` builds these classes unless `--modulation dense` asks for the definition. By default they use tables on
CPUs alone. On GPUs, while torch.compile traces, and for label maps like noise, whose distinct neighborhoods number at
least 0.9 of the sites (`sites.MOST_NEW`), they fall back to their parent class, the definition. `--modulation table`
uses tables on GPUs and for such label maps, too. Where the latent noise of OASIS is a map, not a vector for each
sample, there are no tables.
"""

from models.tables.blocks import TableResnetBlock
from models.tables.discriminators import PresentLabelsDiscriminator
from models.tables.evaluation import pack_weights
from models.tables.modulation import plain_lookup
from models.tables.oasis import TableOASISBlock
from models.tables.prepared import prepare
from models.tables.sites import sites_of

__all__ = [
    "PresentLabelsDiscriminator",
    "TableOASISBlock",
    "TableResnetBlock",
    "pack_weights",
    "plain_lookup",
    "prepare",
    "sites_of",
]
