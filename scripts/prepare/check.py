"""Check every file of a data set before training: `python -m scripts.prepare check --dataset_mode MODE [...]`.

Takes the options of train.py and says whether training with them would read every sample (exit status 0) or not (1);
with a --phase other than train, the options of test.py, and checks what testing needs: photos are optional then.
Bad options are status 2. No file is changed.

    --json FILE             write everything that was found, all files named
    --propose_palette FILE  write the colours of colour-coded masks, to be named and given to convert_labels; a FILE
                            that is there already is never replaced. Once it is written, the exit status is 0: what else
                            was found is for after the conversion
    --workers N             processes that read files (default: all cores)

Keys of the JSON file (only the first three for landscapes, which have no files):

    runs             whether training (testing) would run
    dataset_mode, phase, options    what was checked; options are those that decide about labels and sizes
    counts           files found: labels, images, instances; and samples, after pairing, --file_list, --max_dataset_size
    problems         [{kind, file, message}]; kinds are the keys of data.checking.inspection.KINDS
    unpaired         names: labels_without_image, images_without_labels, labels_without_instances, ...
    values           [{value, name, allowed, pixels, share, files}]: what label maps hold; share of all pixels, 0..1
    unseen_classes   [{value, name}]: allowed, and in no label map
    sizes            {labels, images: [{width, height, files}]}, most frequent first
    photo_modes      {Pillow's mode: files}
    warnings         [{kind, message, files}]: does not stop training, but is hardly meant
    colours          [{color, pixels}] of colour-coded masks, most frequent first
    proposal         {label_nc, contain_dontcare_label, instance, flags, command}; command is that which converts
                     colour-coded masks, or null
"""

import argparse
import json
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

from data import DATASETS, PRESETS, create_loader
from data.checking.advice import conversion, doubts, flags, palette_lines, propose
from data.checking.inspection import KINDS, Problem
from data.checking.survey import Survey, survey
from data.derived_maps import add_workers
from data.paired import PairedDataset
from options import TestOptions, TrainOptions, parse_options
from util.errors import InputError
from util.files import refuse_foreign, replacing

OPTIONS_SHOWN = (
    "label_nc", "contain_dontcare_label", "instance", "preprocess_mode", "load_size", "crop_size", "aspect_ratio",
    "batch_size", "pairing_check", "file_list", "max_dataset_size", "apply_exif",
)  # fmt: skip
MESSAGES_SHOWN = 5  # of each kind, in the text
SIZES_SHOWN = 3
NAMES_SHOWN = 10
SIZES_IN_JSON = 1000


