"""Stage "generator": images per second, peak memory and equality of a generator in every way, in turns."""

from __future__ import annotations

import copy
import statistics
import time
from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from models import create_generator
from models.folding import fold_norms
from models.networks.generators import SPADEGenerator
from models.networks.layout import SemanticLayout
from models.tables import plain_lookup, prepare
from models.tables.modulation import HAS_TRITON
from options import TrainOptions
from scripts.benchmark.device.job import LOST, Job, Plan, peak_mib
from scripts.benchmark.device.records import Row
from scripts.benchmark.device.workloads import FOLDERS, Case, generator_cases, rounds_within
from scripts.benchmark.generator import anew
from scripts.benchmark.label_maps import layouts_of
from scripts.benchmark.switches import height
from scripts.benchmark.timing import take_turns
from scripts.benchmark.train import reason
from util.device import prepare_torch, to_memory_format
from util.errors import InputError
from util.fill import fill
from util.precision import arithmetic

PUBLISHED, DENSE, CHANNELS_LAST = "published", "dense", "dense, channels-last"
TABLE, PLAIN_TABLE, STYLE = "table", "table, plain lookup", "another style"
COMPILED = "dense, compiled"
SECONDS = {"cuda": 8.0, "cpu": 0.2}
"""For the rounds of one row."""
BATCHES = 2
"""Of label maps, which take turns."""
Way = Callable[[SemanticLayout], Tensor]


def plan(job: Job) -> Plan:
    """A row for each case."""
    generators = Generators(job)
    return {case.key: lambda case=case: measure(generators, case) for case in generator_cases(job.device)}


class Generators:
    """A generator with the same weights in several forms; kept while cases share it.

    Attributes:
        networks: `PUBLISHED`, dense with its norms as layers, in NCHW memory: the arithmetic of the published code;
            `DENSE`, with folded norms; `CHANNELS_LAST`, that in channels-last memory; `TABLE`, that by table.
        z: latents, or None for networks that take none.
    """

    def __init__(self, job: Job):
        self.job = job
        self.device = torch.device(job.device)
        self.shape: tuple | None = None
        self.networks: dict[str, SPADEGenerator] = {}
        self.z: Tensor | None = None

    def load(self, opt: TrainOptions) -> None:
        """Build the networks of a case, unless they are there."""
        shape = opt.dataset_mode, opt.crop_size, opt.ngf
        if shape == self.shape:
            return
        self.networks.clear()  # gives their memory back first
        dense, table = (create_generator(replace(opt, modulation=name)) for name in ("dense", "table"))
        assert isinstance(dense, SPADEGenerator) and isinstance(table, SPADEGenerator), "of --method spade"
        fill(dense, seed=0)
        table.load_state_dict(dense.state_dict())
        published = dense.to(self.device).eval().requires_grad_(False)
        dense, table = copy.deepcopy(published), table.to(self.device)
        for network in (dense, table):
            fold_norms(network)
        self.networks = {
            PUBLISHED: published,
            DENSE: dense,
            CHANNELS_LAST: to_memory_format(copy.deepcopy(dense), torch.channels_last),
            TABLE: to_memory_format(table, torch.channels_last),
        }
        self.z = None if table.z_dim is None else torch.randn(64, table.z_dim, device=self.device)
        self.shape = shape

    def run(self, network: SPADEGenerator, layout: SemanticLayout) -> Tensor:
        """Images of a layout; waits for the device."""
        images = network(layout, None if self.z is None else self.z[: len(layout)])
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        return images

    def ways(self) -> dict[str, Way]:
        """All ways to generate from label maps, by name; "table" looks up by Triton where there is a GPU with it."""
        run, networks = self.run, self.networks
        ways: dict[str, Way] = {
            CHANNELS_LAST: lambda layout: run(networks[CHANNELS_LAST], anew(layout)),
            TABLE: lambda layout: run(networks[TABLE], anew(layout)),
            DENSE: lambda layout: run(networks[DENSE], anew(layout)),
            PUBLISHED: lambda layout: run(networks[PUBLISHED], anew(layout)),
        }
        if self.device.type == "cuda" and HAS_TRITON:

            def by_plain_lookup(layout: SemanticLayout) -> Tensor:
                with plain_lookup():
                    return run(networks[TABLE], anew(layout))

            ways[PLAIN_TABLE] = by_plain_lookup
        prepared: dict[int, SemanticLayout] = {}

        def another_style(layout: SemanticLayout) -> Tensor:
            if id(layout) not in prepared:
                prepared[id(layout)] = prepare(networks[TABLE], anew(layout))
            return run(networks[TABLE], prepared[id(layout)])

        return ways | {STYLE: another_style}


