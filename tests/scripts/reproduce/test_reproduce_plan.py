"""What is planned for a table, and what is refused before anything is trained."""

import pytest

from models import METHODS, create_model
from models.networks.init import parameter_count
from scripts.reproduce.__main__ import main
from scripts.reproduce.estimate import disk_bytes, hours_left
from scripts.reproduce.rows import TABLES, choose_rows, key_of, method_of
from scripts.reproduce.state import how_far
from tests.scripts.reproduce.conftest import TINY
from trainers.saves import Saves
from util.errors import InputError

pytestmark = pytest.mark.tools

ROWS_4 = "table4 --rows kernelsize_1x1 params_141m params_96m syncbatchnorm"


def flags_of(words) -> dict[str, str]:
    """The values of flags by name; None for switches."""
    values = {}
    for word, after in zip(words, [*words[1:], "--"]):
        if word.startswith("--"):
            values[word] = None if after.startswith("--") else after
    return values


@pytest.mark.parametrize("table", TABLES)
def test_every_row_has_a_key_of_its_own_by_which_it_is_chosen(table):
    keys = [key_of(table, row) for row in TABLES[table]]
    assert len({*keys}) == len(keys)
    for key, row in zip(keys, TABLES[table]):
        assert choose_rows(table, [key]) == choose_rows(table, [row.name]) == {key: row}
    assert list(choose_rows(table, None)) == keys


def test_methods_of_table_1_are_chosen_as_they_are_typed():
    assert list(choose_rows("table1", ["spade", "pix2pixHD"])) == ["pix2pixhd", "spade"]


def test_rows_of_equal_flags_are_trained_once_and_ngf_scales_their_widths(plan_of):
    plan = plan_of(f"{ROWS_4} --budget minutes 1.5")
    assert [row.name for row in plan.rows] == ["kernelsize 1x1", "#params 141M", "#params 96M", "SyncBatchNorm"]
    assert [[row.name for row in run.rows] for run in plan.runs[2:]] == [["#params 96M", "SyncBatchNorm"]]
    assert [run.opt.ngf for run in plan.runs] == [4, 5, 4]  # 80 / 64 of 4
    small, wide, usual = (run.parameters for run in plan.runs)
    assert small < usual < wide


def test_a_run_is_trained_tested_and_scored_by_the_programs_of_a_user(plan_of, tmp_path):
    plan = plan_of("table4 --rows kernelsize_1x1 --budget minutes 1.5 --seeds 2 --eval_flags '--how_many 3'")
    assert [step.what for step in plan.steps] == ["segmenter", *["train", "test", "score"] * 2]
    segmenter, train, test, score, again, *_ = (step.words for step in plan.steps)
    name = "table4_landscapes_kernelsize_1x1"
    assert [train[0], test[0], score[0], segmenter[:2]] == [
        "train.py",
        "test.py",
        "evaluate.py",
        ["-m", "scripts.segmenter"],
    ]
    flags = flags_of(train)
    assert flags["--name"] == name and flags_of(again)["--name"] == f"{name}_seed1"
    assert (flags["--seed"], flags_of(again)["--seed"]) == ("0", "1")
    assert (flags["--max_minutes"], flags["--niter_decay"], flags["--crop_size"]) == ("1.5", "0", "64")
    assert "--auto_resume" in flags
    assert flags_of(test)["--how_many"] == flags_of(score)["--how_many"] == "3"
    assert flags_of(score)["--segmenter"] == flags_of(segmenter)["--name"]
    assert flags_of(score)["--results_dir"] == str(tmp_path / "results")


def test_a_segmenter_of_the_user_is_not_trained(plan_of):
    plan = plan_of("table4 --rows kernelsize_1x1 --budget minutes 1 --eval_flags '--segmenter mine --features random'")
    assert [step.what for step in plan.steps] == ["train", "test", "score"]
    assert flags_of(plan.steps[-1].words)["--segmenter"] == "mine"


def test_segmenters_of_other_data_or_sizes_have_other_names(plan_of):
    names = [
        plan_of(f"table4 --rows kernelsize_1x1 --budget minutes 1 {more}", "--ngf 4").steps[0].run
        for more in (
            "--crop_size 64",
            "--crop_size 128",
            "--crop_size 64 --max_dataset_size 8",
            "--crop_size 64 --lr 1",
        )
    ]
    assert len({*names}) == 3 and names[0] == names[3]  # the learning rate is not its own


