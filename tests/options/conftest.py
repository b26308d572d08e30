"""Two small presets, and parsing in an empty folder."""

import pytest

from options import Preset, TestOptions, TrainOptions, parse_options

COCO = Preset(
    both={
        "preprocess_mode": "resize_and_crop",
        "load_size": 286,
        "crop_size": 256,
        "display_winsize": 256,
        "label_nc": 182,
        "contain_dontcare_label": True,
    },
    test={"load_size": 256},
)
ADE20K = Preset(both={**COCO.both, "label_nc": 150, "instance": False}, test=COCO.test)
CUSTOM = Preset(both={**COCO.both, "label_nc": 13, "contain_dontcare_label": False}, test=COCO.test)
PRESETS = {"landscapes": Preset(), "coco": COCO, "ade20k": ADE20K, "custom": CUSTOM}


@pytest.fixture(autouse=True)
def _empty_folder(tmp_path, monkeypatch):
    """Saved runs are looked for under ./checkpoints."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")


@pytest.fixture
def presets():
    return PRESETS


@pytest.fixture
def parse_train(presets):
    """Options of the training program for a command line."""
    return lambda line="": parse_options(TrainOptions, line.split(), presets)


@pytest.fixture
def parse_test(presets):
    """Options of the test program for a command line."""
    return lambda line="": parse_options(TestOptions, line.split(), presets)


@pytest.fixture
def refused(capsys):
    """The one line with which `parse(line)` ends the program."""

    def run(parse, line: str) -> str:
        capsys.readouterr()
        with pytest.raises(SystemExit) as stop:
            parse(line)
        out, err = capsys.readouterr()
        assert stop.value.code == 2
        assert out == ""
        assert err.count("\n") == 1 and err.endswith("\n")
        assert "usage" not in err
        return err.rstrip("\n")

    return run
