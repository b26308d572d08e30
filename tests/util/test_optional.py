"""Packages that only some options need: everything else works without them, and what needs one says so in time."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import train as train_program
from tests.runs import TINY, train
from util.errors import InputError
from util.optional import PACKAGES, require

ROOT = Path(__file__).parents[2]
BROKEN = {
    "missing": ("raise ModuleNotFoundError(\"No module named 'x'\", name='x')", "No module named 'x'"),
    "wrong protobuf": (
        "raise TypeError('Descriptors cannot be created directly.\\nIf this call came from a _pb2.py file')",
        "Descriptors cannot be created directly.",
    ),
    "a folder of that name": ("", "attribute|cannot import|No module named|requires TensorBoard"),
    "nothing said": ("raise AttributeError", "AttributeError"),
}


@pytest.fixture
def broken(tmp_path, monkeypatch):
    """Put a broken package in the place of one that may be installed."""

    def put(name: str, body: str) -> None:
        (tmp_path / "site" / name).mkdir(parents=True)
        (tmp_path / "site" / name / "__init__.py").write_text(body, encoding="utf-8")
        for loaded in [module for module in sys.modules if module.split(".")[0] == name]:
            monkeypatch.delitem(sys.modules, loaded)
        monkeypatch.delitem(sys.modules, PACKAGES[name].probe[0], raising=False)
        monkeypatch.syspath_prepend(tmp_path / "site")
        put_away.append(name)

    put_away: list[str] = []
    yield put
    for module in [module for module in sys.modules if module.split(".")[0] in put_away]:
        del sys.modules[module]  # or tests that follow would import it


@pytest.mark.parametrize("kind", BROKEN)
@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_that_cannot_be_imported_is_one_line(package, kind, broken):
    body, reason = BROKEN[kind]
    broken(package, body)
    with pytest.raises(InputError, match=reason) as caught:
        require(package)
    line = str(caught.value)
    assert line.startswith(f"{PACKAGES[package].needed_by}: the package {package} cannot be imported (")
    assert line.endswith(f"; pip install {PACKAGES[package].install}, or {PACKAGES[package].without}")
    assert "\n" not in line


def test_a_training_without_tensorboard_ends_before_an_earlier_run_is_moved(tmp_path, broken, capsys):
    argv = [*TINY.split(), "--checkpoints_dir", str(tmp_path), "--name", "run", "--max_dataset_size", "2"]
    argv += ["--niter", "1", "--niter_decay", "0", "--no_html"]
    assert train_program.main([*argv, "--no_tensorboard"]) == 0
    earlier = sorted(tmp_path.rglob("*"))
    broken("tensorboard", BROKEN["missing"][0])
    with pytest.raises(SystemExit) as stop:
        train_program.main(argv)
    assert stop.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()[-1:]
    assert line.startswith("train.py: error: TensorBoard files: the package tensorboard cannot be imported (")
    assert sorted(path for path in tmp_path.rglob("*") if "site" not in path.parts) == earlier
    assert train_program.main([*argv, "--no_tensorboard"]) == 0


def test_a_name_that_is_no_text_is_refused_for_tensorboard_alone(tmp_path):
    """Bytes of an old encoding, as they come from the command line."""
    argv = [*TINY.split(), "--checkpoints_dir", str(tmp_path), "--name", "Stra\udcdfe", "--max_dataset_size", "2"]
    argv += ["--niter", "1", "--niter_decay", "0"]
    status, said = train(argv)
    assert status == 2
    assert r"/Stra\udcdfe' is no UTF-8, so TensorBoard cannot write there" in said.splitlines()[-1]
    status, said = train([*argv, "--no_tensorboard"])
    assert status == 0, said
    assert (tmp_path / "Stra\udcdfe" / "latest_net_G.pth").exists()


STARTED = """
import train, test, evaluate
import trainers.run, trainers.loading, evaluation.run, evaluation.generation  # once the options are known
from data import DATASETS
from models import METHODS
from util.device import prepare_torch
for dataset in DATASETS.values(): dataset.preset
for method in METHODS.values(): method.load()
"""
"""A program that has started, whatever its options."""


@pytest.mark.system
def test_programs_start_without_any_of_them(tmp_path):
    """All in one go, as each start takes seconds."""
    for name in PACKAGES:
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text(f"raise ModuleNotFoundError(name={name!r})", encoding="utf-8")
    words = [sys.executable, "-c", STARTED]
    environment = os.environ | {"PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"}
    done = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.system
def test_programs_start_without_what_takes_long_to_import():
    """torchvision and the compiler of torch take longer than all of the project; parts of SciPy a tenth of a start.

    SciPy imports a part when it is first used as an attribute: `import scipy`, then `scipy.ndimage.label`.
    """
    slow = {"torchvision", "torch._dynamo", "scipy.stats", "scipy.ndimage", "scipy.linalg", "scipy.interpolate"}
    code = f"{STARTED}\nimport sys; prepare_torch(seed=0); print({slow} & sys.modules.keys())"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
