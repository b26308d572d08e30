"""Parts of ResNet under torchvision's names, which published weight files use."""

from torch import nn


def conv_norm_relu(in_channels: int, out_channels: int, kernel_size: int, stride: int = 1, dilation: int = 1):
    """Convolution without bias, batch norm, ReLU; height and width are divided by `stride` and rounded up."""
    padding = kernel_size // 2 * dilation
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, kernel_size, stride, padding, dilation, bias=False),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(inplace=True),
    )


def bottlenecks(in_channels: int, width: int, blocks: int, stride: int = 1, dilation: int = 1) -> nn.Sequential:
    """A stage of a ResNet (He et al. 2016, table 1), `4 * width` channels out.

    The first block projects its shortcut and has the stride, on its 3x3 convolution; all blocks have the dilation.
    """
    from torchvision.models.resnet import Bottleneck  # late: importing it takes a second

    out_channels = width * Bottleneck.expansion
    shortcut = nn.Sequential(nn.Conv2d(in_channels, out_channels, 1, stride, bias=False), nn.BatchNorm2d(out_channels))
    first = Bottleneck(in_channels, width, stride, shortcut, dilation=dilation)
    rest = (Bottleneck(out_channels, width, dilation=dilation) for _ in range(blocks - 1))
    return nn.Sequential(first, *rest)