def parse_args(argv: Sequence[str] | None = None) -> tuple[argparse.Namespace, TrainOptions | TestOptions]:
    """This script's own options, and those of the program whose data is checked."""
    parser = argparse.ArgumentParser(
        prog="python -m scripts.prepare check",
        description=__doc__.partition("\n\nKeys")[0],
        epilog="All other options are those of train.py: python train.py --help",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything that was found")
    parser.add_argument("--propose_palette", "--propose-palette", type=Path, metavar="FILE", help="write colours seen")
    add_workers(parser)
    own, rest = parser.parse_known_args(argv)
    for path in (own.json, own.propose_palette):
        if path and path.is_dir():
            raise InputError(f"{path}: is a folder; name a file")
    if own.json:
        refuse_foreign("--json", own.json, "report of scripts.prepare check", b'"runs"', b'"dataset_mode"', b'"phase"')
    palette = own.propose_palette
    if palette and palette.exists() and palette.stat().st_size:
        raise InputError(
            f"--propose_palette {palette}: is there already, perhaps with names that you gave; name another file, or "
            f"delete it first"
        )

    peek = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    peek.add_argument("--phase", nargs="?", default="train")
    program = TrainOptions if peek.parse_known_args(rest)[0].phase == "train" else TestOptions
    return own, parse_options(program, rest, PRESETS)


def main(argv: Sequence[str] | None = None) -> int:
    """Do what the command line says; return the exit status. Bad input ends it with status 2 and one line."""
    own, opt = parse_args(argv)
    dataset_class = DATASETS[opt.dataset_mode]
    if not issubclass(dataset_class, PairedDataset):
        print(f"--dataset_mode {opt.dataset_mode} draws its samples: there are no files to check")
        if own.json:
            write_json(own.json, {"runs": True, "dataset_mode": opt.dataset_mode, "phase": opt.phase})
        return 0

    def bar(reports, total):
        return tqdm(reports, desc="check", total=total, unit="sample", dynamic_ncols=True)

    result = survey(dataset_class, opt, own.workers, bar)
    result.problems += batch_problems(opt, result.counts["samples"])
    print_report(result, opt)
    if own.json:
        write_json(own.json, as_json(result, opt))
        print(f"everything, with all files named: {own.json}")
    is_proposed = bool(own.propose_palette) and write_palette(own.propose_palette, result)
    return 0 if result.is_fine or is_proposed else 1


def batch_problems(opt, samples: int) -> list[Problem]:
    """What the loader itself says about the number of samples."""
    try:
        if samples:
            create_loader(opt, range(samples))
    except InputError as error:
        return [Problem("batch", "", str(error))]
    return []


def print_report(result: Survey, opt) -> None:
    """The report for people."""
    counts = result.counts
    print(
        f"{opt.dataset_mode}, phase {opt.phase}: {counts['labels']} label maps, {counts['images']} photos, "
        f"{counts['instances']} instance maps; {counts['samples']} samples"
    )
    for kind, folder in result.folders.items():
        print(f"  {kind:<10} {folder}")
    print_sizes("label maps", result.label_sizes)
    print_sizes("photos", result.photo_sizes)
    print_values(result)
    print_problems(result)
    for doubt in doubts(result):
        print(f"\nwarning: {doubt.message}")
    if result.pixels and not (result.ids.fixed and any(problem.kind == "label_range" for problem in result.problems)):
        print(f"\nflags for these files: {flags(propose(result, opt))}")
    if command := conversion(result, opt):
        print(f"to make id maps of them: {command}")
        print("  (--propose_palette FILE writes the colours seen, for you to name)")
    program = "training" if opt.is_train else "testing"
    count = len(result.problems)
    print(f"{program} would run" if result.is_fine else f"{program} would NOT run: {count} problem{'s' * (count > 1)}")


def print_sizes(what: str, sizes: Counter) -> None:
    """The most frequent sizes and the extremes of a kind of file."""
    if not sizes:
        return
    common = ", ".join(f"{width}x{height} ({files})" for (width, height), files in sizes.most_common(SIZES_SHOWN))
    widths, heights = zip(*sizes)
    others = f", and {len(sizes) - SIZES_SHOWN} others" if len(sizes) > SIZES_SHOWN else ""
    ranges = f"widths {min(widths)}..{max(widths)}, heights {min(heights)}..{max(heights)}"
    print(f"  sizes of {what}: {common}{others}; {ranges}")


def print_values(result: Survey) -> None:
    """A line for each label value, and the classes that are not there."""
    if not result.pixels:
        return
    print(f"\n{'value':>7} {'pixels':>14} {'share':>8} {'files':>8}  class")
    for row in value_rows(result):
        name = row["name"] if row["allowed"] else "OUT OF RANGE"
        print(f"{row['value']:>7} {row['pixels']:>14,} {row['share']:>8.2%} {row['files']:>8}  {name}")
    if unseen := result.unseen:
        names = [f"{value} {result.class_names[value]}" for value in unseen[:NAMES_SHOWN]]
        more = ", ..." if len(unseen) > NAMES_SHOWN else ""
        print(f"{len(unseen)} of {result.ids.count} classes are in no label map: {', '.join(names)}{more}")


def print_problems(result: Survey) -> None:
    """The first few of each kind."""
    by_kind = defaultdict(list)
    for problem in result.problems:
        by_kind[problem.kind].append(problem.message)
    for kind, messages in by_kind.items():
        print(f"\n{KINDS[kind]}: {len(messages)}")
        for message in messages[:MESSAGES_SHOWN]:
            print(f"  {message}")
        if len(messages) > MESSAGES_SHOWN:
            print(f"  ... and {len(messages) - MESSAGES_SHOWN} more (--json FILE names all)")
        if kind == "files":
            print_unpaired(result)


def print_unpaired(result: Survey) -> None:
    """The first few names that one kind of file has and another has not."""
    for kind, names in result.unpaired.items():
        if names:
            more = ", ..." if len(names) > NAMES_SHOWN else ""
            print(f"  {kind.replace('_', ' ')}: {len(names)} ({', '.join(names[:NAMES_SHOWN])}{more})")


def value_rows(result: Survey) -> list[dict[str, Any]]:
    """What label maps hold, in order of the values."""
    ids, total = result.ids, sum(result.pixels.values())
    unknown = ids.unknown_value if ids.contain_dontcare_label else None
    rows = []
    for value in sorted(result.pixels):
        channel = ids.label_nc if value == unknown else value
        is_allowed = value == unknown or 0 <= value < ids.count
        pixels = result.pixels[value]
        rows.append({
            "value": value, "name": result.class_names[channel] if is_allowed else None, "allowed": is_allowed,
            "pixels": pixels, "share": pixels / total, "files": result.files[value],
        })  # fmt: skip
    return rows


def as_json(result: Survey, opt) -> dict[str, Any]:
    """Everything; the module's docstring explains the keys."""
    proposal = propose(result, opt)
    return {
        "runs": result.is_fine,
        "dataset_mode": opt.dataset_mode,
        "phase": opt.phase,
        "options": {name: getattr(opt, name) for name in OPTIONS_SHOWN},
        "counts": result.counts,
        "problems": [problem._asdict() for problem in result.problems],
        "unpaired": result.unpaired,
        "values": value_rows(result),
        "unseen_classes": [{"value": value, "name": result.class_names[value]} for value in result.unseen],
        "sizes": {"labels": size_rows(result.label_sizes), "images": size_rows(result.photo_sizes)},
        "photo_modes": dict(result.photo_modes),
        "warnings": [doubt._asdict() for doubt in doubts(result)],
        "colours": [{"color": list(color), "pixels": count} for color, count in result.colors.most_common()],
        "proposal": proposal | {"flags": flags(proposal), "command": conversion(result, opt)},
    }


def size_rows(sizes: Counter) -> list[dict[str, int]]:
    """Sizes of pictures with how often they occur, the most frequent first."""
    return [
        {"width": width, "height": height, "files": files}
        for (width, height), files in sizes.most_common(SIZES_IN_JSON)
    ]


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write a report to a file, whole or not at all."""
    try:
        with replacing(path) as temporary:
            temporary.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror}); name another file") from error


def write_palette(path: Path, result: Survey) -> bool:
    """Write the colours seen as a palette file and return True, or say that there are none."""
    lines = palette_lines(result)
    if not lines:
        print(f"{path}: not written, the label maps have no colours")
        return False
    with replacing(path) as temporary:
        temporary.write_text("# id r g b name\n" + "\n".join(lines) + "\n", encoding="utf-8")
    print(f"{path}: {len(lines)} colours to be named; give it to scripts.prepare convert_labels as --palette")
    return True
