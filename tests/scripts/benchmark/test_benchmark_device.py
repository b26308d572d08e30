"""`python -m scripts.benchmark device` runs from a copied tree, keeps what it has measured, and reports it."""

import json
import os
import re
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, packages_distributions, requires
from pathlib import Path

import pytest
import torch

from models.tables import plain_lookup
from models.tables.modulation import modulate
from models.tables.neighborhoods import Neighborhoods
from scripts.benchmark.__main__ import main
from scripts.benchmark.device import stages
from scripts.benchmark.device.command import to_do
from scripts.benchmark.device.defaults import defaults_lines
from scripts.benchmark.device.job import Job, carry_out
from scripts.benchmark.device.kernels import Traffic, kernel_seconds, of_training
from scripts.benchmark.device.machine import describe
from scripts.benchmark.device.records import COMPLETE, CUT, FAILED, Record, read_record
from scripts.benchmark.device.report import render
from scripts.benchmark.device.stages import Ended, run_limited
from scripts.benchmark.device.tests import judge, parse
from scripts.benchmark.device.training import Trainings

pytestmark = pytest.mark.tools

ROOT = Path(__file__).parents[3]
NEEDED = ("torch", "torchvision", "numpy", "pillow", "tqdm", "scipy")
"""What docs/scale.md promises to be enough, with what these need themselves."""
BLOCKER = """
import json, os, sys
from importlib.machinery import PathFinder

class Without(PathFinder):
    names = frozenset(json.loads(os.environ["BLOCKED"]))

    @classmethod
    def find_spec(cls, name, path=None, target=None):
        return None if name.partition(".")[0] in cls.names else super().find_spec(name, path, target)

sys.meta_path[sys.meta_path.index(PathFinder)] = Without
"""
"""Python's own finder of modules, which does not find some."""
GPU = {"device": "NVIDIA H100", "kind": "cuda", "torch": "2.11.0"}


def needed_with_their_needs() -> set[str]:
    """Names of the distributions that `NEEDED` consists of, in lower case."""
    found, waiting = set(), list(NEEDED)
    while waiting:
        name = waiting.pop().lower().replace("_", "-")
        if name in found:
            continue
        found.add(name)
        try:
            lines = requires(name) or ()
        except PackageNotFoundError:  # for another system
            continue
        waiting += [re.match(r"[\w.-]+", line)[0] for line in lines if "extra ==" not in line]
    return found


