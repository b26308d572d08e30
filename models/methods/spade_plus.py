"""Our recipe: SPADE with an average of the generator's weights, and one fake a step for both players."""

from __future__ import annotations

from collections import deque
from typing import Any

from torch import Tensor

from models.methods.base import Outcome, Part
from models.methods.spade import SPADEMethod


class SPADEPlusMethod(SPADEMethod):
    """As `SPADEMethod`, but the discriminator's step takes the fakes of the generator's step.

    SPADE generates them anew, which takes a sixth of a step. As in pix2pixHD, both players then see the same fakes.
    Tests take the average of the generator's weights. docs/quality.md has the measurements.
    """

    def __init__(self, *args: Any, **settings: Any):
        super().__init__(*args, **settings)
        self.fakes: deque[Tensor] = deque()  # of the micro-batches of the generator's step, for the discriminator's

    def generator_losses(self, part: Part) -> Outcome:
        """As those of `SPADEMethod`; keeps the fakes."""
        outcome = super().generator_losses(part)
        assert outcome.fake is not None
        self.fakes.append(outcome.fake)
        return outcome

    def discriminator_losses(self, part: Part) -> Outcome:
        """D_Fake and D_real on the fakes of the generator's step, and terms of regularization."""
        return self.discriminator_losses_of(part, self.fakes.popleft())
