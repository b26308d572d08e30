"""The scripts that download through programs of others: Cityscapes with csDownload, checkpoints with gdown."""

import io
import subprocess
import tarfile
from pathlib import Path

import pytest
import torch

from tests.scripts.shell import CHECK, Scripts, checks, samples
from tests.scripts.small_files import last_line, picture, tree, zipped

pytestmark = pytest.mark.tools

CSDOWNLOAD = """
echo "$*" >>"$LOG"
while [ $# -gt 1 ]; do
    case $1 in --destination_path) target=$2; shift 2 ;; --resume) resume=1; shift ;; esac
done
name=$1 size=$(stat -c %s "$SOURCE/$1") have=0
[ ! -e "$target/$name" ] || have=$(stat -c %s "$target/$name")
mode=$(head -n 1 "$MODES" || true)
sed -i 1d "$MODES"
case $mode in
    password) echo "Exception: Bad credentials." >&2; exit 1 ;;
    cut) head -c $((size / 2)) "$SOURCE/$name" >"$target/$name"; exit 1 ;;
    damaged) echo "damaged" >"$target/$name"; echo "MD5 sum of downloaded file does not match." >&2; exit 1 ;;
    offline) echo "ConnectionError" >&2; exit 1 ;;
    whole) cp "$SOURCE/$name" "$target/$name"; echo "HTTPError: 416 Client Error: Range Not Satisfiable" >&2; exit 1 ;;
esac
[ "$have" -eq 0 ] || [ -n "${resume:-}" ]
tail -c +$((have + 1)) "$SOURCE/$name" >>"$target/$name"
"""


ENDINGS = {
    "gtFine": {"gtFine_labelIds": (32, 64), "gtFine_instanceIds": (32, 64)},
    "leftImg8bit": {"leftImg8bit": (32, 64, 3)},
}


class Cityscapes:
    """A stand-in for csDownload, which fails in the given ways, one a call, before it works."""

    def __init__(self, scripts: Scripts, folder: Path):
        self.scripts, self.source, self.root = scripts, folder / "source", folder / "cityscapes"
        self.log, self.modes, self.home = folder / "cs.log", folder / "modes", folder / "home"
        self.source.mkdir()
        self.log.touch()
        for kind, endings in ENDINGS.items():
            files = {
                f"{kind}/{split}/aachen/aachen_000000_000019_{ending}.png": picture("PNG", 7, shape)
                for split in ("train", "val")
                for ending, shape in endings.items()
            }
            (self.source / f"{kind}_trainvaltest.zip").write_bytes(zipped(files | {"README": b"terms"}))
        scripts.stub("csDownload", CSDOWNLOAD)
        credentials = self.home / "cityscapesscripts" / "credentials.json"
        credentials.parent.mkdir(parents=True)
        credentials.write_text("{}")

    def run(self, *modes: str) -> subprocess.CompletedProcess:
        self.modes.write_text("".join(f"{mode}\n" for mode in modes))
        variables = {"LOG": str(self.log), "SOURCE": str(self.source), "MODES": str(self.modes)}
        return self.scripts.run("download_cityscapes.sh", self.root, XDG_DATA_HOME=str(self.home), **variables)

    def resumed(self) -> list[bool]:
        return ["--resume" in line for line in self.log.read_text().splitlines()]


@pytest.fixture
def cityscapes(scripts, tmp_path) -> Cityscapes:
    return Cityscapes(scripts, tmp_path)


def test_cityscapes_comes_through_csdownload_and_only_once(cityscapes, scripts):
    done = cityscapes.run("cut")
    assert done.returncode == 0, done.stderr
    assert cityscapes.resumed() == [False, True, False]
    assert len(tree(cityscapes.root)) == 7
    assert samples("cityscapes", cityscapes.root) == (1, 1)
    assert scripts.calls(CHECK) == checks("cityscapes", cityscapes.root)
    assert cityscapes.run("offline").returncode == 0
    assert len(cityscapes.resumed()) == 3, "a second run does not ask again"


