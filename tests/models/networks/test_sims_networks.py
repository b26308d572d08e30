"""The networks of SIMS: sizes, the input that they see, pooling and the affine sampler by hand."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from models.networks.init import parameter_count
from models.networks.layout import SemanticLayout, SoftLayout
from models.networks.sims import (
    OrderingNetwork,
    SIMSGenerator,
    TransformationNetwork,
    Widths,
    affine_sample,
    average_pool,
)
from models.tensorflow_weights import from_tensorflow
from util.errors import InputError

TINY = Widths(2, 3, 3, 4, 5)
IDENTITY = [1.0, 0, 0, 0, 1, 0]


def drawn_layout(height=64, width=64, **maps):
    return SemanticLayout(torch.zeros(1, height, width, dtype=torch.long), None, 3, maps)


def layout_of_one_class(height=64, width=64):
    """With an empty canvas."""
    labels = torch.zeros(1, height, width, dtype=torch.long)
    return drawn_layout(height, width, canvas=torch.zeros(1, 3, height, width), changed_labels=labels)


@pytest.mark.parametrize("height, stages, count", [(256, 0, 55_671_319), (512, 1, 56_138_903), (1024, 2, 56_461_975)])
def test_parameters_of_the_published_sizes(height, stages, count):
    """Counted by hand from the channels of the blocks: 9 * in * out + 2 * out each, and heads of 3 and 20 outputs."""
    with torch.device("meta"):
        assert parameter_count(SIMSGenerator(20, height, stages)) == count


def test_parameters_of_the_networks_about_segments():
    with torch.device("meta"):
        counts = [parameter_count(network) for network in (TransformationNetwork(20), OrderingNetwork(20))]
    assert counts == [14_734_086, 15_267_476]


def test_a_wider_network_keeps_the_published_proportions():
    assert Widths.scaled(64) == Widths()
    assert Widths.scaled(8) == (8, 16, 32, 64, 128)


@pytest.mark.parametrize("stages, size", [(0, (64, 64)), (0, (64, 128)), (1, (128, 128)), (2, (256, 256))])
def test_images_and_label_logits_are_as_large_as_the_layout(stages, size):
    network = SIMSGenerator(3, size[0], stages, TINY)
    with torch.no_grad():
        image, logits = network.heads(layout_of_one_class(*size))
    assert image.shape == (1, 3, *size)
    assert logits.shape == (1, 3, *size)


def test_networks_for_larger_images_have_those_of_smaller_ones_inside():
    small, large = (SIMSGenerator(3, 64 << stages, stages, TINY).state_dict() for stages in (0, 1))
    new = {name for name in small if name not in large or small[name].shape != large[name].shape}
    assert new == {f"g_{head}64_conv100.{end}" for head in ("", "semantic_") for end in ("weight", "bias")}


def test_the_input_is_changed_labels_canvas_and_mask():
    changed, canvas = torch.zeros(1, 64, 64, dtype=torch.long), torch.zeros(1, 3, 64, 64)
    changed[0, 0, :4] = torch.tensor([0, 1, 2, 3])  # 3: a pixel without a class
    canvas[0, :, 1, 0] = torch.tensor([0.0, 0.0, 0.25])  # not black
    canvas[0, :, 1, 1] = 1.0  # white is pasted, too
    x = SIMSGenerator(3, 64, 0, TINY).network_input(drawn_layout(canvas=canvas, changed_labels=changed))
    assert x.shape == (1, 7, 64, 64)
    assert x[0, :3, 0, :4].T.tolist() == [[1, 0, 0], [0, 1, 0], [0, 0, 1], [0, 0, 0]]
    assert x[0, 3:, 1, :3].T.tolist() == [[0, 0, 0.25, 1], [1, 1, 1, 1], [0, 0, 0, 0]]


def test_label_maps_alone_are_refused():
    for layout in (drawn_layout(), SoftLayout(drawn_layout().at(64, 64))):
        with pytest.raises(InputError, match="canvases of photo segments, not from label maps alone"):
            SIMSGenerator(3, 64, 0, TINY)(layout)


def test_only_evaluation_limits_the_image():
    network = SIMSGenerator(3, 64, 0, TINY)
    torch.nn.init.constant_(network.get_parameter("g_64_conv100.bias"), 50.0)
    with torch.no_grad():
        assert network(layout_of_one_class()).min() > 1
        assert (network.eval()(layout_of_one_class()) == 1).all()


def test_pooling_averages_real_pixels_only():
    x = torch.arange(16.0).view(1, 1, 4, 4)
    # windows: rows 0-2 and columns 0-2; then columns 2-3, rows 2-3, and both
    assert average_pool(x)[0, 0].tolist() == [[5, 6.5], [11, 12.5]]


def sample(rows, theta):
    return affine_sample(torch.tensor(rows).double()[None, None], torch.tensor(theta).double()[None])[0, 0]


def test_the_identity_empties_the_last_column_and_row():
    rows = [[1, 2, 3, 4], [5, 6, 7, 8], [9, 10, 11, 12], [13, 14, 15, 16]]
    expected = torch.tensor([[1, 2, 3, 0], [5, 6, 7, 0], [9, 10, 11, 0], [0, 0, 0, 0]])
    torch.testing.assert_close(sample(rows, IDENTITY), expected.double())


def test_a_map_goes_from_output_to_input_in_pixels_from_the_center():
    rows = [[1, 2, 3, 4], [5, 6, 7, 8], [9, 10, 11, 12], [13, 14, 15, 16]]
    left = sample(rows, [1, 0, 1, 0, 1, 0])  # reads one column to the right
    torch.testing.assert_close(left[0].tolist(), [2.0, 3.0, 0.0, 0.0])
    between = sample(rows, [1, 0, 0.5, 0, 1, 0.25])
    torch.testing.assert_close(between[0].tolist(), [2.5, 3.5, 4.5, 0.0])
    # Twice as far from the center, which is column 2 and row 2: output column 1 reads column 0, column 2 itself.
    double = sample(rows, [2, 0, 0, 0, 2, 0])
    torch.testing.assert_close(double[1].tolist(), [0.0, 1.0, 3.0, 0.0])


@given(st.integers(0, 10**6))
def test_sampling_equals_a_loop_over_pixels(seed):
    rng = np.random.default_rng(seed)
    height, width = (int(side) for side in rng.integers(2, 7, 2))
    image, theta = rng.random((height, width)), rng.normal(IDENTITY, [0.2, 0.2, 1.0] * 2)
    expected = np.zeros((height, width))
    for row in range(height):
        for column in range(width):
            x, y = column - width / 2, row - height / 2
            c, r = theta[:3] @ (x, y, 1) + width / 2, theta[3:] @ (x, y, 1) + height / 2
            if 0 <= c < width - 1 and 0 <= r < height - 1:
                i, j = int(r), int(c)
                weights = np.outer((i + 1 - r, r - i), (j + 1 - c, c - j))
                expected[row, column] = (weights * image[i : i + 2, j : j + 2]).sum()
    torch.testing.assert_close(sample(image, theta), torch.from_numpy(expected))


def test_a_new_transformation_is_the_identity():
    theta = TransformationNetwork(3, TINY)(torch.rand(2, 3, 32, 64), torch.ones(2, 1, 32, 64), torch.rand(2, 3, 32, 64))
    assert theta.tolist() == [IDENTITY] * 2


def test_the_order_of_a_pair_is_a_class():
    network = OrderingNetwork(5, TINY).eval()
    with torch.no_grad():
        assert network(torch.rand(2, 3, 64, 64), torch.rand(2, 3, 64, 64)).shape == (2, 5)


def test_variables_of_tensorflow_are_loaded():
    """Kernels lie there as (rows, columns, in, out), and the matrix as (in, 6)."""
    network = TransformationNetwork(3, TINY)
    random = np.random.default_rng(0)
    variables = {"g_transform_param": random.random((4, 6)), "g_b_fc1": random.random(6)}
    for name, parameter in network.named_parameters():
        layer, _, entry = name.partition(".")
        path = f"{layer[:-2]}/{layer}"
        if entry == "0.weight":
            variables[f"{path}/weights"] = random.random([parameter.shape[i] for i in (2, 3, 1, 0)])
            variables[f"{path}/weights/Adam"] = np.zeros(1)
        elif layer != "fc":
            variables[f"{path}/LayerNorm/{'gamma' if entry == '1.weight' else 'beta'}"] = random.random(parameter.shape)
    network.load_state_dict(from_tensorflow(variables))
    kernel = network.get_parameter("g_transfrom_conv2_1.0.weight").detach()
    assert float(kernel[1, 0, 2, 1]) == np.float32(
        variables["g_transfrom_conv2/g_transfrom_conv2_1/weights"][2, 1, 0, 1]
    )
    assert float(network.fc.weight.detach()[5, 3]) == np.float32(variables["g_transform_param"][3, 5])
