"""The command line of the paint page, and its one-line refusals."""

import argparse
import json
import re
import shlex
import socket
import sys
from pathlib import Path

import pytest

from scripts.paint.__main__ import main
from scripts.paint.addresses import listen, public_names
from scripts.paint.options import parse_args
from scripts.paint.server import create_server
from util.errors import InputError

pytestmark = pytest.mark.tools


@pytest.fixture
def run(tmp_path):
    """The folder of a run, of which only the options are read here."""
    folder = tmp_path / "checkpoints" / "mine"
    folder.mkdir(parents=True)
    (folder / "options.json").write_text('{"options": {}}')
    (folder / "20_net_G.pth").touch()
    (folder / "latest_net_G_ema.pth").touch()
    return folder


def named(run) -> list[str]:
    return ["--name", run.name, "--checkpoints_dir", str(run.parent)]


def test_a_run_is_found_by_name_or_by_its_weights(run):
    by_name = parse_args(named(run))
    assert (by_name.which_epoch, by_name.use_raw_G) == ("latest", False)
    of_epoch = parse_args(["--weights", str(run / "20_net_G.pth")])
    assert (of_epoch.name, of_epoch.checkpoints_dir) == ("mine", str(run.parent))
    assert (of_epoch.which_epoch, of_epoch.use_raw_G) == ("20", True)
    averaged = parse_args(["--weights", str(run / "latest_net_G_ema.pth")])
    assert (averaged.which_epoch, averaged.use_raw_G) == ("latest", False)


def test_a_link_to_weights_elsewhere_is_of_the_run_that_it_lies_in(run, tmp_path):
    (tmp_path / "store.pth").touch()
    (run / "30_net_G.pth").symlink_to(tmp_path / "store.pth")
    args = parse_args(["--weights", str(run / "30_net_G.pth")])
    assert (args.name, args.checkpoints_dir, args.which_epoch) == ("mine", str(run.parent), "30")


def test_a_segmenter_is_looked_for_where_runs_are(run, tmp_path, monkeypatch):
    (run.parent / "labeler").mkdir()
    monkeypatch.chdir(tmp_path)
    given = parse_args([*named(run), "--segmenter", "labeler"])
    assert given.segmenter == run.parent / "labeler"
    by_default = parse_args(["--segmenter", "labeler"])  # the model is that of the repository
    assert by_default.segmenter.resolve() == run.parent / "labeler"
    assert parse_args(["--segmenter", str(run.parent / "labeler")]).segmenter == run.parent / "labeler"


def test_the_default_is_the_model_of_the_repository():
    args = parse_args([])
    assert (args.name, args.host, args.port) == ("landscapes", "127.0.0.1", 8000)
    assert (Path(args.checkpoints_dir) / args.name / "latest_net_G.pth").is_file()


REFUSED = {
    "--name nobody": "checkpoints/nobody: no options.json inside, so it is no run of train.py; give --name RUN",
    "--name a/b": "--name a/b: must be one plain folder name",
    "--checkpoints_dir x": "--checkpoints_dir x: add --name RUN",
    "--weights nothing.pth": "--weights nothing.pth: no such file",
    "--weights .": "--weights .: is a folder; name the file in it",
    "--weights RUN/options.json": "must be named LABEL_net_G.pth or LABEL_net_G_ema.pth",
    "--weights x --name y": "--weights x: names a model, as --name does",
    "--weights RUN/20_net_G.pth --which_epoch 9": "--which_epoch 9: the name of --weights says which",
    "RUN --segmenter none": "--segmenter none: no such run of scripts.segmenter in ",
    "--serve x --token 12345678": "--token: has no effect with --serve",
    "--serve x --name y": "--name: has no effect with --serve",
    "--serve x --weights y": "--weights: has no effect with --serve",
    "--serve x --segmenter y": "--segmenter: has no effect with --serve",
    "--serve x --threads 2": "--threads: has no effect with --serve",
    "RUN --port 70000": "--port 70000: must be 0..65535",
    "RUN --token short": "--token: must be 8 to 128 letters",
    "RUN --token 'spaces and more'": "--token: must be 8 to 128 letters",
    "RUN --gpu_ids first": "--gpu_ids first: must be auto, -1",
    "RUN --threads 0": "--threads 0: must be 1..",
    "RUN --which_epoch a/b": "--which_epoch a/b: must be one plain",
    "RUN --host no.such.name.invalid": "--host no.such.name.invalid: no address of this machine",
    "RUN --host 192.0.2.1 --port 0": "--host 192.0.2.1: no address of this machine",
}


