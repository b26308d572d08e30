"""The plot of several runs' losses: what its lines say, and what is refused."""

import math

import matplotlib
import numpy as np
import pytest
from PIL import Image

from scripts.compare import __main__ as compare
from scripts.compare import losses as losses_module
from scripts.compare.losses import Run, choose_losses, draw, find_log, main, mean_width, read_run, smooth
from util.errors import InputError
from util.loss_log import LossLog, LossRecord

pytestmark = pytest.mark.tools


def write_log(path, records):
    log = LossLog(path)
    for epoch, images, losses in records:
        log.append(LossRecord(epoch, images, losses), 0.1)


@pytest.fixture
def runs(tmp_path):
    """Two runs: of epochs of 100 images and of 20; only the first has KLD, and a line that is not finite."""
    folder = tmp_path / "checkpoints"
    first = [(epoch, images, {"KLD": 1.0, "GAN": float(epoch)}) for epoch in (1, 2) for images in (50, 100)]
    first[1][2]["GAN"] = math.inf
    write_log(folder / "first" / "loss_log.txt", first)
    second = [(epoch, 20, {"GAN": 10.0 * epoch, "VGG": 2.0}) for epoch in range(1, 6)]
    write_log(folder / "second" / "loss_log.txt", second)
    return folder


def plot(folder, *arguments):
    main([*arguments, "--checkpoints_dir", str(folder)])


def plotted(folder, *names, losses=None, width=1):
    """The lines of every panel, by loss: [(x, y)] in the order of the runs that have it."""
    read = [read_run(name, folder) for name in names]
    with matplotlib.rc_context(fname=losses_module.STYLE):
        figure = draw(read, names, losses or choose_losses(read, None), width)
    return figure, {
        panel.get_title(loc="left"): [line.get_xydata().tolist() for line in panel.lines] for panel in figure.axes
    }


def test_every_loss_has_a_panel_and_every_run_that_has_it_a_line_over_images_seen(runs):
    figure, lines = plotted(runs, "first", "second")
    assert list(lines) == ["KLD", "GAN", "VGG"]
    assert lines["KLD"] == [[[50, 1], [100, 1], [150, 1], [200, 1]]]
    first, second = lines["GAN"]
    np.testing.assert_equal(first, [[50, 1], [100, math.nan], [150, 2], [200, 2]])
    assert second == [[20, 10], [40, 20], [60, 30], [80, 40], [100, 50]]
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["first", "second"]
    assert {panel.get_xlabel() for panel in figure.axes} == {"images seen"}


def test_a_run_has_one_color_in_all_panels_also_where_others_lack_the_loss(runs):
    figure, _ = plotted(runs, "first", "second")
    colors = [[line.get_color() for line in panel.lines] for panel in figure.axes]
    one, two = losses_module.COLORS[:2]
    assert colors == [[one], [one, two], [two]]


def test_a_resumed_run_shows_the_repeated_part_once(tmp_path):
    path = tmp_path / "loss_log.txt"
    write_log(path, [(1, images, {"GAN": 1.0}) for images in (100, 200, 300)])
    write_log(path, [(1, images, {"GAN": 5.0}) for images in (200, 300)])
    before = path.read_bytes()
    run = read_run(str(path), tmp_path)
    assert run.images.tolist() == [100, 200, 300] and run.losses["GAN"].tolist() == [1, 5, 5]
    assert path.read_bytes() == before


def test_a_mean_is_centered_and_passes_over_what_is_missing():
    assert smooth(np.array([1.0, 2.0, 6.0, 4.0]), 1).tolist() == [1, 2, 6, 4]
    assert smooth(np.array([1.0, 2.0, 6.0, 4.0]), 3).tolist() == pytest.approx([1.5, 3, 4, 5])
    np.testing.assert_equal(smooth(np.array([1.0, math.nan, 3.0]), 3), [1, math.nan, 3])


