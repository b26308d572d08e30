"""SPADE: spatially-adaptive normalization (paper, section 3, equation 1)."""

from __future__ import annotations

from torch import Tensor, nn

from models.networks.layout import SemanticLayout
from models.networks.norms import PARAM_FREE_NORMS, NormSpec

# Hidden width of the two-layer network that makes gamma and beta (paper, figure 10).
SPADE_HIDDEN_CHANNELS = 128


class SPADE(nn.Module):
    """Normalize without parameters, then scale and shift every site by maps gamma and beta of the layout.

    Equation 1, with m the semantic map, mu and sigma the statistics of the batch (equations 2 and 3):

        gamma(m) * (h - mu) / sigma + beta(m)

    gamma and beta are each a convolution of the same hidden features: a convolution of m, then ReLU (figure 10). The
    code multiplies by `1 + gamma`, as published, so that gamma = beta = 0 is the identity.

    Args:
        channels: C of the activations.
        semantic_nc: channels of the semantic map.
        norm: `NormSpec` with a SPADE kernel.
    """

    def __init__(self, channels: int, semantic_nc: int, norm: NormSpec):
        super().__init__()
        kernel, padding = norm.spade_kernel, norm.spade_kernel // 2
        self.param_free_norm = PARAM_FREE_NORMS[norm.kind](channels)
        self.mlp_shared = nn.Sequential(
            nn.Conv2d(semantic_nc, SPADE_HIDDEN_CHANNELS, kernel, padding=padding),
            nn.ReLU(),
        )
        self.mlp_gamma = nn.Conv2d(SPADE_HIDDEN_CHANNELS, channels, kernel, padding=padding)
        self.mlp_beta = nn.Conv2d(SPADE_HIDDEN_CHANNELS, channels, kernel, padding=padding)

    def forward(self, x: Tensor, layout: SemanticLayout) -> Tensor:
        """Activations (N, C, H, W) -> the same shape."""
        normalized = self.param_free_norm(x)
        hidden = self.mlp_shared(layout.at(*x.shape[-2:]))  # (N, 128, H, W)
        gamma, beta = self.mlp_gamma(hidden), self.mlp_beta(hidden)  # (N, C, H, W) each
        return normalized * (1 + gamma) + beta
