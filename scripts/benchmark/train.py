"""Images per second and peak memory of a training step, with each switch of train.py that affects them."""

import argparse
import gc
import os
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from data import PRESETS
from models import METHODS
from scripts.benchmark.memory import WARM_UP_STEPS, peak_on_cpu, peak_on_gpu
from scripts.benchmark.switches import GPU_ONLY, PLAIN, SWITCHES, Training, Workload, flags_of, write_vgg_weights
from scripts.benchmark.timing import Times, take_turns
from util.errors import InputError

HELP = "images per second and peak memory of training with each switch that trades time, memory and accuracy, or method"
# On a GPU, the paper's networks at the size for COCO. On a CPU, each step of these would take minutes.
DEFAULTS = {
    "cuda": {"batch_size": 16, "crop_size": 256, "ngf": 64, "iterations": 20},
    "cpu": {"batch_size": 4, "crop_size": 64, "ngf": 16, "iterations": 5},
}
PEAKS = {
    "cuda": "all tensors of the training on the GPU",
    "cpu": "resident memory of a process of its own, less what it has before the networks are made",
}
NEEDS_FOLDERS = ("custom",)
REASON_LENGTH = 160


@dataclass(frozen=True)
class Row:
    """The results of one switch or method.

    Attributes:
        flags: of train.py; empty for the plain training.
        times: of its steps and, if possible, of plain steps in turn with them.
        warm_up: seconds of the first steps, which `times` excludes.
        peak: peak memory in MiB.
        failure: why it failed, in which case the other results are missing.
    """

    flags: str
    times: Times | None = None
    warm_up: float = 0
    peak: float = 0
    failure: str | None = None


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of this command to its parser."""
    modes = [mode for mode in PRESETS if mode not in NEEDS_FOLDERS]
    cuda, cpu = DEFAULTS["cuda"], DEFAULTS["cpu"]
    parser.add_argument("--device", choices=DEFAULTS, help="(default: cuda if there is a GPU, else cpu)")
    parser.add_argument("--dataset_mode", choices=modes, default="coco", help="whose preset counts (%(default)s)")
    for name, unit in (("batch_size", "samples"), ("crop_size", "pixels"), ("ngf", "channels"), ("iterations", "")):
        words = f"{unit} (default: {cuda[name]} with a GPU, else {cpu[name]})".strip()
        parser.add_argument(f"--{name}", metavar="N", type=int, help=words)
    parser.add_argument("--dataroot", metavar="DIR", help="the data set, to train on its first samples (made-up ones)")
    parser.add_argument(
        "--no_vgg_loss",
        action="store_true",
        help="leave out the perceptual loss, with random weights here",
    )
    parser.add_argument(
        "--only", metavar="SWITCH", nargs="+", choices=SWITCHES, help=f"some of: {', '.join(SWITCHES)} (default: all)"
    )
    parser.add_argument(
        "--method",
        nargs="+",
        choices=METHODS,
        help="measure a step of each of these in place of switches, in turns with one of spade",
    )


def run(args: argparse.Namespace) -> None:
    """Measure and print Markdown, row by row. Raises `InputError` for wrong arguments."""
    args = complete(args)
    size = args.batch_size, args.crop_size, args.ngf
    workload = Workload(args.device, args.dataset_mode, *size, dataroot=args.dataroot)
    with tempfile.TemporaryDirectory() as scratch:
        os.environ["TORCHINDUCTOR_CACHE_DIR"] = f"{scratch}/compiled"  # otherwise a second run would show no warm-up
        if not args.no_vgg_loss:
            workload = replace(workload, vgg_weights=write_vgg_weights(Path(scratch) / "vgg19.pth"))
        workload.options()
        switches = [switch for switch in SWITCHES if switch == PLAIN or args.only is None or switch in args.only]
        print(heading(args, workload), flush=True)
        cases = {flags_of(switch, workload.device): workload for switch in switches}
        if args.method:
            others = [name for name in args.method if name != workload.method]
            cases = {"": workload} | {f"--method {name}": replace(workload, method=name) for name in others}
        for line in table(measure(cases, workload, args.iterations), workload.batch_size):
            print(line, flush=True)


def complete(args: argparse.Namespace) -> argparse.Namespace:
    """Fill in the defaults of the device. Raises `InputError` for impossible arguments."""
    device = args.device or ("cuda" if torch.cuda.is_available() else "cpu")
    given = {name: value for name, value in vars(args).items() if value is not None}
    unset = {"only": None, "method": None, "dataroot": None}
    args = argparse.Namespace(**{**unset, **DEFAULTS[device], **given, "device": device})
    if device == "cuda" and not torch.cuda.is_available():
        raise InputError("--device cuda: there is no GPU here; use --device cpu")
    if args.iterations < 3:
        raise InputError(f"--iterations {args.iterations}: must be 3 or more, for quartiles")
    if args.only and args.method:
        raise InputError("--only: measures switches, and --method methods; leave one of them out")
    return args


def measure(cases: Mapping[str, Workload], workload: Workload, iterations: int) -> Iterator[Row]:
    """Yield the row of each case, of flags and a workload; one that fails yields a row with the reason.

    Args:
        workload: of the plain training, with which all take turns.
    """
    try:
        plain = Training(workload, "")
        warm_up(plain)
    except Exception:  # reported by the row of the plain training, which is measured again there
        plain = None
    for flags, own_workload in cases.items():
        try:
            if flags in GPU_ONLY and workload.device != "cuda":
                raise InputError("for GPUs only")
            row = measure_one(flags, own_workload, iterations, plain)
        except Exception as error:  # lack of memory, a compiler or a kernel, for example
            row = Row(flags, failure=reason(error))
        forget(compiled="--compile" in flags)
        yield row


def measure_one(flags: str, workload: Workload, iterations: int, plain: Training | None) -> Row:
    """Time a training in turns with `plain`, if that is not None, and measure its peak memory."""
    before = torch.cuda.memory_allocated() if workload.device == "cuda" else 0
    training = Training(workload, flags)
    seconds = warm_up(training)
    peak = peak_on_gpu(training, before) if workload.device == "cuda" else 0
    jobs = {} if plain is None else {PLAIN: lambda i: plain.step()}
    times = take_turns(jobs | {flags: lambda i: training.step()}, iterations, flags or PLAIN)
    if workload.device == "cpu":
        del training, jobs
        peak = peak_on_cpu(workload, flags)
    return Row(flags, times, seconds, peak)


def warm_up(training: Training) -> float:
    """Run the first steps; return their time in seconds."""
    start = time.perf_counter()
    for _ in range(WARM_UP_STEPS):
        training.step()
    return time.perf_counter() - start


def forget(compiled: bool) -> None:
    """Release the memory of the last training."""
    gc.collect()
    if compiled:
        torch.compiler.reset()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def reason(error: Exception) -> str:
    """Shorten an error message for a table cell."""
    text = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
    return text.strip().replace("|", "/")[:REASON_LENGTH]


def heading(args: argparse.Namespace, workload: Workload) -> str:
    """Markdown: hardware, software, workload and command of the figures."""
    flags = [f"--{name} {getattr(args, name)}" for name in ("device", "dataset_mode", *DEFAULTS["cpu"])]
    flags += [f"--dataroot {args.dataroot}"] if args.dataroot else []
    flags += ["--no_vgg_loss"] * args.no_vgg_loss + ([f"--only {' '.join(args.only)}"] if args.only else [])
    flags += [f"--method {' '.join(args.method)}"] if args.method else []
    lines = [
        f"{device_name(args.device)}, torch {torch.__version__}, threads: {torch.get_num_threads()}",
        f"Workload: {workload}; {'real' if args.dataroot else 'made-up'} labels and photos",
        f"Command: `python -m scripts.benchmark train {' '.join(flags)}`",
        f"Ratios are of neighboring steps; that of {PLAIN}, to its own double, shows the noise of the machine",
        f"Peak memory, of a step after warm-up: {PEAKS[args.device]}",
    ]
    if args.device == "cpu":
        lines.insert(2, "By default a CPU gets a small workload: steps of the paper's would take minutes")
    return "\n".join(f"- {line}" for line in lines) + "\n"


def device_name(device: str) -> str:
    """The product name of the device."""
    if device == "cuda":
        return torch.cuda.get_device_name()
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    return next((line.partition(": ")[2] for line in lines if line.startswith("model name")), "CPU")


def table(rows: Iterable[Row], batch_size: int) -> Iterator[str]:
    """Yield the lines of a Markdown table; the first row is that of the plain training."""
    yield f"| switch | images/s (quartiles) | times {PLAIN} (quartiles) | peak MiB | of {PLAIN} | warm-up, s |"
    yield "|---|---|---|---|---|---|"
    plain_peak = None
    for row in rows:
        name = f"`{row.flags}`" if row.flags else PLAIN
        times = row.times
        if times is None:
            yield f"| {name} | failed: {row.failure} | | | | |"
            continue
        plain_peak = plain_peak if row.flags else row.peak
        rate = "{:.3g} ({:.3g}..{:.3g})".format(*times.rate(row.flags, batch_size))
        ratio = "{:.2f} ({:.2f}..{:.2f})".format(*times.ratio(row.flags, PLAIN)) if PLAIN in times.seconds else ""
        fraction = f"{row.peak / plain_peak:.2f}" if plain_peak else ""
        yield f"| {name} | {rate} | {ratio} | {row.peak:.0f} | {fraction} | {row.warm_up:.1f} |"