def test_without_smooth_a_mean_covers_as_many_images_in_every_run():
    dense, sparse = Run("dense", np.arange(10, 4001, 10), {}), Run("sparse", np.arange(20, 4001, 20), {})
    assert (mean_width(dense, 4000), mean_width(sparse, 4000)) == (10, 5)
    assert mean_width(Run("begun", np.array([10]), {}), 4000) == 1


def test_the_log_is_plotted_faintly_below_its_mean(runs):
    figure, _ = plotted(runs, "second", losses=["GAN"], width=3)
    raw, mean = figure.axes[0].lines
    assert raw.get_ydata().tolist() == [10, 20, 30, 40, 50]
    assert mean.get_ydata().tolist() == pytest.approx([15, 20, 30, 40, 45])
    assert raw.get_alpha() < 0.5 and raw.zorder < mean.zorder


def test_names_folders_and_files_mean_a_run(runs):
    log = runs / "first" / "loss_log.txt"
    assert {find_log(text, runs) for text in ("first", str(runs / "first"), str(log))} == {log}


def test_a_plot_is_written(runs, tmp_path, capsys):
    output = tmp_path / "new" / "plot.png"
    plot(runs, "first", "second", "--output", str(output), "--losses", "VGG", "GAN")
    with Image.open(output) as image:
        assert image.format == "PNG" and image.width > 600
    assert [path.name for path in output.parent.iterdir()] == ["plot.png"]
    assert capsys.readouterr().out == f"{output}: VGG, GAN of first, second\n"


@pytest.mark.parametrize("ending", ["png", "pdf", "svg"])
def test_a_plot_of_losses_replaces_only_such_plots(runs, tmp_path, ending):
    output = tmp_path / f"losses.{ending}"
    for losses in ("VGG", "GAN"):
        plot(runs, "second", "--output", str(output), "--losses", losses)
    Image.new("RGB", (8, 8)).save(output, format="PNG")
    before = output.read_bytes()
    with pytest.raises(
        InputError, match=rf"--output .*losses\.{ending}: is there already and is no image of scripts.compare losses"
    ):
        plot(runs, "second", "--output", str(output))
    assert output.read_bytes() == before


def test_runs_of_one_name_are_told_apart(runs, tmp_path, capsys):
    (tmp_path / "other").mkdir()
    other = (runs / "first").rename(tmp_path / "other" / "second")
    plot(runs, "second", str(other), "--output", str(tmp_path / "a.png"))
    assert capsys.readouterr().out.endswith(f"of second, {other}\n")


def test_a_single_line_and_values_that_are_all_nan_are_plotted(tmp_path):
    write_log(tmp_path / "a" / "loss_log.txt", [(1, 100, {"GAN": 1.0, "VGG": math.nan})])
    plot(tmp_path, "a", "--output", str(tmp_path / "a.png"))
    assert (tmp_path / "a.png").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("third", "third: neither .* exists; runs with a log in .*: empty, first, second$"),
        ("empty", "loss_log.txt: no losses in it yet"),
        ("first second --losses GAN D_real", "--losses D_real: in none of the logs; there are KLD, GAN, VGG$"),
        ("first --smooth 0", "--smooth 0: a mean needs 1 line or more"),
        ("first --output losses.jpg", "--output losses.jpg: the name must end in .png, .pdf, .svg"),
        ("first --output .png", "--output .png: "),
    ],
)
def test_what_cannot_be_plotted_is_refused(runs, arguments, message):
    LossLog(runs / "empty" / "loss_log.txt")
    with pytest.raises(InputError, match=message):
        plot(runs, *arguments.split())


def test_an_error_is_one_line_and_status_2(runs, capsys):
    with pytest.raises(SystemExit) as caught:
        compare.main(["losses", "third", "--checkpoints_dir", str(runs)])
    assert caught.value.code == 2
    error = capsys.readouterr().err
    assert error.startswith("python -m scripts.compare: error: third: ") and error.count("\n") == 1
