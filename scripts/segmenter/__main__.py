"""Train a segmenter on your own data: a small network with which evaluate.py scores generated images.

    python -m scripts.segmenter --name segmenter                    # of the landscapes drawn in memory, in minutes
    python -m scripts.segmenter --name segmenter --dataset_mode custom --label_dir LABELS --image_dir PHOTOS \\
        --val_label_dir LABELS --val_image_dir PHOTOS --label_nc 20
    python evaluate.py --name RUN --segmenter segmenter

It is trained on real training photos and validated on other real photos. Its scores there are an upper limit of what
generated images can reach. Give it the --crop_size and --aspect_ratio of the images to be scored.
"""

from util.console import exit_statuses, slow_imports

import sys
from collections.abc import Sequence

from data import PRESETS
from options.scale import scale_note
from scripts.segmenter.options import SegmenterOptions, parse_args
from util.launcher import require_one_process


@exit_statuses(SegmenterOptions.program, interrupted="interrupted; nothing is saved")
def main(argv: Sequence[str] | None = None) -> int:
    """Train, validate and save a segmenter; return the exit status."""
    opt = parse_args(argv)
    require_one_process(opt.program)
    if note := scale_note(opt, PRESETS[opt.dataset_mode]):
        print(f"{opt.program}: warning: {note}", file=sys.stderr)
    with slow_imports():  # only now, as PyTorch takes seconds: --help and wrong options are answered at once
        from scripts.segmenter.run import run
    run(opt)
    return 0


if __name__ == "__main__":
    sys.exit(main())
