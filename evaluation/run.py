"""Runs evaluate.py: computes a report from the options, and writes it."""

from __future__ import annotations

from pathlib import Path

import torch

from data import count_workers, uses_gpu
from evaluation.class_scores import class_colors
from evaluation.image_scores import by_title, image_scores_path
from evaluation.instruments import (
    create_instruments,
    missing_scores,
    names_of_classes,
    scores_whole_labels,
    segmenter_in_words,
)
from evaluation.page import draw_confusion, show_on_page
from evaluation.real_photos import score_real_photos
from evaluation.report import Report, create_report
from evaluation.scored_images import check_scores_hold, images_hash
from evaluation.scoring import generated_batches, style_diversity
from evaluation.sources import Sources, find_images, scores_path, warn_of_one_folder
from evaluation.writable import check_writable
from options import EvaluateOptions
from util.distributed import World
from util.optional import require
from util.results_page import CONFUSION_NAME, add_scores, read_facts


def evaluate(
    opt: EvaluateOptions, world: World, device: torch.device, command: str | None = None, writes: bool = True
) -> tuple[Report, Sources]:
    """Compute the scores that the options ask for, in all processes of `world`, which must have joined.

    Args:
        command: the command line, for the report.
        writes: whether the report is to be written, so that one that cannot be is refused before anything is computed.
    """
    workers = count_workers(uses_gpu(opt), world.local_size) if opt.num_workers is None else opt.num_workers
    hash_of_images = None
    with world.failing_together():
        sources = find_images(opt, scores_whole_labels(opt))
        if world.is_main:
            if writes:
                check_outputs(opt, sources)
            hash_of_images = images_hash(sources.folder, len(sources.styles))
        tools = create_instruments(opt, device)
    truth = sources.truth
    evaluation = tools.evaluation(
        opt, truth, world, opt.batch_size, workers, show=world.is_main, reconstructions=sources.are_reconstructions
    )
    measurement = evaluation.measure(
        generated_batches(sources.generated, evaluation.shard, opt.batch_size, workers, show=world.is_main)
    )
    protocol = evaluation.protocol
    if tools.distance:
        measurement.scores["lpips_diversity"] = style_diversity(
            tools.distance, sources.styles, world, opt.batch_size, workers
        )
        protocol["lpips"] = {**tools.distance.facts, "styles": len(sources.styles), "label_maps": len(truth)}
    features = evaluation.feature_scores
    if opt.save_real_statistics and features and world.is_main:
        features.real.save_npz(opt.save_real_statistics, {**features.extractor.facts, **protocol["images"]})
    real_photos = score_real_photos(evaluation, opt.batch_size, workers, show=world.is_main)
    report = create_report(
        measurement,
        sources,
        run=opt.name or None,
        dataset_mode=opt.dataset_mode,
        protocol=protocol,
        class_names=names_of_classes(tools.segmenter, truth.class_names) if tools.segmenter else [],
        class_colors=class_colors(tools.segmenter, truth.class_colors),
        real_photos=real_photos,
        left_out=missing_scores(opt, evaluation.feature_scores),
        provenance={
            "folders": sources.folders,
            "images_hash": hash_of_images,
            "command": command,
            **({"segmenter": called} if (called := segmenter_in_words(opt, tools.segmenter)) else {}),
            "test": read_facts(sources.folder.parents[1]) if opt.name else {},
        },
    )
    return report, sources


def check_outputs(opt: EvaluateOptions, sources: Sources) -> None:
    """Raise an `InputError` now, rather than after hours, if the results could not be written."""
    for path in (scores_path(opt, sources), image_scores_path(scores_path(opt, sources))):
        check_writable("--output", path)
    if opt.save_real_statistics:
        check_writable("--save_real_statistics", Path(opt.save_real_statistics))
    warn_of_one_folder(opt)
    if opt.name and (opt.segmenter or opt.segmenter_weights):
        require("matplotlib")  # draws the confusion matrix, after everything else


def publish(opt: EvaluateOptions, report: Report, sources: Sources) -> None:
    """Print the table and write scores.json; for a run, also update its history, its curves and the page of its test.

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
    folder, plot = sources.folder.parents[1], None
    if report.confusion is not None:
        plot = draw_confusion(report.confusion, list(report.content["per_class_iou"]), folder / CONFUSION_NAME)
    if show_on_page(folder / "index.html", report, plot):
        add_scores(folder, by_title(report.content["per_image"]))
        print(f"Look at {folder / 'index.html'}")