def measure(generators: Generators, case: Case) -> Row:
    """The row of one case."""
    opt, layouts = begin(generators, case)
    reference = reference_images(generators, layouts[0])
    with torch.no_grad(), arithmetic(case.precision, generators.device):
        ways = take_ways(generators.ways(), layouts, reference, SECONDS[generators.device.type])
    return facts_of(case, opt, generators.job) | {"ways": ways}


def begin(generators: Generators, case: Case) -> tuple[TrainOptions, list[SemanticLayout]]:
    """Options and label maps of a case; loads its networks."""
    opt = case.options(generators.device.type, generators.job.data)
    prepare_torch(opt.seed)
    generators.load(opt)
    layouts = layouts_of(opt, BATCHES, has_files(generators.job, case))
    if not layouts:
        raise InputError(f"--data: fewer than {case.batch} label maps of {case.mode}")
    return opt, [layout.to(generators.device) for layout in layouts]


def has_files(job: Job, case: Case) -> bool:
    """Whether there are real label maps for a case."""
    return job.data is not None and (job.data / FOLDERS[case.mode]).is_dir()


def reference_images(generators: Generators, layout: SemanticLayout) -> Tensor:
    """Images in full 32 bits, dense, with which all others are compared."""
    with torch.no_grad(), arithmetic("fp32", generators.device):
        return generators.run(generators.networks[DENSE], anew(layout)).float()


def facts_of(case: Case, opt: TrainOptions, job: Job) -> Row:
    """What a row is about."""
    return {
        "mode": case.mode,
        "size": f"{opt.crop_size}x{height(opt)}",
        "batch": case.batch,
        "precision": case.precision,
        "ngf": case.ngf,
        "maps": "real" if has_files(job, case) else "made up",
    }


def take_ways(ways: dict[str, Way], layouts: list[SemanticLayout], reference: Tensor, seconds: float) -> Row:
    """For each way: seconds of each round, in turns; peak MiB; and the largest difference from `reference`.

    A way that fails has the reason instead. The difference is a fraction of the largest value.
    """
    found, estimate = {}, 0.0
    for name, way in ways.items():
        try:
            images = way(layouts[0])  # compiles kernels
            difference = float((images.float() - reference).abs().max() / reference.abs().max())
            del images
            peak = peak_mib(lambda way=way: way(layouts[0]))
            start = time.perf_counter()
            way(layouts[-1])
            estimate += time.perf_counter() - start
            found[name] = {"difference": difference, "peak_mib": peak}
        except Exception as error:  # of this way alone
            if any(words in str(error) for words in LOST):
                raise
            found[name] = {"failure": reason(error)}
    working = {name: way for name, way in ways.items() if "failure" not in found[name]}
    jobs = {name: lambda i, way=way: way(layouts[i % len(layouts)]) for name, way in working.items()}
    times = take_turns(jobs, rounds_within(seconds, estimate), "generator")
    return {name: values | {"seconds": times.seconds.get(name)} for name, values in found.items()}


def images_per_second(row: Row, way: str) -> float:
    """The median rate of a way; 0 if it has failed or was not measured."""
    seconds = row["ways"].get(way, {}).get("seconds")
    return row["batch"] / statistics.median(seconds) if seconds else 0.0
