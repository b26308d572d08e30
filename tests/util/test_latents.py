"""Latents follow from seed and label map, and from nothing else."""

import numpy as np
import torch

from util.latents import draw_latents

RECORDED = {
    (0, 0): [1.1176220, -1.3871249, -0.4265716],
    (2**33 + 5, 7): [-0.7083363, -0.8749359, -0.2274406],
}
"""(seed, index) -> the first numbers of the latent."""


def test_a_latent_depends_on_seed_index_and_style_alone():
    drawn = draw_latents(3, [0, 1, 2], z_dim=8, styles=2)
    assert drawn.shape == (3, 2, 8) and drawn.dtype == torch.float32
    assert torch.equal(draw_latents(3, [2], 8, 2), drawn[2:]), "not on the label maps before"
    assert torch.equal(draw_latents(3, [2, 0], 8, 2), drawn[[2, 0]]), "not on the order"
    assert torch.equal(draw_latents(3, [0, 1, 2], 8), drawn[:, :1]), "not on the number of styles"
    rows = torch.cat([drawn, draw_latents(4, [0, 1, 2], 8, 2)]).flatten(0, 1)
    assert len(rows.unique(dim=0)) == 12, "no two are alike"
    assert draw_latents(0, [], 8).shape == (0, 1, 8)


def test_latents_are_normal_and_the_same_in_every_version():
    drawn = draw_latents(0, range(200), z_dim=256)
    assert abs(drawn.mean()) < 0.02 and abs(drawn.std() - 1) < 0.02
    for (seed, index), expected in RECORDED.items():
        np.testing.assert_allclose(draw_latents(seed, [index], 3).flatten(), expected, rtol=1e-6)