@pytest.fixture(scope="module")
def measured(tmp_path_factory) -> Path:
    """The results of a whole call without a GPU, on a machine without any other package."""
    allowed = needed_with_their_needs()
    others = {
        name
        for name, owners in packages_distributions().items()
        if allowed.isdisjoint(owner.lower().replace("_", "-") for owner in owners)
    }
    assert {"dominate", "tensorboard", "matplotlib", "onnx", "pytest"} <= others
    folder = tmp_path_factory.mktemp("device")
    (folder / "sitecustomize.py").write_text(BLOCKER, encoding="utf-8")
    environment = os.environ | {
        "BLOCKED": json.dumps(sorted(others)), "PYTHONPATH": str(folder), "CUDA_VISIBLE_DEVICES": "",
    }  # fmt: skip
    words = [sys.executable, "-m", "scripts.benchmark", "device", "--output", str(folder / "results")]
    done = subprocess.run([*words, "--minutes", "30"], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder / "results"


def test_without_a_gpu_the_stages_run_tiny_and_say_so(measured):
    outcomes = {stage: read_record(measured, stage) for stage in stages.STAGES}
    assert [record.outcome for record in outcomes.values()] == ["left out", *[COMPLETE] * 3, "left out"]
    assert not [row for record in outcomes.values() for row in record.rows if "failure" in row]
    text = (measured / "report.md").read_text(encoding="utf-8")
    assert "No GPU: tiny networks on a CPU" in text and "Nothing follows from tiny networks" in text
    assert "| tests | left out: there is no GPU here |" in text
    assert text == render(measured)


def test_all_ways_generate_the_same_images_and_take_turns(measured):
    (row,) = read_record(measured, "generator").rows
    assert set(row["ways"]) == {"published", "dense", "dense, channels-last", "table", "another style"}
    assert all(found["difference"] < 1e-4 for found in row["ways"].values())
    assert len({len(found["seconds"]) for found in row["ways"].values()}) == 1


def test_trainings_are_measured_in_pairs_and_the_loader_is_tried(measured):
    rows = {row["name"]: row for row in read_record(measured, "training").rows}
    assert list(rows) == ["dense", "table", "loader"]
    assert len(rows["table"]["seconds"]) == len(rows["table"]["dense_seconds"]) >= 3
    assert all(rows["loader"][name] > 0 for name in ("samples_loader", "images_loader", "images_memory"))


def test_kernels_are_those_of_the_fastest_rows(measured):
    speed, *rows = read_record(measured, "kernels").rows
    assert speed["products"]["fp32"] > 0 and speed["copy"] > 0 and len(rows) == 2
    rows.append(of_training(Trainings(Job(measured, "cpu")), "table"))
    assert rows[-1]["of"] == "fp32 table, batch 2"
    for row in rows:
        assert len(row["kernels"]) == 3 and 0 < sum(kernel["fraction"] for kernel in row["kernels"]) <= 1
        assert row["multiply_adds"] > 0 and row["bytes"] > 0


def test_a_second_call_measures_nothing_that_is_there(measured, capsys, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    before = {path.name: path.stat().st_mtime_ns for path in measured.glob("*.json")}
    main(["device", "--output", str(measured)])
    assert "up to" not in capsys.readouterr().out
    assert before == {path.name: path.stat().st_mtime_ns for path in measured.glob("*.json")}


def test_figures_of_another_machine_are_not_joined(tmp_path, capsys):
    Record("generator", GPU).write(tmp_path)
    with pytest.raises(SystemExit) as ended:
        main(["device", "--output", str(tmp_path), "--only", "generator"])
    assert ended.value.code == 2 and "has figures of NVIDIA H100" in capsys.readouterr().err


@pytest.mark.parametrize("measured_with, typed", [("", "real"), ("real", "")])
def test_figures_of_other_label_maps_are_not_joined(measured_with, typed, tmp_path, capsys):
    (tmp_path / "real").mkdir()
    of = {typed: str(tmp_path / typed) if typed else "" for typed in ("", "real")}
    Record("kernels", describe(), outcome=COMPLETE, data=of[measured_with]).write(tmp_path / "results")
    with pytest.raises(SystemExit) as ended:
        main(["device", "--output", str(tmp_path / "results"), *(["--data", of[typed]] if typed else [])])
    error = capsys.readouterr().err
    assert ended.value.code == 2 and error.count("\n") == 1 and "made-up label maps" in error
    assert f"label maps of --data {of['real']}" in error and error.endswith("; name another folder\n")


def test_what_was_left_out_is_tried_again_where_it_may_be_possible():
    cpu = GPU | {"kind": "cpu"}
    outcomes = {"tests": "left out", "generator": COMPLETE, "training": CUT, "compiled": "left out"}
    for machine, waiting in ((GPU, ["tests", "training", "compiled"]), (cpu, ["training"])):
        records = {name: Record(name, machine, outcome=outcome) for name, outcome in outcomes.items()}
        assert to_do(records) == waiting


@pytest.mark.parametrize("place, why", [("file", "is a file; name a folder"), ("file/x", "cannot be written (Not a")])
def test_a_place_for_results_is_tried_before_anything_is_measured(place, why, tmp_path, capsys):
    (tmp_path / "file").write_text("", encoding="utf-8")
    for words in (["device", "--output"], *([["report"]] if place == "file" else [])):
        with pytest.raises(SystemExit) as ended:
            main([*words, str(tmp_path / place)])
        said = capsys.readouterr()
        assert ended.value.code == 2 and said.out == "" and f"{tmp_path / place}: {why}" in said.err
        assert said.err.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("device --output x --minutes 0", "--minutes 0: must be from 0.2 to 1440"),
        ("device --output x --data nowhere", "--data nowhere: no such folder"),
        ("report nowhere", "nowhere: no results here; python -m scripts.benchmark device --output nowhere writes them"),
    ],
)
def test_bad_input_is_one_line(words, message, capsys):
    with pytest.raises(SystemExit) as ended:
        main(words.split())
    error = capsys.readouterr().err
    assert ended.value.code == 2 and message in error and error.count("\n") == 1


