"""Time, memory and multiply-adds of generators with SPADE: as published, dense, and by table."""

import argparse
import statistics
from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor, nn

from models import create_model
from models.folding import fold_norms
from models.networks.generators import SPADEGenerator
from models.networks.layout import SemanticLayout, SoftLayout
from models.tables import pack_weights, prepare
from models.tables.blocks import convolve
from options import TrainOptions
from scripts.benchmark.label_maps import MODES, command_line_options, layouts_of
from scripts.benchmark.memory import peak_of_first_call
from scripts.benchmark.multiply_adds import Counts, Network, count, fraction_table
from scripts.benchmark.switches import height
from scripts.benchmark.timing import Times, take_turns
from scripts.benchmark.train import DEFAULTS, device_name
from util.device import choose_device, prepare_torch, to_memory_format
from util.errors import InputError
from util.fill import fill
from util.precision import autocast

HELP = "time, memory and multiply-adds of a generator with SPADE, as published, dense and by table, beside the floor"
BRUSH = 24
"""Pixels across of the stroke that an edit draws."""
PUBLISHED, DENSE, TABLE = "published", "dense", "by table"
KEPT, EDIT, FLOOR = "another style", "an edit", "other convolutions alone"
FORMS = PUBLISHED, DENSE, TABLE
PRODUCT_SIZE = 2048
"""Side of the matrices whose product shows how fast this machine multiplies."""
CONVOLVED = 256, 64
"""Channels, and sites across, of the 3x3 convolution that shows it likewise."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of this command to its parser."""
    parser.add_argument("--method", choices=("spade", "oasis"), default="spade", help="of this generator (%(default)s)")
    parser.add_argument("--device", choices=DEFAULTS, help="(default: cuda if there is a GPU, else cpu)")
    parser.add_argument("--dataset_mode", choices=MODES, default="coco", help="whose preset counts (%(default)s)")
    parser.add_argument("--dataroot", metavar="DIR", help="the data set, for real label maps (default: made-up ones)")
    parser.add_argument("--crop_size", metavar="N", type=int, default=256, help="pixels across (%(default)s)")
    parser.add_argument("--ngf", metavar="N", type=int, default=64, help="channels (%(default)s)")
    parser.add_argument("--batch_size", metavar="N", type=int, default=1, help="label maps at a time (%(default)s)")
    parser.add_argument("--maps", metavar="N", type=int, default=6, help="batches of label maps (%(default)s)")
    parser.add_argument("--rounds", metavar="N", type=int, default=5, help="for each batch (%(default)s)")
    parser.add_argument("--precision", choices=("fp32", "bf16"), default="fp32", help="(%(default)s)")


def run(args: argparse.Namespace) -> None:
    """Measure and print Markdown. Raises `InputError` for wrong arguments."""
    if args.rounds < 3 or args.maps < 1:
        raise InputError("--rounds must be 3 or more, for quartiles, and --maps 1 or more")
    args.device = args.device or ("cuda" if torch.cuda.is_available() else "cpu")
    opt = command_line_options(args)
    device = choose_device(opt.gpu_id_list)
    prepare_torch(opt.seed, opt.precision, opt.deterministic)
    print(heading(args, opt), flush=True)
    layouts = [layout.to(device) for layout in layouts_of(opt, args.maps, args.dataroot is not None)]
    generators = Generators(opt, device)
    with torch.no_grad(), autocast(args.precision, device):
        speeds = {"matrix product": product_speed(device), "3x3 convolution": convolution_speed(device)}
        all_times = [measure(generators, layout, args.rounds) for layout in layouts]
        difference = max(generators.difference(layout) for layout in layouts)
    counts = [count(generators.table, layout) for layout in layouts]
    print("\n".join(times_table(all_times)))
    print("\n".join(fraction_table(layouts, generators.table)))
    print("\n".join(counts_table(counts, all_times, speeds)))
    print("\n".join(memory_lines(args, generators, layouts[0])))
    print(f"Largest difference of an image, as a fraction of the largest value: {difference:.1e}.")


class Generators:
    """One generator with filled weights in three forms.

    Attributes:
        published: as in the published code: dense, with spectral norm and batch norm as layers, channels first.
        dense: prepared for evaluation: with folded norms and packed weights, channels last.
        table: prepared likewise, with gamma and beta by table.
    """

    def __init__(self, opt: TrainOptions, device: torch.device):
        self.device = device
        self.published, self.dense, self.table = (make_generator(opt, name, device) for name in FORMS)
        self.z = None if self.table.z_dim is None else torch.randn(opt.batch_size, self.table.z_dim, device=device)

    def generate(self, network: Network, layout: SemanticLayout) -> Tensor:
        """Generate images with one of the networks; synchronizes with the device."""
        images = network(layout, self.z)
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        return images

    def difference(self, layout: SemanticLayout) -> float:
        """Largest difference of images by table from published ones, as a fraction of the largest value."""
        published, table = (self.generate(network, anew(layout)).float() for network in (self.published, self.table))
        return float((published - table).abs().max() / published.abs().max())


