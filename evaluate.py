#!/usr/bin/env python3
"""Score generated images: python evaluate.py --name NAME, or --fake DIR --real DIR [...]; --help lists everything."""

from util.console import exit_statuses

import shlex
import sys
from pathlib import Path

import torch

from data import PRESETS, count_workers, uses_gpu
from evaluation.instruments import (
    create_instruments,
    judges_whole_labels,
    names_of_classes,
    segmenter_files,
    what_is_left_out,
)
from evaluation.page import draw_confusion, show_on_page
from evaluation.report import Report, check_writable, create_report
from evaluation.scored_images import check_scores_hold, images_hash
from evaluation.scoring import Evaluation, generated_batches, style_diversity
from evaluation.sources import Sources, find_images, scores_path, warn_of_one_folder
from options import EvaluateOptions, parse_options
from util.device import choose_device, prepare_torch
from util.distributed import World
from util.launcher import warn_of_tasks_apart
from util.optional import require
from util.results_page import CONFUSION_NAME, read_facts


def evaluate(
    opt: EvaluateOptions, world: World, device: torch.device, command: str | None = None
) -> tuple[Report, Sources]:
    """Measure what the options ask for; the same in every process of the world, which must have met.

    Args:
        command: what was typed, for the report.
    """
    scored = None
    workers = count_workers(uses_gpu(opt), world.local_size) if opt.num_workers is None else opt.num_workers
    reading = {"batch_size": opt.batch_size, "num_workers": workers}
    with world.failing_together():
        sources = find_images(opt, judges_whole_labels(opt))
        if world.is_main:
            check_writable("--output", scores_path(opt, sources))
            if opt.save_real_statistics:
                check_writable("--save_real_statistics", Path(opt.save_real_statistics))
            warn_of_one_folder(opt)
            if opt.name and (opt.segmenter or opt.segmenter_weights):
                require("matplotlib")  # draws the confusion matrix, after everything else
            scored = images_hash(sources.folder, len(sources.styles))
        tools = create_instruments(opt, device)
    features, segmenter, truth = tools.features, tools.segmenter, sources.truth
    evaluation = Evaluation(
        truth,
        features=features,
        segmenter=segmenter,
        real=tools.real,
        world=world,
        kid=opt.kid,
        seed=opt.seed,
        show=world.is_main,
        **reading,
    )
    measurement = evaluation.measure(
        generated_batches(sources.generated, evaluation.share, show=world.is_main, **reading)
    )
    protocol = evaluation.protocol
    if segmenter:
        protocol["segmentation"]["files"] = segmenter_files(opt, segmenter)
    if tools.distance:
        measurement.scores["lpips_diversity"] = style_diversity(tools.distance, sources.styles, world, **reading)
        protocol["lpips"] = {**tools.distance.facts, "styles": len(sources.styles), "label_maps": len(truth)}
    if opt.save_real_statistics and world.is_main:
        evaluation.real.save_npz(opt.save_real_statistics, {**features.facts, **protocol["images"]})
    report = create_report(
        measurement,
        sources,
        run=opt.name or None,
        dataset_mode=opt.dataset_mode,
        protocol=protocol,
        class_names=names_of_classes(segmenter, truth.class_names) if segmenter else [],
        left_out=what_is_left_out(opt, features, evaluation.with_kid),
        provenance={
            "folders": sources.folders,
            "images_hash": scored,
            "command": command,
            "test": read_facts(sources.folder.parents[1]) if opt.name else {},
        },
    )
    return report, sources


def publish(opt: EvaluateOptions, report: Report, sources: Sources) -> None:
    """Print the table, write scores.json, and of a run also its history, its curves and the page of its test.

    Raises:
        InputError: the images have been replaced while they were scored.
    """
    check_scores_hold(report.content, scores_path(opt, sources), sources.folder)
    print(report.table())
    print(f"\nEverything is in {report.save(scores_path(opt, sources))}")
    if not opt.name:
        return
    report.append_history(opt.run_dir, opt.phase, opt.which_epoch)
    report.log_scalars(opt.run_dir, opt.phase, opt.which_epoch)
    folder, picture = sources.folder.parents[1], None
    if report.confusion is not None:
        picture = draw_confusion(report.confusion, list(report.content["per_class_iou"]), folder / CONFUSION_NAME)
    if show_on_page(folder / "index.html", report, picture):
        print(f"Look at {folder / 'index.html'}")


@exit_statuses("evaluate.py")
def main(argv: list[str] | None = None) -> None:
    """Do what the command line says. Bad input ends it with status 2 and one line."""
    argv = sys.argv[1:] if argv is None else argv
    opt = parse_options(EvaluateOptions, argv, PRESETS)
    world = World.from_environment()
    warn_of_tasks_apart()
    prepare_torch(opt.seed)
    device = choose_device(opt.gpu_id_list, world)
    with world.joined(device):
        report, sources = evaluate(opt, world, device, shlex.join(["python", "evaluate.py", *argv]))
        if world.is_main:
            publish(opt, report, sources)


if __name__ == "__main__":
    sys.exit(main())
