"""Stage "compiled": torch.compile, which is slow to start, beside the same without it and beside tables, in turns."""

from __future__ import annotations

import copy
import time

import torch

from scripts.benchmark.device.generator import (
    CHANNELS_LAST,
    COMPILED,
    TABLE,
    Generators,
    begin,
    facts_of,
    reference_images,
    take_ways,
)
from scripts.benchmark.device.job import Job, Plan
from scripts.benchmark.device.records import Row
from scripts.benchmark.device.training import Trainings
from scripts.benchmark.device.workloads import Case, generator_cases
from scripts.benchmark.generator import anew
from util.precision import arithmetic

SECONDS = 8.0
"""For the rounds of one row of the generator."""


def plan(job: Job) -> Plan:
    """Rows in order of importance."""
    generators, trainings = Generators(job), Trainings(job)
    cases = {case.key: case for case in generator_cases(job.device)}
    order = ["coco 16 bf16", "coco 16 tf32", "training bf16", "coco 1 bf16", "cityscapes 16 bf16"]
    order += [key for key in cases if key not in order]
    return {
        key: (lambda case=cases[key]: measure(generators, case))
        if key in cases
        else lambda: trainings.measure("bf16", "compiled")
        for key in order
    }


def measure(generators: Generators, case: Case) -> Row:
    """The row of one case."""
    opt, layouts = begin(generators, case)
    reference = reference_images(generators, layouts[0])
    compiled = copy.deepcopy(generators.networks[CHANNELS_LAST])
    compiled.compile()
    ways = {name: way for name, way in generators.ways().items() if name in (CHANNELS_LAST, TABLE)}
    with torch.no_grad(), arithmetic(case.precision, generators.device):
        start = time.perf_counter()
        generators.run(compiled, anew(layouts[0]))
        warm_up = time.perf_counter() - start
        ways[COMPILED] = lambda layout: generators.run(compiled, anew(layout))
        found = take_ways(ways, layouts, reference, SECONDS)
    torch.compiler.reset()
    return facts_of(case, opt, generators.job) | {"ways": found, "warm_up": warm_up}