def make_generator(opt: TrainOptions, form: str, device: torch.device) -> Network:
    """A generator in one of `FORMS` on a device, with weights and statistics of ordinary size, the same for each."""
    network = create_model(replace(opt, modulation="table" if form == TABLE else "dense")).netG
    assert isinstance(network, Network), "a workload of this benchmark"
    fill(network, seed=0)
    network.to(device).eval().requires_grad_(False)  # before weights are packed, which is for CPUs alone
    if form != PUBLISHED:  # as test.py does
        to_memory_format(fold_norms(network), torch.channels_last)
        if opt.precision == "fp32":
            pack_weights(network)
    return network


def anew(layout: SemanticLayout) -> SemanticLayout:
    """The same layout with an empty cache."""
    return SemanticLayout(layout.labels, layout.edges, layout.num_labels)


def measure(generators: Generators, layout: SemanticLayout, rounds: int) -> Times:
    """Let all ways of generating images take turns on one batch."""
    published, dense, table = generators.published, generators.dense, generators.table
    generate = generators.generate
    floor = other_convolutions(table, layout)
    jobs: dict[str, Callable[[int], object]] = {
        PUBLISHED: lambda i: generate(published, anew(layout)),
        DENSE: lambda i: generate(dense, anew(layout)),
        TABLE: lambda i: generate(table, anew(layout)),
    }
    if isinstance(table, SPADEGenerator):  # the rows of OASIS serve one latent
        prepared = prepare(table, anew(layout))

        def edit(i: int) -> None:
            edited = SemanticLayout(stroke(layout.labels, i), layout.edges, layout.num_labels)
            generate(table, prepare(table, edited, prepared))

        jobs |= {KEPT: lambda i: generate(table, prepared), EDIT: edit}
    return take_turns({**jobs, FLOOR: lambda i: floor()}, rounds, "generator")


