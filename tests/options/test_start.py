"""Help and mistakes are answered without waiting for PyTorch."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SLOW = {"torch", "torchvision", "scipy", "matplotlib", "numpy", "PIL", "tqdm", "dominate"}
CODE = """
import sys
sys.argv = sys.argv[1:]
program = __import__(sys.argv[0].removesuffix(".py"), fromlist=["main"])
lines = [["--help"], ["--help", "all"], ["--method", "oasis", "--dataset_mode", "coco", "--help", "data"]]
for words in [*lines, ["--no_such_option"], ["--how_man", "3"], ["--crop_size", "0"], *WRONG]:
    try:
        program.main(words)
    except SystemExit as stop:
        assert stop.code == (0 if "--help" in words else 2), (words, stop.code)
    else:
        raise AssertionError(words)
found = sorted(SLOW & sys.modules.keys())
assert not found, found
"""


@pytest.mark.system
@pytest.mark.parametrize(
    ("program", "wrong"),
    [
        ("train", [["--crop_size", "80"], ["--netG", "pix2pixhd", "--use_vae"], ["--load_from_opt_file"]]),
        ("test", [["--style_image", "photo.png"], ["--dataset_mode", "custom"]]),
        ("evaluate", [[], ["--fake", "images", "--name", "run"]]),
        ("scripts.segmenter.__main__", [["--phase", "val"], ["--minutes", "3", "--epochs", "4"]]),
        ("scripts.export.__main__", [[], ["--output", "a.txt"]]),
        ("scripts.compare.__main__", [[], ["run", "--how_many", "0"]]),
        ("scripts.study.__main__", [["a"], ["a", "b", "--pairs", "0"]]),
    ],
)
def test_help_and_mistakes_import_nothing_slow(program, wrong, tmp_path):
    code = f"SLOW, WRONG = {SLOW!r}, {wrong!r}\n{CODE}"
    words = [sys.executable, "-c", code, program]
    environment = {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"}
    done = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr[-2000:]