@pytest.mark.parametrize("words", REFUSED)
def test_a_wrong_command_line_is_one_line(words, run, capsys):
    argv = words.replace("RUN/", f"{run}/").replace("RUN", " ".join(named(run)))
    with pytest.raises(SystemExit) as stop:
        main(shlex.split(argv))
    line = capsys.readouterr().err
    assert stop.value.code == 2 and line.count("\n") == 1
    assert line.startswith("python -m scripts.paint: error: ") and REFUSED[words] in line


@pytest.mark.parametrize("words", ["--nmae x", "--port many", "stray", "--export a --serve b"])
def test_words_that_are_no_options_are_one_line(words, capsys):
    with pytest.raises(SystemExit) as stop:
        main(words.split())
    line = capsys.readouterr().err
    assert stop.value.code == 2 and line.count("\n") == 1 and line.endswith("--help lists everything\n")


def test_a_port_that_is_taken_is_one_line(run, capsys):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(SystemExit) as stop:
            main([*named(run), "--port", str(port)])
    line = capsys.readouterr().err
    assert stop.value.code == 2 and line.count("\n") == 1
    assert f"--port {port}: cannot listen at 127.0.0.1 (Address already in use); end the program" in line


@pytest.mark.parametrize(
    ("host", "local"), [("127.0.0.1", True), ("localhost", True), ("0.0.0.0", False), ("0", False)]
)
def test_only_loopback_addresses_are_of_this_machine_alone(host, local):
    listener, is_local = listen(host, 0)
    listener.close()
    assert is_local is local


@pytest.mark.parametrize("host", ["0.0.0.0", "0"])
def test_addresses_that_others_can_use_are_told_with_the_token(host):
    args = argparse.Namespace(host=host, allow_host=[])
    listener, _ = listen(host, 0)
    address, *others = create_server(args, lambda: pytest.fail("not asked for"), listener, "a-token")[2]
    port = listener.getsockname()[1]
    listener.close()
    assert address == f"http://{socket.gethostname()}:{port}/?token=a-token"
    for other in others:  # one in a network, none without
        assert re.fullmatch(rf"http://\d+\.\d+\.\d+\.\d+:{port}/\?token=a-token", other)
        assert not other.startswith("http://0.")


def test_an_address_is_told_as_it_was_given():
    listener, _ = listen("127.0.0.1", 0)
    assert public_names("localhost", listener) == ["localhost"] and public_names("::1", listener) == ["[::1]"]
    listener.close()


def test_a_missing_package_is_one_line(run, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    with pytest.raises(SystemExit) as stop:
        main(named(run))
    line = capsys.readouterr().err
    assert stop.value.code == 2 and line.count("\n") == 1 and "pip install starlette uvicorn" in line


@pytest.mark.parametrize(
    ("flags", "options", "message"),
    [
        ([], {}, "options.json: no options inside"),
        (["--which_epoch", "9"], {"options": {}}, "9_net_G.pth: no such file; --which_epoch may be 20, latest"),
        ([], {"options": {"label_nc": 0, "input_nc": 1}}, "takes conditioning images, and label maps are painted"),
        ([], {"options": {"label_nc": 255, "contain_dontcare_label": True}}, "has 256 labels, and the page knows 255"),
    ],
)
def test_what_is_seen_without_torch_is_refused_before_an_address_is_told(flags, options, message, run, capsys):
    (run / "options.json").write_text(json.dumps(options))
    with pytest.raises(SystemExit) as stop:
        main([*named(run), "--port", "0", *flags])
    output = capsys.readouterr()
    assert stop.value.code == 2 and output.out == ""
    assert output.err.count("\n") == 1 and message in output.err


def test_a_failure_to_load_ends_the_program_with_its_line(run, capsys):
    """After the page has been served for a moment."""
    (run / "options.json").write_text('{"options": {"label_nc": "many"}}')
    with pytest.raises(SystemExit) as stop:
        main([*named(run), "--port", "0"])
    output = capsys.readouterr()
    assert stop.value.code == 2
    assert output.out.startswith("Painting mine: http://127.0.0.1:") and output.out.endswith("/  (Ctrl-C ends)\n")
    assert output.err.count("\n") == 1 and "options.json: " in output.err


def test_input_errors_are_those_of_the_project(run):
    with pytest.raises(InputError):
        parse_args([*named(run), "--port", "-1"])
