"""Check every file of a data set before training, and describe it in a file that every program reads.

    python -m scripts.prepare check LABELS PHOTOS [INSTANCES] --write data.toml    # then: train.py --data data.toml
    python -m scripts.prepare check --data data.toml
    python -m scripts.prepare check --dataset_mode MODE [--dataroot DIR]

The first form finds classes and parts from folders alone. Parts are found by names (folders train and val, or train_img
and val_img); where there is one part alone, a tenth of it is chosen to validate with. Names and colors of the classes
are those of --palette FILE, or of a file such as classes.json or labelmap.txt beside the folders.

Takes the options of train.py and says whether training with them would read every sample (exit status 0) or not (1);
with a --phase other than train, the options of test.py, and checks what testing needs: photos are optional then.
Bad options are status 2. No file is changed.

Keys of the --json file (only the first four for landscapes, which have no files):

    runs             whether training (testing) would run
    dataset_mode, phase, options    what was checked; options are those that decide about labels and sizes
    counts           files found: labels, images, instances; and samples, after pairing, --file_list, --max_dataset_size
    problems         [{kind, file, message}]; kinds are the keys of data.checking.inspection.KINDS
    unpaired         names: labels_without_image, images_without_labels, labels_without_instances, ...
    values           [{value, name, allowed, pixels, fraction, files}] of label maps; fraction of all pixels, 0..1
    unseen_classes   [{value, name}]: allowed, and in no label map
    sizes            {labels, images: [{width, height, files}]}, most frequent first
    photo_modes      {Pillow's mode: files}
    warnings         [{kind, message, files}]: does not stop training, but is probably a mistake
    colors           [{color, pixels}] of color-coded masks, most frequent first
    proposal         {label_nc, contain_dontcare_label, instance, flags, command}; command converts color-coded
                     masks, or is null
"""

import argparse
import itertools
import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

from data import DATASETS, PRESETS
from data.checking.advice import conversion, find_warnings, flags, palette_lines, propose
from data.checking.inspection import KINDS, SampleReport
from data.checking.survey import Progress, Survey, survey
from data.paired import PairedDataset
from models import METHODS
from options import TestOptions, TrainOptions, parse_options
from scripts.prepare.arguments import add_workers, subcommand_parser
from scripts.prepare.write_data import describe_folders, print_colors, write_description
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