def test_cityscapes_starts_over_when_the_checksum_is_wrong_and_goes_on_when_nothing_is_left(cityscapes):
    mine = cityscapes.root / ".download" / "part" / "gtFine_trainvaltest.zip.damaged"
    mine.parent.mkdir(parents=True)
    mine.write_text("mine")
    done = cityscapes.run("damaged", "whole")
    assert done.returncode == 0, done.stderr
    assert cityscapes.resumed() == [False, False, False]
    assert len(tree(cityscapes.root)) == 7
    assert mine.read_text() == "mine"
    assert mine.with_name(f"{mine.name}2").read_text() == "damaged\n"


def test_cityscapes_explains_accounts_passwords_and_lost_connections(cityscapes):
    assert "does not accept user name and password" in last_line(cityscapes.run("password").stderr)
    lost = cityscapes.run("cut", "offline")
    assert lost.returncode == 2
    assert "the same command goes on" in last_line(lost.stderr)
    assert cityscapes.run().returncode == 0
    assert cityscapes.resumed() == [False, False, True, True, False]

    (cityscapes.home / "cityscapesscripts" / "credentials.json").unlink()
    (cityscapes.root / ".download" / "gtFine_trainvaltest.zip.done").unlink()
    without = cityscapes.run()
    assert without.returncode == 2
    assert "register" in without.stderr
    assert len(without.stderr.splitlines()) == 1


def checkpoints_tar() -> bytes:
    weights = io.BytesIO()
    torch.save({"fc.weight": torch.zeros(1)}, weights)
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name in ("coco", "ade20k", "cityscapes"):
            for file, content in {"latest_net_G.pth": weights.getvalue(), "opt.pkl": b"cos\nsystem\n"}.items():
                info = tarfile.TarInfo(f"{name}_pretrained/{file}")
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def test_checkpoints_need_agreement_and_leave_pickles_out(scripts, tmp_path):
    (tmp_path / "released.tar.gz").write_bytes(checkpoints_tar())
    scripts.stub("gdown", f'echo "$*" >>{tmp_path}/gdown.log; cp {tmp_path}/released.tar.gz "$3"')
    root = tmp_path / "checkpoints"
    refused = scripts.run("download_checkpoints.sh", root)
    assert refused.returncode == 2
    assert "CC BY-NC-SA 4.0" in refused.stdout
    assert "--yes" in last_line(refused.stderr)
    assert not root.exists()
    done = scripts.run("download_checkpoints.sh", root, "--yes", CHECKPOINTS_ID="another")
    assert done.returncode == 0, done.stderr
    assert tree(root) == {f"{name}_pretrained/latest_net_G.pth" for name in ("coco", "ade20k", "cityscapes")}
    assert "latest_net_G.pth: 1 tensors" in done.stdout
    assert "python test.py --name coco_pretrained --dataset_mode coco" in done.stdout
    assert scripts.run("download_checkpoints.sh", root, "--yes").returncode == 0
    assert (tmp_path / "gdown.log").read_text().split()[-1] == "another"
    assert len((tmp_path / "gdown.log").read_text().splitlines()) == 1


def test_a_page_instead_of_checkpoints_is_put_aside_and_named(scripts, server, tmp_path):
    server.files["/c.tar.gz"] = b"<html>quota exceeded</html>"
    failed = scripts.run("download_checkpoints.sh", tmp_path, "--yes", CHECKPOINTS_URL=server.url + "/c.tar.gz")
    assert failed.returncode == 2
    assert "neither a whole zip nor a whole tar archive" in last_line(failed.stderr)
    folder = tmp_path / ".download"
    assert [path.name for path in folder.iterdir()] == ["checkpoints.tar.gz.damaged"]
    server.files["/c.tar.gz"] = checkpoints_tar()
    done = scripts.run("download_checkpoints.sh", tmp_path, "--yes", CHECKPOINTS_URL=server.url + "/c.tar.gz")
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in folder.iterdir()) == ["checkpoints.tar.gz.damaged", "checkpoints.tar.gz.done"]


@pytest.mark.parametrize("whole", (True, False), ids=("whole", "damaged"))
def test_checkpoints_that_somebody_put_there_stay(whole, scripts, tmp_path):
    archive = tmp_path / ".download" / "checkpoints.tar.gz"
    archive.parent.mkdir()
    content = checkpoints_tar() if whole else b"<html>quota exceeded</html>"
    archive.write_bytes(content)
    done = scripts.run("download_checkpoints.sh", tmp_path, "--yes")
    assert done.returncode == (0 if whole else 2), done.stderr
    assert archive.read_bytes() == content
