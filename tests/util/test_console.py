"""Every program ends in one line and with a status of its own, whatever stops it."""

from util.console import exit_statuses

import ast
import errno
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
from torch.utils.data import DataLoader, Dataset

from util.errors import InputError, Interrupted, StoppedError

pytestmark = pytest.mark.system

ROOT = Path(__file__).parents[2]
PROGRAMS = sorted(
    path
    for path in [*ROOT.glob("*.py"), *ROOT.glob("scripts/**/*.py")]
    if '\nif __name__ == "__main__":' in path.read_text(encoding="utf-8")
)
STANDALONE = {ROOT / "scripts" / "export" / "generate.py"}  # is copied without the rest of the project


class Broken(Dataset):
    def __len__(self):
        return 1

    def __getitem__(self, index):
        raise InputError("photos/a\nb.png: cannot be read; replace it")


@pytest.mark.parametrize("num_workers", [0, 1])
def test_a_line_break_in_a_name_stays_on_the_line_also_from_a_worker(num_workers, capsys):
    with pytest.raises(SystemExit) as stop, exit_statuses("train.py"):
        next(iter(DataLoader(Broken(), num_workers=num_workers)))
    assert stop.value.code == 2
    assert capsys.readouterr().err == "train.py: error: photos/a\\nb.png: cannot be read; replace it\n"


def test_other_errors_keep_their_traceback():
    with pytest.raises(ZeroDivisionError), exit_statuses("train.py"):
        1 / 0  # noqa: B018
    with pytest.raises(OSError, match="Connection refused"), exit_statuses("train.py"):
        raise OSError(errno.ECONNREFUSED, "Connection refused")


def test_an_operation_without_a_deterministic_kernel_is_one_line(capsys):
    import torch

    torch.use_deterministic_algorithms(True)
    try:
        with pytest.raises(SystemExit) as stop, exit_statuses("train.py"):
            torch.zeros(3).put_(torch.tensor([0]), torch.tensor([1.0]))
    finally:
        torch.use_deterministic_algorithms(False)
    assert stop.value.code == 2
    line = "train.py: error: --deterministic: put_ has no deterministic kernel on this device; leave it out\n"
    assert capsys.readouterr().err == line