def parse_args(argv: Sequence[str]) -> tuple[argparse.Namespace, TrainOptions | TestOptions | None]:
    """Parse this tool's own options, and those of the program whose data is checked; None if folders are described."""
    parser = subcommand_parser(
        "check", __doc__, epilog="All other options are those of train.py: python train.py --help all"
    )
    folders = list(itertools.takewhile(lambda word: not word.startswith("-"), argv))
    argv = argv[len(folders) :]
    parser.add_argument("--write", type=Path, metavar="FILE", help="write a description of the folders; never replaces")
    parser.add_argument(
        "--palette", type=Path, metavar="FILE", help="with --write: names and colors of the classes, see convert_labels"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything that was found, all files named")
    parser.add_argument(
        "--propose_palette",
        "--propose-palette",
        type=Path,
        metavar="FILE",
        help="write the colors of color-coded masks, to be named and given to convert_labels; a FILE that exists is "
        "never replaced. Once it is written, the exit status is 0: other problems are for after the conversion",
    )
    add_workers(parser)
    own, rest = parser.parse_known_args(argv)
    own.folders = [Path(folder) for folder in folders]
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

    if own.folders or own.write or own.palette:
        _check_description(own, rest)
        return own, None
    peek = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    peek.add_argument("--phase", nargs="?", default="train")
    program = TrainOptions if peek.parse_known_args(rest)[0].phase == "train" else TestOptions
    opt = parse_options(program, rest, PRESETS, METHODS)
    if opt.input_nc:
        raise InputError(
            f"--input_nc {opt.input_nc}: this checks label maps; train.py and test.py check conditioning images when "
            "they read them"
        )
    return own, opt


def main(argv: Sequence[str]) -> int:
    """Check the data set and report; return the exit status. Raises `InputError` for bad options."""
    own, opt = parse_args(argv)

    def bar(reports: Iterator[SampleReport], total: int) -> Iterator[SampleReport]:
        yield from tqdm(reports, desc="check", total=total, unit="sample", dynamic_ncols=True)

    if opt is None:
        return describe(own, bar)
    dataset_class = DATASETS[opt.dataset_mode]
    if not issubclass(dataset_class, PairedDataset):
        print(f"--dataset_mode {opt.dataset_mode} draws its samples: there are no files to check")
        if own.json:
            write_json(own.json, {"runs": True, "dataset_mode": opt.dataset_mode, "phase": opt.phase})
        return 0
    result = survey(dataset_class, opt, own.workers, bar)
    print_report(result, opt)
    if own.json:
        write_json(own.json, as_json(result, opt))
        print(f"everything, with all files named: {own.json}")
    is_proposed = bool(own.propose_palette) and write_palette(own.propose_palette, result)
    return 0 if result.is_fine or is_proposed else 1


def _check_description(own: argparse.Namespace, rest: Sequence[str]) -> None:
    """Raise an `InputError` unless the command line asks for a description of folders, and for nothing else."""
    form = "python -m scripts.prepare check LABELS PHOTOS --write data.toml"
    if len(own.folders) not in (2, 3):
        raise InputError(f"name the folder of label maps and that of photos: {form}")
    if not own.write:
        raise InputError(f"--write FILE: is missing, the description to write: {form}")
    if rest or own.propose_palette or own.json:
        words = [*rest[:1], *["--propose_palette"] * bool(own.propose_palette), *["--json"] * bool(own.json)]
        raise InputError(f"{words[0]}: does not go with --write; check --data {own.write} once it is there")
    if own.write.exists():
        raise InputError(f"--write {own.write}: is there already; name another file, or delete it first")
    if own.write.suffix.lower() != ".toml":
        raise InputError(f"--write {own.write}: the name must end in .toml")


def describe(own: argparse.Namespace, bar: Progress) -> int:
    """Survey folders, report, and write their description; return the exit status."""
    description, surveys = describe_folders(own.folders, own.write, own.palette, own.workers, bar)
    for name, result in surveys.items():
        print_counts(name, result)
        print_values(result)
        print_colors(result, description)
        print_problems(result)
        for warning in find_warnings(result):
            print(f"\nwarning: {warning.message}")
        print()
    write_description(description)
    return 0 if all(result.is_fine for result in surveys.values()) else 1


def print_counts(what: str, result: Survey) -> None:
    """Print how many files there are, where, and of which sizes."""
    counts = result.counts
    print(
        f"{what}: {counts['labels']} label maps, {counts['images']} photos, {counts['instances']} instance maps; "
        f"{counts['samples']} samples"
    )
    for kind, folder in result.folders.items():
        print(f"  {kind:<10} {folder}")
    print_sizes("label maps", result.label_sizes)
    print_sizes("photos", result.photo_sizes)


def print_report(result: Survey, opt) -> None:
    """Print the report as text."""
    print_counts(f"{opt.dataset_mode}, phase {opt.phase}", result)
    print_values(result)
    print_problems(result)
    for warning in find_warnings(result):
        print(f"\nwarning: {warning.message}")
    if result.pixels and not (result.ids.fixed and any(problem.kind == "label_range" for problem in result.problems)):
        print(f"\nflags for these files: {flags(propose(result, opt))}")
    if command := conversion(result, opt):
        print(f"to make id maps of them: {command}")
        print("  (--propose_palette FILE writes the colors seen, for you to name)")
    program = "training" if opt.is_train else "testing"
    count = len(result.problems)
    print(f"{program} would run" if result.is_fine else f"{program} would NOT run: {count} problem{'s' * (count > 1)}")


def print_sizes(what: str, sizes: Counter) -> None:
    """Print the most frequent sizes and the extremes of a kind of file."""
    if not sizes:
        return
    common = ", ".join(f"{width}x{height} ({files})" for (width, height), files in sizes.most_common(SIZES_SHOWN))
    widths, heights = zip(*sizes)
    others = f", and {len(sizes) - SIZES_SHOWN} others" if len(sizes) > SIZES_SHOWN else ""
    ranges = f"widths {min(widths)}..{max(widths)}, heights {min(heights)}..{max(heights)}"
    print(f"  sizes of {what}: {common}{others}; {ranges}")


def print_values(result: Survey) -> None:
    """Print a line for each label value, and the classes that no label map holds."""
    if not result.pixels:
        return
    print(f"\n{'value':>7} {'pixels':>14} {'fraction':>8} {'files':>8}  class")
    for row in result.value_rows():
        name = row["name"] if row["allowed"] else "OUT OF RANGE"
        print(f"{row['value']:>7} {row['pixels']:>14,} {row['fraction']:>8.2%} {row['files']:>8}  {name}")
    if unseen := result.unseen:
        names = [f"{value} {result.class_names[value]}" for value in unseen[:NAMES_SHOWN]]
        more = ", ..." if len(unseen) > NAMES_SHOWN else ""
        print(f"{len(unseen)} of {result.ids.count} classes are in no label map: {', '.join(names)}{more}")


def print_problems(result: Survey) -> None:
    """Print the first few problems of each kind."""
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
    """Print the first few names that one kind of file has and another lacks."""
    for kind, names in result.unpaired.items():
        if names:
            more = ", ..." if len(names) > NAMES_SHOWN else ""
            print(f"  {kind.replace('_', ' ')}: {len(names)} ({', '.join(names[:NAMES_SHOWN])}{more})")


def as_json(result: Survey, opt) -> dict[str, Any]:
    """The whole report; the module's docstring explains the keys."""
    proposal = propose(result, opt)
    return {
        "runs": result.is_fine,
        "dataset_mode": opt.dataset_mode,
        "phase": opt.phase,
        "options": {name: getattr(opt, name) for name in OPTIONS_SHOWN},
        "counts": result.counts,
        "problems": [problem._asdict() for problem in result.problems],
        "unpaired": result.unpaired,
        "values": result.value_rows(),
        "unseen_classes": [{"value": value, "name": result.class_names[value]} for value in result.unseen],
        "sizes": {"labels": size_rows(result.label_sizes), "images": size_rows(result.photo_sizes)},
        "photo_modes": dict(result.photo_modes),
        "warnings": [warning._asdict() for warning in find_warnings(result)],
        "colors": [{"color": list(color), "pixels": count} for color, count in result.colors.most_common()],
        "proposal": proposal | {"flags": flags(proposal), "command": conversion(result, opt)},
    }


def size_rows(sizes: Counter) -> list[dict[str, int]]:
    """Sizes of files with how often they occur, the most frequent first."""
    return [
        {"width": width, "height": height, "files": files}
        for (width, height), files in sizes.most_common(SIZES_IN_JSON)
    ]


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write a report to a file atomically."""
    try:
        with replacing(path) as temporary:
            temporary.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror}); name another file") from error


def write_palette(path: Path, result: Survey) -> bool:
    """Write the colors seen as a palette file and return True, or say that there are none."""
    lines = palette_lines(result)
    if not lines:
        print(f"{path}: not written, the label maps have no colors")
        return False
    with replacing(path) as temporary:
        temporary.write_text("# id r g b name\n" + "\n".join(lines) + "\n", encoding="utf-8")
    print(f"{path}: {len(lines)} colors to be named; give it to scripts.prepare convert_labels as --palette")
    return True