CASE = {"precision": "fp32", "batch": 1, "size": "64x64", "ngf": 2}
WAY = {"seconds": [1, 1], "peak_mib": None, "difference": 0}


@pytest.mark.parametrize(
    "stage, rows, why",
    [
        ("kernels", [{}], "it has rows, which holds an item that has no key"),
        ("kernels", None, "it has rows, which is not a list"),
        ("tests", [{"key": "a"}], "its row 'a' has none of result"),
        ("training", [{"key": "a", "flags": "--x"}], "its row 'a' has no precision"),
        ("kernels", [{"key": "speed", "products": {"fp32": 0}}], "has fp32, which is not above 0"),
        ("generator", [CASE | {"key": "a", "mode": "coco", "maps": "real", "ways": {"x": None}}], "x, which is not an"),
        (
            "generator",
            [CASE | {"key": "a", "mode": "c", "maps": "r", "ways": {"x": WAY, "y": WAY | {"seconds": [1, 1, 1]}}}],
            "has rounds of different numbers",
        ),
    ],
)  # fmt: skip
def test_rows_of_wrong_contents_are_refused_in_a_line(stage, rows, why, tmp_path, capsys):
    Record(stage, GPU, rows=rows).write(tmp_path)
    assert f"{tmp_path / stage}.json: is no record of scripts.benchmark device (" in report_error(tmp_path, capsys, why)


@pytest.mark.parametrize(
    "content, why",
    [
        ("[]", "(it is not an object)"),
        ("{", "(it is no JSON)"),
        ("[" * 10**5, "(it is nested too deeply)"),
        ('{"stage": "kernels", "outcome": "complete"}', "(it has no machine)"),
        ('{"stage": "kernels", "machine": []}', "(it has machine, which is not an object)"),
        (json.dumps(vars(Record("training", GPU))), "(it is of the stage 'training')"),
        (json.dumps(vars(Record("kernels", GPU)) | {"more": 1}), "(it has more, which no record has)"),
    ],
    ids=range(7),
)
def test_files_of_wrong_contents_are_refused_in_a_line(content, why, tmp_path, capsys):
    (tmp_path / "kernels.json").write_text(content, encoding="utf-8")
    assert report_error(tmp_path, capsys, why).endswith("; move it away\n")


def report_error(folder: Path, capsys, why: str) -> str:
    with pytest.raises(SystemExit) as ended:
        main(["report", str(folder)])
    error = capsys.readouterr().err
    assert ended.value.code == 2 and why in error and error.count("\n") == 1
    return error


def test_a_row_that_fails_costs_that_row_alone(tmp_path):
    def fail():
        raise torch.OutOfMemoryError("CUDA out of memory")

    record = Record("nonsense", GPU)
    carry_out({"a": lambda: {"x": 1}, "b": fail, "c": lambda: {"x": 2}}, record, tmp_path, float("inf"))
    found = read_record(tmp_path, "nonsense")
    assert found == record and found.outcome == COMPLETE
    assert found.rows == [{"key": "a", "x": 1}, {"key": "b", "failure": "CUDA out of memory"}, {"key": "c", "x": 2}]


