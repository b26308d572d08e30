"""A GPU that is not there: one line that names it, and status 2, from every program that networks run in."""

import importlib

import pytest
import torch

from tests.gpu.jobs import run_on, run_program

pytestmark = pytest.mark.system

PROGRAMS = {
    "train": ["--no_vgg_loss"],
    "test": [],
    "evaluate": ["--fake", ".", "--real", "."],
    "scripts.segmenter.__main__": [],
    "scripts.paint.__main__": ["--export", "page"],
}
"""Module -> further flags. scripts.export runs on the CPU alone."""


@pytest.mark.parametrize("module", PROGRAMS)
def test_a_gpu_that_is_not_there_is_one_line(module, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as stop:
        importlib.import_module(module).main([*PROGRAMS[module], "--gpu_ids", "97"])
    assert stop.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "error: --gpu_ids 97: no such GPU; there are " in line and line.endswith("; -1 is the CPU")
    assert list(tmp_path.rglob("*.pth")) == []


@pytest.mark.parametrize("module", ["train", "evaluate"])
def test_several_processes_on_a_machine_say_it_once(module, tmp_path):
    flags = [flag.replace(".", str(tmp_path)) for flag in PROGRAMS[module]]
    said = run_on(torch.device("cpu"), 2, run_program, module, [*flags, "--gpu_ids", "0,97"])
    assert [status for status, _ in said] == [2, 2]
    assert [line for _, text in said for line in text.splitlines() if "error" in line] == [said[0][1].splitlines()[-1]]
    assert "--gpu_ids 97: no such GPU" in said[0][1] or "--gpu_ids 0: no such GPU" in said[0][1]


@pytest.mark.gpu
def test_more_processes_than_gpus_are_one_line(tmp_path):
    pytest.importorskip("dominate", reason="train.py writes pages with dominate, which is not installed")
    processes = torch.cuda.device_count() + 1
    said = run_on(torch.device("cuda"), processes, run_program, "train", ["--checkpoints_dir", str(tmp_path)])
    assert [status for status, _ in said] == [2] * processes
    (line,) = [line for _, text in said for line in text.splitlines() if "error" in line]
    assert f"{processes} processes on this machine need a GPU each; start {processes - 1}, or name more GPUs" in line