def test_sims_gets_a_bank_of_the_training_photos_unless_the_user_has_one(plan_of, tmp_path):
    words = "table1 --methods sims spade --budget minutes 1 --sims_width 4 --max_dataset_size 8"
    plan = plan_of(words)
    (step,) = (step for step in plan.steps if step.what == "bank")
    path = flags_of(step.words)["--output"]
    assert list(step.words[:3]) == ["-m", "scripts.prepare", "bank"]
    assert flags_of(step.words)["--max_dataset_size"] == "8"
    assert [flags_of(run.train_flags).get("--bank") for run in plan.runs] == [path, None]
    assert "--sims_width" not in plan.runs[1].train_flags  # SPADE has no such option
    assert not step.is_done()
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / path.rpartition("/")[2]).touch()
    assert step.is_done()
    assert "bank" not in [step.what for step in plan_of(f"{words} --bank mine.npz").steps]


def test_a_plan_measures_steps_of_sims_before_its_bank_is_made(plan_of):
    words = "table1 --methods sims spade --budget images 8 --sims_width 2 --no_vgg_loss --max_dataset_size 4"
    run, _ = plan_of(words).runs
    assert run.bank and hours_left(run) > 0 and not run.bank.path.exists()
    assert flags_of(run.scored.segmenter.words)["--batch_size"] == "4"  # it has no more photos


def test_the_papers_budget_keeps_the_published_epochs(plan_of):
    (run,) = plan_of("table4 --rows kernelsize_1x1 --dataset_mode ade20k", "").runs
    assert (run.opt.niter, run.opt.niter_decay, run.opt.batch_size, run.opt.max_images) == (100, 100, 32, None)
    assert run.parameters == 71_295_939
    (smaller,) = plan_of("table4 --rows kernelsize_1x1 --dataset_mode coco", "--batch_size 4").runs
    assert (smaller.opt.niter, smaller.opt.niter_decay, smaller.opt.batch_size) == (100, 0, 4)


SMALL = "table4 --rows kernelsize_1x1 --budget minutes 1"
REFUSED = {
    "table2": "table2: must be one of table1, table3, table4, table5; did you mean table",
    "table4 --rows kernelsize_7x7": "kernelsize_7x7: no row of table4; must be of segmap_input, ",
    "table1 --methods spode": "spode: no row of table1; must be of crn, sims, pix2pixhd, oasis, pix2pix, spade_plus, ",
    "--budget paper": "no table; begin with table1, table3, table4 or table5",
    "table4 --budgt 3": "--budgt: no such option; did you mean --budget",
    "table4 --crop_sise 64": "--crop_sise: no such option; did you mean --crop_size",
    "table4 --budget minutes": "--budget minutes: must be paper, minutes N or images N, such as",
    "table4 --budget images 1.5": "--budget images 1.5: must be paper, minutes N or images N",
    "table4 --budget images -4": "--budget images -4: must be",
    "table4 --budget weeks 2": "--budget weeks 2: must be",
    "table4 --rows kernelsize_1x1": "--budget paper: the paper has no setting for --dataset_mode landscapes, only for",
    "table4 --seeds 0": "--seeds 0: must be 1..100",
    "table4 --name mine": "--name: leave it out; every run has a name of its own; --prefix begins them all",
    "table4 --max_minutes 3": "--max_minutes: leave it out; --budget minutes N says",
    "table4 --prefix a/b": "--prefix a/b: must be one plain folder name",
    f"{SMALL} --norm_G spectralspadebatch3x3": "--norm_G: leave it out; kernelsize 1x1 of table4 sets it: --norm_G",
    f"{SMALL} --crop_size 72": "kernelsize 1x1: --crop_size 72: must be a multiple of 32",
    f"{SMALL} --eval_flags '--how_mny 3'": "--eval_flags: --how_mny: no such option; did you mean --how_many",
    f"{SMALL} --eval_flags '--name x'": "--eval_flags: --name: leave it out",
    f"{SMALL} --eval_flags '\"'": '--eval_flags ": no closing quotation',
    f"{SMALL} --dataset_mode custom --label_dir a --image_dir b": "--dataset_mode custom: describe the data set in "
    'a file, --data FILE, or add the folders to test with: --eval_flags "--label_dir DIR --image_dir DIR"',
}