@pytest.mark.parametrize(
    "error, status, line",
    [
        (KeyboardInterrupt(), 130, "train.py: interrupted"),
        (OSError(errno.ENOSPC, "No space left"), 2, "train.py: error: No space left; free some space"),
        (PermissionError(errno.EACCES, "Permission denied", "a/b"), 2, "train.py: error: a/b: Permission denied; "),
        (StoppedError("process 1 of 2 has lost another one"), 1, "train.py: stopped: process 1 of 2 has lost"),
        (Interrupted(signal.SIGTERM), 143, "train.py: saved and ended by SIGTERM; --continue_train goes on"),
        (RuntimeError("DataLoader worker (pid 7) is killed by signal: Killed. "), 1, "train.py: stopped: DataLoader"),
        (UnicodeEncodeError("ascii", "Straße", 4, 5, "-"), 2, r"train.py: error: 'Stra\xdfe': ascii cannot write this"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_a_user_can_mend_is_one_line(error, status, line, capsys):
    with pytest.raises(SystemExit) as stop, exit_statuses("train.py"):
        raise error
    assert stop.value.code == status
    (said,) = capsys.readouterr().err.splitlines()
    assert said.startswith(line)


@pytest.mark.parametrize("error", [StoppedError("lost", said_elsewhere=True), Interrupted(signal.SIGINT, True)])
def test_what_another_process_says_is_not_said_twice(error, capsys):
    with pytest.raises(SystemExit) as stop, exit_statuses("train.py"):
        raise error
    assert stop.value.code == error.exit_status
    assert capsys.readouterr().err == ""


def test_what_the_program_held_is_released_before_it_says_so(capsys):
    released = []

    def hold():
        try:
            yield 1
        finally:
            released.append("yes")
            print("released", file=sys.stderr)

    def work():
        held = hold()
        next(held)
        raise KeyboardInterrupt

    with pytest.raises(SystemExit), exit_statuses("train.py"):
        work()
    assert capsys.readouterr().err == "released\ntrain.py: interrupted\n"


def imports_before_the_console(path: Path) -> list[str]:
    """What a program imports, its own functions aside, before util.console: modules beyond the standard library."""
    found = []
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ImportFrom) and node.module == "util.console":
            return [name for name in found if name.partition(".")[0] not in sys.stdlib_module_names]
        if isinstance(node, ast.ImportFrom):
            found.append(node.module)
        elif isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
    return ["everything"]


@pytest.mark.parametrize(
    "path", [path for path in PROGRAMS if path not in STANDALONE], ids=lambda path: str(path.relative_to(ROOT))
)
def test_programs_import_the_console_first(path):
    assert imports_before_the_console(path) == []


def obey_ctrl_c() -> None:
    """Even if the tests run in the background of a shell, which makes them ignore Ctrl-C."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def start(*words: object, **settings) -> subprocess.Popen:
    """Start Python in the project; what it says goes to pipes."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "preexec_fn": obey_ctrl_c} | settings
    pipes["env"] = {name: value for name, value in pipes.get("env", os.environ).items() if name != "PYTHONUNBUFFERED"}
    return subprocess.Popen([sys.executable, *map(str, words)], cwd=ROOT, start_new_session=True, **pipes)


def program(folder: Path, body: str) -> Path:
    """A project of one program for a test: `body` is its main function."""
    (folder / "project" / "util").mkdir(parents=True)
    for name in ("__init__.py", "console.py", "errors.py", "files.py"):
        shutil.copyfile(ROOT / "util" / name, folder / "project" / "util" / name)
    path = folder / "project" / "program.py"
    head = "import os, pathlib, sys, time\nfrom util.console import exit_statuses\nfrom util.files import replacing\n"
    main = f'@exit_statuses("program.py")\ndef main():\n{textwrap.indent(body.strip(), "    ")}\n'
    path.write_text(f"{head}{main}main()\n", encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("words", "name"),
    [
        (["train.py", "--checkpoints_dir", "{folder}"], "train.py"),
        (["-m", "scripts.prepare", "check", "--help"], "python -m scripts.prepare"),
        (["scripts/export/generate.py", "--help"], "generate.py"),
    ],
)
def test_ctrl_c_in_the_first_second_is_one_line(words, name, tmp_path):
    """While torch or numpy is imported: /proc says that the interpreter has its first library."""
    process = start(*(word.format(folder=tmp_path) for word in words))
    maps = Path(f"/proc/{process.pid}/maps")
    while "numpy" not in maps.read_text() and "torch" not in maps.read_text():
        assert process.poll() is None
        time.sleep(0.001)
    os.killpg(process.pid, signal.SIGINT)
    said = process.communicate(timeout=60)[1]
    assert (process.returncode, said) == (130, f"{name}: interrupted\n")


@pytest.mark.parametrize("number, status", [(signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_signals_that_end_a_program_let_it_clean_up(tmp_path, number, status):
    body = f"""
with replacing(pathlib.Path({str(tmp_path / "file")!r})) as temporary:
    temporary.touch()
    print("ready", flush=True)
    time.sleep(60)
"""
    process = start(program(tmp_path, body))
    assert process.stdout.readline() == "ready\n"
    process.send_signal(number)
    said = process.communicate(timeout=60)[1]
    assert (process.returncode, said.strip()) == (status, f"program.py: ended by {signal.Signals(number).name}")
    assert [path.name for path in tmp_path.iterdir()] == ["project"]


def test_a_signal_that_is_ignored_stays_so(tmp_path):
    """As under nohup."""
    path = program(tmp_path, "os.kill(os.getpid(), 1)\nprint('goes on')")
    ignoring = {"preexec_fn": lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN)}
    assert start(path, **ignoring).communicate(timeout=60) == ("goes on\n", "")


@pytest.mark.parametrize("flags", [[], ["-u"]])
def test_a_closed_pipe_ends_quietly(tmp_path, flags):
    body = "print('one', flush=True)\ntime.sleep(1)\nprint('two' * 9999)\nprint('three')"
    process = start(*flags, program(tmp_path, body))
    process.stdout.readline()
    process.stdout.close()
    assert process.stderr.read() == ""
    assert process.wait(60) == 141


def test_help_into_a_closed_pipe_ends_quietly():
    reader, writer = os.pipe()
    os.close(reader)
    process = start("train.py", "--help", stdout=writer)
    os.close(writer)
    assert process.stderr.read() == ""
    assert process.wait(60) in (0, 141)  # argparse says that it has shown the help


@pytest.mark.parametrize("flags, hint", [([], "error: standard output cannot be written"), (["-u"], "free some space")])
def test_output_onto_a_full_disk_is_one_line(tmp_path, flags, hint):
    with Path("/dev/full").open("w") as full:
        process = start(*flags, program(tmp_path, "print('one')"), stdout=full)
    (said,) = process.communicate(timeout=60)[1].splitlines()
    assert process.returncode == 2
    assert hint in said and "No space left on device" in said


def test_closed_streams_do_not_spoil_the_files_that_are_written(tmp_path):
    """The numbers 1 and 2 would be given to the next files that are opened, and what is printed would go there."""
    target = tmp_path / "file"
    body = f"""
file = open({str(target)!r}, "w")
os.write(1, b"output")
os.write(2, b"error")
print("printed")
print("printed", file=sys.stderr)
file.write("content")
file.close()
"""
    words = ["bash", "-c", f"exec {sys.executable} {program(tmp_path, body)} <&- >&- 2>&-"]
    assert subprocess.run(words, timeout=60).returncode == 0
    assert target.read_text() == "content"


def test_a_name_that_the_terminal_cannot_show_is_printed_all_the_same(tmp_path):
    process = start(program(tmp_path, "print('Stra\\xdfe')"), env=os.environ | {"PYTHONIOENCODING": "ascii"})
    assert process.communicate(timeout=60) == ("Stra\\xdfe\n", "")


@pytest.fixture
def broken_package(tmp_path):
    """Break a package for programs that are started with the variables which the call returns."""

    def make(name: str, body: str) -> dict[str, str]:
        (tmp_path / "broken" / name).mkdir(parents=True)
        (tmp_path / "broken" / name / "__init__.py").write_text(body, encoding="utf-8")
        return os.environ | {"PYTHONPATH": str(tmp_path / "broken")}

    return make


def test_a_package_that_is_missing_is_one_line(broken_package):
    process = start("test.py", "--name", "run", env=broken_package("torch", "import no_such_package"))
    said = process.communicate(timeout=60)[1]
    line = f"test.py: error: No module named 'no_such_package'; pip install -r {ROOT / 'requirements.txt'}\n"
    assert (process.returncode, said) == (2, line)


@pytest.mark.parametrize(
    "words, package",
    [(["train.py"], "torch"), (["-m", "scripts.compare", "losses", "--help"], "matplotlib")],
    ids=["train.py", "scripts.compare losses"],
)
@pytest.mark.parametrize("kind", ["RuntimeError", "ImportError", "OSError"])
def test_a_package_that_is_broken_is_one_line(words, package, kind, broken_package):
    process = start(*words, env=broken_package(package, f"raise {kind}('no such symbol\\nin a library')"))
    said = process.communicate(timeout=60)[1]
    line = f"error: the package {package} cannot be imported (no such symbol); install it anew\n"
    name = words[0] if words[0] != "-m" else f"python -m {words[1]}"
    assert (process.returncode, said) == (2, f"{name}: {line}")


def test_a_limit_of_memory_that_the_libraries_exceed_is_one_line():
    command = 'ulimit -v 700000; exec "$0" train.py --name run'
    done = subprocess.run(["bash", "-c", command, sys.executable], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert done.stderr.startswith("train.py: error: ") and done.stderr.count("\n") == 1
    assert "more memory (ulimit -v unlimited" in done.stderr


def test_an_error_of_ours_within_an_import_keeps_its_traceback(tmp_path, broken_package):
    environment = broken_package("theirs", "def call(work):\n    work()")
    process = start(program(tmp_path, "import theirs\ntheirs.call(lambda: 1 / 0)"), env=environment)
    assert "Traceback" in process.communicate(timeout=60)[1]
    assert process.returncode == 1


def test_a_module_of_ours_that_is_missing_keeps_its_traceback(tmp_path):
    process = start(program(tmp_path, "import util.no_such_module"))
    assert "Traceback" in process.communicate(timeout=60)[1]
    assert process.returncode == 1


@pytest.mark.parametrize(
    "words", [["evaluate.py", "--help"], ["-m", "scripts.compare", "losses", "--help"]], ids=" ".join
)
def test_the_backend_of_a_notebook_is_not_asked_for(words):
    process = start(*words, env=os.environ | {"MPLBACKEND": "module://no_such_package.backend_inline"})
    assert process.communicate(timeout=60)[1] == ""
    assert process.returncode == 0


ASCII_LOCALE = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}


def test_names_are_utf8_in_every_locale(tmp_path):
    """On the command line, in files, and in the names of files; printed as the locale can."""
    body = """
folder = pathlib.Path(sys.argv[1])
folder.mkdir()
print(folder.name, *sys.argv[2:])
(folder / "name").write_text(folder.name)
"""
    process = start(program(tmp_path, body), tmp_path / "Straße", "two words", env=os.environ | ASCII_LOCALE)
    assert process.communicate(timeout=60) == ("Stra\\xdfe two words\n", "")
    assert (tmp_path / "Straße" / "name").read_bytes() == "Straße".encode()
