"""A run that makes room for another of its name takes its results along."""

from pathlib import Path

import pytest

from util.results_folders import bring_run_back, note_results, results_of_run, set_run_aside


@pytest.fixture
def run(tmp_path) -> Path:
    """The folder of the run `mine`, with networks."""
    run = tmp_path / "checkpoints" / "mine"
    run.mkdir(parents=True)
    (run / "latest_net_G.pth").write_text("weights")
    return run


def results(folder: Path, text: str = "scores") -> Path:
    """A folder of results with one test."""
    (folder / "test_latest" / "images").mkdir(parents=True)
    (folder / "test_latest" / "scores.json").write_text(text)
    return folder


def test_results_beside_and_elsewhere_go_along(run, tmp_path):
    usual, elsewhere = results(tmp_path / "results" / "mine"), results(tmp_path / "a\u2028place" / "mine", "others")
    note_results(run, elsewhere)
    note_results(run, elsewhere)
    assert results_of_run(run) == [elsewhere, usual]
    aside = set_run_aside(run)
    assert aside == run.with_name("mine.old1") and (aside / "latest_net_G.pth").exists()
    assert not run.exists() and not usual.exists() and not elsewhere.exists()
    assert (tmp_path / "a\u2028place" / "mine.old1" / "test_latest" / "scores.json").read_text() == "others"
    assert results_of_run(aside) == [tmp_path / "a\u2028place" / "mine.old1", tmp_path / "results" / "mine.old1"]


def test_a_number_is_free_for_all_of_them_and_nothing_is_overwritten(run, tmp_path):
    results(tmp_path / "results" / "mine")
    results(tmp_path / "results" / "mine.old1", "earlier")
    run.with_name("mine.old2").mkdir()
    assert set_run_aside(run) == run.with_name("mine.old3")
    assert (tmp_path / "results" / "mine.old1" / "test_latest" / "scores.json").read_text() == "earlier"
    assert (tmp_path / "results" / "mine.old3" / "test_latest" / "scores.json").read_text() == "scores"


def test_results_of_other_runs_and_other_folders_stay(run, tmp_path):
    other = results(tmp_path / "results" / "other")
    note_results(run, other)  # as after `mv checkpoints/other checkpoints/mine`
    photos = tmp_path / "results" / "mine"
    photos.mkdir()
    (photos / "photo.jpg").write_text("no result of a test")
    assert results_of_run(run) == []
    assert set_run_aside(run) == run.with_name("mine.old1")
    assert other.exists() and (photos / "photo.jpg").exists()


def test_a_run_that_cannot_be_written_is_tested_all_the_same(tmp_path):
    note_results(Path("/proc/mine"), tmp_path / "results" / "mine")
    assert results_of_run(Path("/proc/mine")) == []
    assert results_of_run(Path("/no such run")) == []


def test_results_in_the_folder_of_the_run_go_with_it(tmp_path):
    """As with --checkpoints_dir results, or --results_dir that names the folder of checkpoints."""
    run = tmp_path / "results" / "a"
    for images in (run / "web" / "images", run / "test_latest" / "images"):
        images.mkdir(parents=True)
        (images / "1.png").write_bytes(b"1")
    note_results(run, run)
    aside = set_run_aside(run)
    assert aside == tmp_path / "results" / "a.old1" and not run.exists()
    assert (aside / "test_latest" / "images" / "1.png").exists() and results_of_run(aside) == []
    bring_run_back(aside, run)
    assert (run / "web" / "images" / "1.png").exists() and not aside.exists()