def test_rows_without_time_are_missing_and_measured_later(tmp_path):
    record = Record("nonsense", GPU)
    plan = {"a": lambda: {}, "b": lambda: {}}
    carry_out(plan, record, tmp_path, float("-inf"))
    assert record.outcome == CUT and record.missing == ["a", "b"]
    record.current = "a"  # during which an earlier call was cut: last now, for it may hang again
    carry_out(plan, record, tmp_path, float("inf"))
    assert [row["key"] for row in record.rows] == ["b", "a"] and record.outcome == COMPLETE


def test_a_lost_gpu_ends_the_process_with_what_is_there(tmp_path):
    def lose():
        raise RuntimeError("CUDA error: an illegal memory access was encountered")

    with pytest.raises(RuntimeError):
        carry_out({"a": lambda: {}, "b": lose}, Record("nonsense", GPU), tmp_path, float("inf"))
    found = read_record(tmp_path, "nonsense")
    assert [row["key"] for row in found.rows] == ["a"] and found.current == "b"


def test_a_process_that_hangs_is_ended_with_its_children():
    child = (
        "import subprocess, sys; print(subprocess.Popen(['sleep', '600']).pid, flush=True); input() if 0 else None; "
    )
    ended = run_limited(["-c", child + "import time; time.sleep(600)"], 2)
    assert ended.status is None
    pid = int(ended.text)
    state = Path(f"/proc/{pid}/stat")
    assert not state.exists() or state.read_text(encoding="utf-8").split()[2] == "Z"


def test_a_crash_is_blamed_on_its_row_and_a_stage_without_rows_is_failed(tmp_path):
    """Of a stage that has no module: its process ends before its first row."""
    record = stages.carry_out(Record("nonsense", GPU), tmp_path, 60, None)
    assert record.outcome == FAILED and "No module named" in record.reason and record.last_lines
    text = "x\nFatal Python error: Segmentation fault"
    assert stages.end_in_words(Ended(-11, text)) == f"was ended by signal 11: {text.splitlines()[1]}"


OUTPUT = """\
tests/models/test_a.py::test_one[fp32-5 x 5] PASSED                      [ 25%]
tests/models/test_a.py::test_two FAILED                                  [ 50%]
tests/models/test_b.py::test_three SKIPPED (one GPU)                     [ 75%]
"""
SUMMARY = "FAILED tests/models/test_a.py::test_two - AssertionError: 1e-2 > 1e-3\n"


def test_results_of_pytest_are_read_with_reasons():
    rows, hanging = parse(OUTPUT + SUMMARY)
    assert [row["result"] for row in rows] == ["PASSED", "FAILED", "SKIPPED"] and hanging is None
    assert rows[0]["key"] == "tests/models/test_a.py::test_one[fp32-5 x 5]"
    assert rows[1]["reason"] == "AssertionError: 1e-2 > 1e-3"


def test_a_test_that_hangs_is_named(tmp_path):
    record = Record("tests", GPU)
    judge(record, Ended(None, OUTPUT + "tests/models/test_b.py::test_four "), 90)
    assert (
        record.outcome == CUT and record.reason == "its 90 seconds were over during tests/models/test_b.py::test_four"
    )
    assert len(record.rows) == 3
    record.write(tmp_path)
    text = render(tmp_path)
    assert "1 passed, 1 failed, 1 skipped." in text and record.reason in text


def generator_row(precision: str, **seconds: float) -> dict:
    names = {"nchw": "dense", "last": "dense, channels-last", "table": "table"}
    ways = {
        names[name]: {"seconds": [value] * 4, "peak_mib": 100 * value, "difference": 1e-6}
        for name, value in seconds.items()
    }
    return {
        "key": f"coco 16 {precision}", "mode": "coco", "size": "256x256", "batch": 16, "precision": precision,
        "ngf": 64, "maps": "made up", "ways": ways,
    }  # fmt: skip


def training_row(precision: str, name: str, seconds: list[float], peak: float) -> dict:
    return {
        "key": f"{precision} {name}", "precision": precision, "name": name, "batch": 8, "size": "256x256", "ngf": 64,
        "vgg": True, "flags": f"--x {name}", "seconds": seconds, "dense_seconds": [2.0] * 4, "peak_mib": peak,
        "warm_up": 1.0,
    }  # fmt: skip