@pytest.mark.parametrize("words", REFUSED)
def test_bad_input_is_named_before_anything_is_trained(refused, words):
    assert refused(words, "--gpu_ids -1").startswith(REFUSED[words])


def save(run, images: int, seconds: float) -> None:
    """A save as train.py makes it, of a run that has seen so many images."""
    progress = {"epoch": 1, "images_this_epoch": images, "images_seen": images}
    facts = {"labels": ["latest"], "processes": 1, "progress": progress, "seconds": seconds}
    Saves(run.opt.run_dir).write({}, facts)
    run.opt.save(run.opt.run_dir / "options.json")


def test_a_training_is_done_when_its_save_says_so(plan_of):
    words = "table4 --rows kernelsize_1x1 --budget"
    (run,) = plan_of(f"{words} images 100").runs
    assert run.trained is None and not run.is_trained
    save(run, 99, 60.0)
    assert not run.is_trained
    save(run, 100, 61.0)
    assert run.is_trained and how_far(run.opt.run_dir).seconds == 61.0
    (more,) = plan_of(f"{words} images 101").runs
    assert not more.is_trained


def test_time_left_is_that_of_the_budget_or_of_measured_steps_or_of_the_run_itself(plan_of):
    words = "table4 --rows kernelsize_1x1 --budget"
    (run,) = plan_of(f"{words} minutes 3 --prefix minutes").runs
    assert hours_left(run) == 3 / 60
    save(run, 100, 60.0)
    assert hours_left(run) == pytest.approx(2 / 60)
    (run,) = plan_of(f"{words} images 1200", f"{TINY} --ngf 2 --ndf 2 --max_dataset_size 4").runs
    assert hours_left(run) > 0  # by twelve steps
    save(run, 300, 100.0)
    assert hours_left(run) == pytest.approx(300 / 3600)
    save(run, 1200, 400.0)
    assert hours_left(run) == 0


def test_disk_is_that_of_the_saves_to_keep_and_one_more(plan_of):
    (run,) = plan_of("table4 --rows kernelsize_1x1 --budget minutes 3").runs
    networks = create_model(run.opt).networks.values()
    assert disk_bytes(run) == 4 * 3 * 3 * sum(parameter_count(network) for network in networks)


def test_a_dry_run_prints_every_command_and_writes_nothing(tmp_path, capsys):
    folders = ["--checkpoints_dir", str(tmp_path / "runs"), "--results_dir", str(tmp_path / "results")]
    assert main([*ROWS_4.split(), "--budget", "minutes", "2", "--dry_run", *TINY.split(), *folders]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[3] for line in lines if line.startswith(" to do")][1:] == [
        "train.py",
        "test.py",
        "evaluate.py",
    ] * 3
    assert any(line.startswith("3 runs: 6 min of training left, besides tests and scores; ") for line in lines)
    assert list(tmp_path.iterdir()) == []


def test_an_earlier_run_of_other_options_or_of_more_training_is_not_taken_for_this_one(plan_of):
    words = "table4 --rows kernelsize_1x1 --budget images 100"
    (run,) = plan_of(words).runs
    save(run, 100, 1.0)
    with pytest.raises(InputError, match=r"_1x1: was begun with other options \(--lr 0.0002 -> --lr 0.001\); --prefix"):
        plan_of(f"{words} --lr 0.001")
    with pytest.raises(InputError, match="_1x1: was trained with --budget images 100; --prefix NAME begins new runs"):
        plan_of(words.replace("100", "99"))
    assert plan_of(f"{words} --lr 0.001 --prefix other").runs[0].trained is None


@pytest.mark.parametrize("table", TABLES)
def test_every_row_can_be_planned_beside_the_flags_of_a_user(plan_of, table):
    """The flags of all rows parse; methods take the flags that they use."""
    keys = [key for key, row in choose_rows(table, None).items() if method_of(row) in METHODS]
    plan = plan_of(f"{table} --rows {' '.join(keys)} --budget minutes 1 --crop_size 256")
    assert [row.name for row in plan.rows] == [row.name for row in choose_rows(table, keys).values()]
    assert {run.opt.method for run in plan.runs} == {method_of(row) for row in plan.rows}
