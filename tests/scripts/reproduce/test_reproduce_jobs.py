"""Slurm scripts of the runs, under stand-ins for Slurm's programs."""

import os
import subprocess

import pytest

from scripts.reproduce.jobs import write_jobs
from tests.scripts.shell import ROOT, write_program
from util.errors import InputError

pytestmark = pytest.mark.tools

SBATCH = 'echo "sbatch $*" >>"$CALLS"; n=$(wc -l <"$CALLS"); [[ $* != *--parsable* ]] || echo "$n"'


@pytest.fixture
def jobs(plan_of, tmp_path):
    """Write the scripts of two runs; return a function that runs one of them and says what was called."""
    folder, calls = tmp_path / "two words", tmp_path / "calls"
    plan = plan_of("table4 --rows kernelsize_1x1 params_96m --budget minutes 2")
    assert write_jobs(plan, folder).startswith(f"5 scripts are in {folder}; ")
    programs = {
        "sbatch": SBATCH,
        "python": 'echo "$*" >>"$CALLS"; [[ $1 != "${FAIL:-}" ]]',
        "srun": 'while [[ $1 == --* ]]; do shift; done; "$@"',
    }
    programs["scontrol"] = "case $2 in hostnames) echo here ;; *) echo JobState=RUNNING ;; esac"
    for name, text in programs.items():
        write_program(tmp_path / "bin" / name, text)

    def run(name: str, *words: str, **variables: str) -> tuple[int, list[str]]:
        calls.write_text("")
        path = f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}"
        environment = {"PATH": path, "CALLS": str(calls), "SPADE_PYTHON": str(tmp_path / "bin" / "python")}
        environment |= {"SLURM_JOB_ID": "7", "SLURM_JOB_NODELIST": "here", "SLURM_NTASKS": "1"} | variables
        done = subprocess.run(
            ["bash", folder / name, *words], cwd=ROOT, env=os.environ | environment, capture_output=True, text=True
        )
        return done.returncode, calls.read_text().splitlines()

    run.plan, run.folder = plan, folder
    return run


def test_a_job_trains_by_the_cluster_script_and_then_tests_and_scores(jobs):
    run = jobs.plan.runs[0]
    status, calls = jobs(f"{run.name}.sh")
    assert status == 0
    assert [call.split()[0] for call in calls] == ["train.py", "test.py", "evaluate.py"]
    assert calls[0] == " ".join(["train.py", "--auto_resume", *run.train_flags])
    assert calls[1] == " ".join(["test.py", *run.scored.test_flags])
    text = (jobs.folder / f"{run.name}.sh").read_text()
    assert f"#SBATCH --job-name={run.name}" in text and "#SBATCH --signal=B:USR1@300" in text


@pytest.mark.parametrize(("fails", "called"), [("train.py", 1), ("test.py", 2), ("evaluate.py", 3)])
def test_a_step_that_fails_ends_the_job_with_an_error(jobs, fails, called):
    status, calls = jobs(f"{jobs.plan.runs[0].name}.sh", FAIL=fails)
    assert status != 0 and len(calls) == called


def test_trainings_wait_for_the_segmenter_and_the_page_for_the_trainings(jobs):
    status, calls = jobs("submit.sh", "--gpus-per-node=8")
    names = [run.name for run in jobs.plan.runs]
    assert status == 0
    assert [call.rpartition("/")[2] for call in calls][1:] == [*(f"{name}.sh" for name in names), "page.sh"]
    assert "--dependency" not in calls[0] and "/segmenter_landscapes_64x64_" in calls[0]
    assert all("--dependency=afterok:1 --gpus-per-node=8" in call for call in calls[1:3])
    assert "--dependency=afterany:2:3 " in calls[3]


def test_a_trained_segmenter_is_kept(jobs):
    (name,) = {step.run for step in jobs.plan.steps if step.what == "segmenter"}
    assert jobs(f"{name}.sh")[1][0].startswith(f"-m scripts.segmenter --name {name}")
    folder = jobs.plan.args.checkpoints_dir / name
    folder.mkdir(parents=True)
    (folder / "segmenter.json").touch()
    assert jobs(f"{name}.sh") == (0, [])


def test_files_of_others_are_not_replaced(jobs):
    (jobs.folder / "page.sh").write_text("mine")
    with pytest.raises(InputError, match=r"page\.sh: is there already and is no script of this program"):
        write_jobs(jobs.plan, jobs.folder)