def gpu_records() -> dict[str, Record]:
    rows = [generator_row("bf16", nchw=2, last=1, table=0.5), generator_row("fp32", nchw=4, last=5, table=8)]
    trainings = [training_row("fp32", "dense", [2.0] * 4, 1000), training_row("fp32", "table", [1, 1, 4, 4], 500)]
    return {
        "generator": Record("generator", GPU, "typed", "2026-11-27", COMPLETE, rows=rows),
        "training": Record("training", GPU, "typed", "2026-11-27", COMPLETE, rows=trainings),
    }


def test_ratios_of_the_report_are_to_the_best_dense_way(tmp_path):
    records = gpu_records()
    records["generator"].rows[1]["ways"]["published"] = {"failure": "CUDA out of memory"}
    for record in records.values():
        record.write(tmp_path)
    text = render(tmp_path)
    assert text.startswith("# Measured on NVIDIA H100\n") and "- `typed`, 2026-11-27" in text
    assert "| bf16 | table | 32 (32..32) | 2.00 (2.00..2.00) | 50 | 0.50 | 1.0e-06 |" in text
    assert "| fp32 | **dense** | 4 (4..4) | 1.00 (1.00..1.00) | 400 | 1.00 | 1.0e-06 |" in text
    assert "| fp32 | table | 2 (2..2) | 0.50 (0.50..0.50) | 800 | 2.00 |" in text
    assert "| `--x table` | 8 | 5 (2..8) | 1.25 (0.50..2.00) | 500 | 0.50 |" in text
    assert "- generator: coco 16 fp32, published failed: CUDA out of memory" in text
    assert "- kernels: not begun" in text


def test_defaults_follow_only_from_what_is_beyond_the_spread():
    rows = [line for line in defaults_lines(gpu_records()) if line.startswith("| `")]
    lines = {" ".join(cell.strip("| `") for cell in row.split(" | ")[:2]): row for row in rows}
    assert "| table | table / dense: 2.00" in lines["--modulation generating, coco 16 bf16"]
    assert lines["--modulation generating, coco 16 bf16"].endswith("| dense | **no** |")
    assert lines["--modulation generating, coco 16 fp32"].endswith("| dense | yes |")
    assert lines["--channels_last generating, coco 16 fp32"].endswith("| on | **no** |")  # NCHW is faster there
    assert "no difference beyond the spread" in lines["--modulation training, fp32"]
    assert "| bf16 | bf16 / fp32: 4.00 (4.00..4.00) |" in lines["--precision generating, coco 16 bf16"]


def test_bytes_are_counted_once_an_operator_and_views_are_free():
    a, b = torch.ones(1000), torch.ones(10, 100)
    with Traffic() as traffic:
        a.view(10, 100) + b  # reads two, writes one
        a.mul_(2)  # reads and writes one tensor
    assert traffic.bytes == 3 * 4000 + 4000


def test_ranges_of_the_program_are_no_kernels(monkeypatch):
    class Event:
        def __init__(self, key, microseconds):
            self.key, self.self_cpu_time_total = key, microseconds

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    found = kernel_seconds([Event("aten::mm", 5e5), Event("ProfilerStep#1", 9e5), Event("aten::mm", 5e5)])
    assert found == {"aten::mm": 1.0}


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_the_plain_lookup_is_that_of_triton():
    labels = torch.randint(3, (2, 16, 16), device="cuda")
    sites = Neighborhoods(3).sites(labels, None, None)
    x, rows = (torch.randn(*shape, device="cuda") for shape in ((2, 8, 8, 8), (len(sites.neighborhoods.outer), 16)))
    by_triton = modulate(x, rows, sites, 0.2, 2)
    with plain_lookup():
        assert torch.allclose(by_triton, modulate(x, rows, sites, 0.2, 2), atol=1e-6)
