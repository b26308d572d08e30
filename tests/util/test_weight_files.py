"""Weight files of frozen networks: fetched once, whole and checked, or one line that says how to get them."""

import hashlib
import shutil
import threading
import time
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
import torchvision
from torch_fidelity import feature_extractor_inceptionv3

from util import weight_files
from util.errors import InputError
from util.fetch import Patience
from util.weight_files import WEIGHT_FILES, fetch_weights

CONTENT = bytes(range(256)) * 4000  # about 1 MB
NAMES = sorted(WEIGHT_FILES)


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """A folder of torch hub that is not there yet."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    return tmp_path / "torch" / "hub" / "checkpoints"


@pytest.fixture
def published(server, monkeypatch):
    """Serve CONTENT as the file of a network, at an address of this machine."""

    def publish(name="vgg19", content=CONTENT, url=None):
        path = f"/models/{WEIGHT_FILES[name].names[0]}"
        server.files[path] = content
        digits = hashlib.sha256(CONTENT).hexdigest()[:8]
        monkeypatch.setitem(
            WEIGHT_FILES, name, replace(WEIGHT_FILES[name], url=url or server.url + path, size=10**6, sha256=digits)
        )
        monkeypatch.setattr(weight_files, "PATIENCE", Patience(attempts=3, unanswered=1, pause=0, timeout=5))
        return path

    return publish


def refused(name="vgg19", allowed=True) -> str:
    with pytest.raises(InputError) as caught:
        fetch_weights(name, allowed)
    line = str(caught.value)
    assert "\n" not in line
    for part in (
        WEIGHT_FILES[name].names[0],
        WEIGHT_FILES[name].url,
        f"{WEIGHT_FILES[name].option} FILE",
        "put it into",
    ):
        assert part in line
    return line


def left_over(folder) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))


@pytest.mark.parametrize("name", NAMES)
def test_a_missing_file_is_fetched_once_with_its_size_address_and_license(name, hub, published, server, capsys):
    published(name)
    path = fetch_weights(name, allowed=True)
    assert path == hub / WEIGHT_FILES[name].names[0] and path.read_bytes() == CONTENT
    (line,) = capsys.readouterr().out.splitlines()
    for part in (WEIGHT_FILES[name].what, WEIGHT_FILES[name].url, "1.0 MB", str(hub), WEIGHT_FILES[name].license):
        assert part in line
    assert fetch_weights(name, allowed=True) == fetch_weights(name, allowed=False) == path
    assert len(server.requests) == 1 and capsys.readouterr().out == ""
    assert left_over(hub) == [path.name]


@pytest.mark.parametrize("name", NAMES)
def test_a_file_under_any_of_its_names_is_taken_as_it_is(name, hub, published, server):
    published(name)
    hub.mkdir(parents=True)
    path = hub / WEIGHT_FILES[name].names[-1]
    path.write_bytes(b"put here by hand")
    assert fetch_weights(name, allowed=True) == path
    assert not server.requests and path.read_bytes() == b"put here by hand"


@pytest.mark.parametrize("name", NAMES)
def test_without_permission_nothing_is_fetched_or_written(name, hub, published, server):
    published(name)
    assert "are not on this machine, and --no_download forbids" in refused(name, allowed=False)
    assert not server.requests and not hub.exists()


def test_without_a_network_it_ends_soon(hub, published, capsys):
    published(url="http://127.0.0.1:9/vgg19-dcbb9e9d.pth")
    begin = time.monotonic()
    assert "Connection refused" in refused()
    assert time.monotonic() - begin < 2
    assert capsys.readouterr().err == ""


def test_a_proxy_in_the_way_is_named(hub, published, monkeypatch):
    published(url="https://weights.example/vgg19-dcbb9e9d.pth")
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "")
    assert "through the proxy that https_proxy names" in refused()


DAMAGE = {
    "one bit": (CONTENT[:-1] + b"\0", "its sha256 is"),
    "page": (b"<html>Please log in</html>", "it is a web page"),
}


@pytest.mark.parametrize(("content", "said"), DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_file_is_kept_aside_and_never_taken(content, said, hub, published, server):
    path = published(content=content)
    assert said in refused()
    assert left_over(hub) == ["vgg19-dcbb9e9d.pth.damaged"]
    assert (hub / "vgg19-dcbb9e9d.pth.damaged").read_bytes() == content
    server.files[path] = CONTENT
    assert fetch_weights("vgg19", allowed=True).read_bytes() == CONTENT


def test_a_cut_download_goes_on_where_it_ended_also_in_the_next_program(hub, published, server, monkeypatch):
    path = published()
    server.cuts[path] = 2
    monkeypatch.setattr(weight_files, "PATIENCE", Patience(attempts=1))
    assert "500.0 kB" not in (line := refused()) and "the same command goes on from there" in line
    monkeypatch.setattr(weight_files, "PATIENCE", Patience(attempts=3, pause=0))
    assert fetch_weights("vgg19", allowed=True).read_bytes() == CONTENT
    half, quarter = len(CONTENT) // 2, len(CONTENT) // 4
    assert server.ranges_asked() == [None, f"bytes={half}-", f"bytes={half + quarter}-"]


def test_a_refusal_of_the_server_is_not_repeated(hub, published, server):
    path = published()
    del server.files[path]
    assert "the server answers 404" in refused()
    assert len(server.requests) == 1


def test_a_full_disk_is_said_before_the_first_byte(hub, published, monkeypatch):
    published()
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=100))
    assert "needs 1.0 MB more, and 100 B are free" in refused()


@pytest.mark.parametrize("kind", ("a file", "read-only"))
def test_a_folder_that_cannot_be_written_is_named(kind, hub, published, monkeypatch, small_disk, tmp_path):
    published()
    place = small_disk(options=",ro") if kind == "read-only" else tmp_path / "file"
    if kind == "a file":
        place.write_text("")
    monkeypatch.setenv("TORCH_HOME", str(place))
    assert str(place / "hub") in refused()


def test_of_several_that_want_a_file_one_fetches_it(hub, published, server, capsys):
    path = published()
    server.cuts[path] = 1
    found = []
    threads = [threading.Thread(target=lambda: found.append(fetch_weights("vgg19", True))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [hub / "vgg19-dcbb9e9d.pth"] * 4
    assert len(server.requests) == 2, "the one that was cut, and its rest"
    assert capsys.readouterr().out.count("Fetching") == 1


def test_of_several_that_want_a_damaged_file_one_fetches_it_and_all_say_why(hub, published, server):
    published(content=CONTENT[:-1] + b"\0")
    server.delay = 0.5
    lines = []
    threads = [threading.Thread(target=lambda: lines.append(refused())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(lines)) == 1 and len(lines) == 4 and "its sha256 is" in lines[0]
    assert len(server.requests) == 2
    server.delay = 0
    server.files |= dict.fromkeys(server.files, CONTENT)
    assert fetch_weights("vgg19", True).read_bytes() == CONTENT, "an earlier failure counts for nothing"


def test_addresses_and_digits_are_those_of_the_makers():
    vgg, alexnet = torchvision.models.VGG19_Weights.IMAGENET1K_V1, torchvision.models.AlexNet_Weights.IMAGENET1K_V1
    for name, theirs in {"vgg19": vgg, "alexnet": alexnet}.items():
        assert WEIGHT_FILES[name].url == theirs.url
        assert WEIGHT_FILES[name].size / 2**20 == pytest.approx(theirs.meta["_file_size"], abs=1e-3)
    assert feature_extractor_inceptionv3.URL_INCEPTION_V3.endswith(WEIGHT_FILES["inception"].names[1])
    for file in WEIGHT_FILES.values():
        assert file.url.rpartition("/")[2] == file.names[0]
        assert all(f"-{file.sha256}." in name for name in file.names)
    assert weight_files.cache_folder().name == "checkpoints" and str(weight_files.cache_folder()).startswith(
        torch.hub.get_dir()
    )
