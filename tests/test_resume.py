"""A run that is killed goes on, by the same command, as if nothing had happened."""

import json
import random
import shutil

import pytest
import torch

from tests.runs import BY_TWO, command, contents, differences, finish, train, train_in_float64, wait_for
from tests.worlds import ended, free_port, launcher_variables, run_together, start

pytestmark = pytest.mark.system


def test_six_kills_at_random_moments_change_no_bit(folder, whole):
    """Three of the moments lie inside a save."""
    run, chance, in_a_save = folder / "killed", random.Random(0), 0
    argv = command(folder, "killed", "--save_latest_freq", "2")
    for number in range(6):
        process, _ = start(train, argv)
        with ended([process]):
            if number % 2 == 0:
                wait_for(lambda process=process: any(run.glob("saves/*.unfinished")) or not process.is_alive())
            else:
                process.join(chance.uniform(0.2, 0.8))
            process.kill()
            process.join()
            in_a_save += any(run.glob("saves/*.unfinished"))
    assert in_a_save >= 2
    finish(1, argv)
    assert differences(whole, contents(run)) == []
    assert sorted(path.name for path in (run / "saves").iterdir())[-1].isdecimal()


def test_two_processes_that_are_killed_change_no_bit(folder, whole_by_two):
    chance = random.Random(1)
    argv = command(folder, "two", *BY_TWO)
    for number in range(2):
        port = free_port()
        ranks = [start(train, argv, **launcher_variables(rank, 2, port)) for rank in range(2)]
        with ended(process for process, _ in ranks):
            victim = ranks[number % 2][0]
            victim.join(chance.uniform(0.5, 1.5))
            victim.kill()
            ranks[1 - number % 2][0].kill()
    finish(2, argv)
    assert differences(whole_by_two, contents(folder / "two")) == []


def test_another_number_of_processes_goes_on_and_says_what_is_not_exact(folder):
    finish(1, command(folder, "whole in float64", *BY_TWO), train_in_float64)
    finish(1, command(folder, "moved", "--niter", "1"), train_in_float64)
    printed, printed_by_other = finish(2, command(folder, "moved", *BY_TWO), train_in_float64)
    assert "the save was made by 1 processes, and now there are 2" in printed
    assert "changed since: --niter 1 -> --niter 2" in printed
    assert printed_by_other == ""
    whole, moved = contents(folder / "whole in float64"), contents(folder / "moved")
    assert moved["training_state.pth"]["progress"] == whole["training_state.pth"]["progress"]
    for letter in "GDE":
        one, other = (
            torch.cat([t.flatten() for t in state[f"latest_net_{letter}.pth"].values()]) for state in (whole, moved)
        )
        assert one.dtype == torch.float64
        assert (one - other).norm() < 1e-9 * one.norm()


def test_an_architecture_that_changed_is_refused_by_name(folder, whole_run):
    shutil.copytree(whole_run, folder / "changed")
    status, printed = train(command(folder, "changed", "--ngf", "3"))
    assert status == 2
    assert "--ngf 3: the saved run has --ngf 2" in printed


def test_a_damaged_save_is_named_and_the_one_before_serves(folder, whole):
    finish(1, command(folder, "damaged", "--niter", "2"))
    saves = sorted((folder / "damaged" / "saves").iterdir())
    path = saves[-1] / "net_D.pth"
    spoiled = bytearray(path.read_bytes())
    spoiled[len(spoiled) // 2] ^= 1
    path.unlink()  # not through the links to it
    path.write_bytes(spoiled)
    (warning,) = finish(1, command(folder, "damaged", "--niter", "3"))
    assert f"{saves[-1]} is damaged (the checksum of net_D.pth is wrong): the save before it is used" in warning
    assert differences(whole, contents(folder / "damaged")) == []


@pytest.mark.parametrize("flag", ["--auto_resume", "--continue_train"])
def test_damaged_saves_alone_are_no_reason_to_start_anew(folder, flag):
    argv = command(folder, f"all damaged {flag}", "--niter", "1", "--keep_checkpoints", "1")
    finish(1, argv)
    (save,) = (folder / f"all damaged {flag}" / "saves").iterdir()
    spoiled = bytearray((save / "net_G.pth").read_bytes())
    spoiled[len(spoiled) // 2] ^= 1
    with (save / "net_G.pth").open("r+b") as file:  # through the links to it: they name the same damaged file
        file.write(spoiled)
    before = {path: path.read_bytes() for path in save.parent.parent.rglob("*") if path.is_file()}
    ((status, printed),) = run_together(1, train, [*argv, flag, "--niter", "2"])
    assert status == 2
    assert f"{save} is damaged (the checksum of net_G.pth is wrong), and there is no intact save" in printed
    assert "Traceback" not in printed and "the save before it" not in printed
    assert {path: path.read_bytes() for path in save.parent.parent.rglob("*") if path.is_file()} == before


def test_a_budget_of_images_ends_a_run_which_more_of_it_continues_to_the_same_bits(folder, whole):
    """A run of 24 images, 8 an epoch: ended within an epoch, at the end of one, and by its epochs."""
    (printed,) = finish(1, command(folder, "budget", "--max_images", "11"))
    assert "--max_images 11: used up, with 12 images in " in printed
    (again,) = finish(1, command(folder, "budget", "--max_images", "12"))
    assert "--max_images 12: used up, with 12 images in " in again
    finish(1, command(folder, "budget", "--max_images", "16"))
    (last,) = finish(1, command(folder, "budget"))
    assert "used up" not in last
    assert differences(whole, contents(folder / "budget")) == []


def test_two_processes_end_together_when_the_time_of_a_run_is_used_up(folder):
    flags = ("--max_minutes", "0.02", "--niter", "1000000", "--save_latest_freq", "1000")
    printed, by_the_other = finish(2, command(folder, "minutes", *flags))
    assert "--max_minutes 0.02: used up, with " in printed and by_the_other == ""
    (save,) = (folder / "minutes" / "saves").iterdir()
    manifest = json.loads((save / "manifest.json").read_text())
    assert 1.2 <= manifest["seconds"] < 10 and manifest["progress"]["images_seen"] > 0