def stroke(labels: Tensor, number: int) -> Tensor:
    """A copy of label maps (N, H, W) with a disc in a class from elsewhere in the first map."""
    height, width = labels.shape[1:]
    y, x = (37 * number + 61) % height, (71 * number + 43) % width
    rows, columns = (torch.arange(size, device=labels.device) for size in (height, width))
    dab = (rows[:, None] - y) ** 2 + (columns - x) ** 2 <= (BRUSH / 2) ** 2
    return torch.where(dab, labels[0, (y + height // 2) % height, (x + width // 2) % width], labels)


def other_convolutions(network: Network, layout: SemanticLayout) -> Callable[[], None]:
    """Return a function that runs all convolutions of a forward pass outside modulation: a lower bound on the time."""
    calls: list[tuple[nn.Conv2d, Tensor]] = []

    def note(conv: nn.Module, inputs: tuple[Tensor]) -> None:
        assert isinstance(conv, nn.Conv2d)
        calls.append((conv, torch.randn_like(inputs[0]).contiguous(memory_format=torch.channels_last)))

    convs = [m for name, m in network.named_modules() if isinstance(m, nn.Conv2d) and ".mlp_" not in name]
    hooks = [conv.register_forward_pre_hook(note) for conv in convs]
    z = None if network.z_dim is None else torch.zeros(len(layout), network.z_dim, device=layout.device)
    network(SoftLayout(layout.at(*layout.size)), z)  # the dense path
    for hook in hooks:
        hook.remove()

    def run() -> None:
        for conv, x in calls:
            convolve(conv, x)
        if layout.device.type == "cuda":
            torch.cuda.synchronize(layout.device)

    return run


def product_speed(device: torch.device) -> float:
    """Multiply-adds per second of a large matrix product, in the measured precision; the fastest of several."""
    a = torch.randn(PRODUCT_SIZE, PRODUCT_SIZE, device=device)
    jobs = {"product": lambda i: float((a @ a)[0, 0])}  # read back to synchronize with a GPU
    return PRODUCT_SIZE**3 / min(take_turns(jobs, 7, "matrix product").seconds["product"])


def convolution_speed(device: torch.device) -> float:
    """Multiply-adds per second of a 3x3 convolution with packed weights where there are any; the fastest of several."""
    channels, side = CONVOLVED
    conv: nn.Module = nn.Conv2d(channels, channels, 3, padding=1, device=device)
    if not torch.is_autocast_enabled(device.type):
        conv = pack_weights(nn.Sequential(conv))
    x = torch.randn(1, channels, side, side, device=device).contiguous(memory_format=torch.channels_last)
    jobs = {"convolution": lambda i: float(conv(x)[0, 0, 0, 0])}
    return (3 * channels * side) ** 2 / min(take_turns(jobs, 7, "convolution").seconds["convolution"])


def median_ratio(all_times: list[Times], job: str, base: str) -> tuple[float, float, float]:
    """How many times faster than `base`: the median of the batches' medians, the lowest and the highest of them."""
    ratios = [times.ratio(job, base)[0] for times in all_times]
    return statistics.median(ratios), min(ratios), max(ratios)


def seconds(all_times: list[Times], job: str) -> float:
    """Median over the batches of the medians of their rounds."""
    return statistics.median(statistics.median(times.seconds[job]) for times in all_times)


def times_table(all_times: list[Times]) -> list[str]:
    """Markdown: the time of each way of generating a batch."""
    lines = [f"| | ms a batch | times {PUBLISHED} (lowest and highest batch) |", "|---|---|---|"]
    for job in all_times[0].seconds:
        ratio = "{:.1f} ({:.1f}..{:.1f})".format(*median_ratio(all_times, job, PUBLISHED))
        lines.append(f"| {job} | {1000 * seconds(all_times, job):.0f} | {ratio} |")
    return [*lines, ""]


def counts_table(counts: list[Counts], all_times: list[Times], speeds: dict[str, float]) -> list[str]:
    """Markdown: multiply-adds, and their speed as a fraction of the highest of `speeds`."""
    shared, gamma_beta, rows, others = (
        statistics.mean(getattr(count, name) for count in counts) / 1e9
        for name in ("shared", "gamma_beta", "rows", "others")
    )
    dense, table = shared + gamma_beta + others, rows + others
    lines = [
        f"G multiply-adds a second here: {', '.join(f'{name} {speed / 1e9:.0f}' for name, speed in speeds.items())}.",
        "",
        "| | G multiply-adds | of the faster one's speed |",
        "|---|---|---|",
    ]
    parts = {
        f"{PUBLISHED}: {shared:.1f} + {gamma_beta:.1f} for gamma and beta, {others:.1f} for others": (dense, PUBLISHED),
        DENSE: (dense, DENSE),
        f"{TABLE}: {rows:.1f} for rows, {others:.1f} for others": (table, TABLE),
        KEPT: (others, KEPT),
        FLOOR: (others, FLOOR),
    }
    for text, (amount, job) in parts.items():
        if job not in all_times[0].seconds:
            continue
        lines.append(f"| {text} | {amount:.1f} | {1e9 * amount / seconds(all_times, job) / max(speeds.values()):.0%} |")
    return [*lines, ""]


def memory_lines(args: argparse.Namespace, generators: Generators, layout: SemanticLayout) -> list[str]:
    """Markdown: peak memory of generating the first batch, above that of the loaded networks and labels."""
    if args.device == "cuda":
        peaks = {}
        for name, network in zip(FORMS, (generators.published, generators.dense, generators.table), strict=True):
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()
            before = torch.cuda.memory_allocated()
            with torch.no_grad(), autocast(args.precision, generators.device):
                generators.generate(network, anew(layout))
            peaks[name] = (torch.cuda.max_memory_allocated() - before) / 2**20
    else:
        peaks = {name: peak_of_first_call(first_batch, args, name) for name in FORMS}
    fractions = (f"{name} {peak:.0f} ({peak / peaks[PUBLISHED]:.2f})" for name, peak in peaks.items())
    return [f"Peak memory of the first batch, above loaded networks, in MiB: {', '.join(fractions)}."]


def first_batch(args: argparse.Namespace, name: str) -> Callable[[], object]:
    """A call that generates the first batch one way."""
    opt = command_line_options(args)
    network = make_generator(opt, name, torch.device("cpu"))
    layout = anew(layouts_of(opt, 1, args.dataroot is not None)[0])
    z = None if network.z_dim is None else torch.zeros(opt.batch_size, network.z_dim)

    def generate() -> Tensor:
        with torch.no_grad(), autocast(args.precision, torch.device("cpu")):
            return network(layout, z)

    return generate


def heading(args: argparse.Namespace, opt: TrainOptions) -> str:
    """Markdown: hardware, software, workload and command of the figures."""
    names = ("method", "device", "dataset_mode", "dataroot", "crop_size", "ngf", "batch_size", "maps", "rounds")
    given = {name: getattr(args, name) for name in (*names, "precision")}
    flags = " ".join(f"--{name} {value}" for name, value in given.items() if value is not None)
    lines = [
        f"{device_name(args.device)}, torch {torch.__version__}, threads: {torch.get_num_threads()}",
        f"Workload: preset {args.dataset_mode} ({opt.semantic_nc} semantic channels), {opt.crop_size}x{height(opt)} "
        f"pixels, batch {args.batch_size}, ngf {args.ngf}; {'real' if args.dataroot else 'made-up'} label maps",
        f"Command: `python -m scripts.benchmark generator {flags}`",
        f"{PUBLISHED}: norms as layers, channels first; others folded, packed, channels last; {TABLE}: from labels to "
        f"images; {KEPT}: of a prepared layout; {EDIT}: a dab of {BRUSH} pixels on one",
    ]
    return "\n".join(f"- {line}" for line in lines) + "\n"
