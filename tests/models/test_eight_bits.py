"""Weights in 8 bits: nearest integers by hand, and a bounded error in every channel."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from models.eight_bits import restore_state, round_to_8_bits, store_state_in_8_bits


def test_by_hand():
    weight = torch.tensor([[127.0, -63.5, 0.4], [0.0, 0.0, 0.0], [-2.54, 1.27, 0.02]])
    integers, scale = round_to_8_bits(weight)
    assert integers.tolist() == [[127, -64, 0], [0, 0, 0], [-127, 64, 1]]  # halves go to the even number
    assert torch.allclose(scale, torch.tensor([[1.0], [1.0], [0.02]]))


def test_channels_of_another_dimension_have_their_own_scale():
    integers, scale = round_to_8_bits(torch.tensor([[1.0, 100.0], [0.5, 50.0]]), output=1)
    assert integers.tolist() == [[127, 127], [64, 64]] and scale.shape == (1, 2)


@given(st.integers(0, 2**31), st.integers(1, 9), st.floats(1e-6, 1e6))
def test_a_state_comes_back_to_half_a_step_and_all_else_to_the_bit(seed, channels, size):
    weight = size * torch.randn(channels, 3, 2, generator=torch.Generator().manual_seed(seed))
    state = {"a.weight": weight, "a.bias": weight[:, 0, 0], "count": torch.tensor([[3]]), "a.scale": weight[0, 0]}
    stored = store_state_in_8_bits(state)
    assert stored["a.weight"].dtype == torch.int8
    restored = restore_state(stored)
    assert restored.keys() == state.keys()
    assert all(torch.equal(restored[name], state[name]) for name in ("a.bias", "count", "a.scale"))
    steps = weight.abs().amax((1, 2), keepdim=True) / 127
    assert ((restored["a.weight"] - weight).abs() <= 0.501 * steps).all()
    assert restore_state(state).keys() == state.keys()
