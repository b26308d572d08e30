"""Photos of a list: what comes, what is kept of their makers, and what is skipped."""

import json
from pathlib import Path

import pytest

from scripts.download import photos
from scripts.download.__main__ import main
from tests.scripts.shell import CHECK, checks
from tests.scripts.small_files import picture, tree
from util.errors import InputError

pytestmark = pytest.mark.tools


@pytest.fixture
def photo_list(server, tmp_path) -> Path:
    """Photos that are there, gone, deleted on Flickr, or no images."""
    server.files |= {"/lake.jpg": picture("JPEG", 50), "/other/lake.jpg": picture("PNG", 60)}
    server.files |= {"/page.jpg": b"<html>", "/cut.jpg": picture("JPEG", 70)[:400], "/photo_unavailable.png": b"x"}
    server.redirects["/deleted.jpg"] = server.url + "/photo_unavailable.png"
    server.statuses["/moved.jpg"] = [410]
    lines = [
        "# landscapes",
        f"{server.url}/lake.jpg\tAda,  CC BY 2.0",
        f"{server.url}/other/lake.jpg",
        "",
        *(f"{server.url}/{name}.jpg" for name in ("page", "cut", "deleted", "moved", "absent")),
        f"{server.url}/lake.jpg\tagain",
    ]
    path = tmp_path / "list.txt"
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def test_a_photo_of_ones_own_is_not_written_over(server, photo_list, tmp_path, capsys):
    root = tmp_path / "flickr"
    own = root / "photos" / f"{photos.file_stem(server.url + '/lake.jpg')}.jpg"
    own.parent.mkdir(parents=True)
    own.write_bytes(b"my own")
    with pytest.raises(InputError, match="1 photos failed for now"):
        main(["photos", str(photo_list), str(root), "--pause", "0"])
    assert f"{own}: is there already, and not in attribution.tsv" in capsys.readouterr().err
    assert own.read_bytes() == b"my own"
    own.write_bytes(server.files["/lake.jpg"])  # as if the program had been killed before it noted the photo
    main(["photos", str(photo_list), str(root), "--pause", "0"])
    assert len((root / "attribution.tsv").read_text().splitlines()) == 3


def test_flickr_keeps_attribution_and_skips_what_is_gone(scripts, server, photo_list, tmp_path, capsys):
    root = tmp_path / "flickr"
    main(["photos", str(photo_list), str(root), "--pause", "0"])
    assert "2 of 7 photos, 5 skipped" in capsys.readouterr().out
    header, *rows = (line.split("\t") for line in (root / "attribution.tsv").read_text().splitlines())
    assert header == ["file", "source", "url", "attribution", "date"]
    assert [row[3] for row in rows] == ["Ada, CC BY 2.0", ""]
    assert [Path(row[0]).suffix for row in rows] == [".jpg", ".png"], "by content, not by name"
    assert {row[0] for row in rows} == tree(root / "photos")
    skipped = dict(line.split("\t") for line in (root / "skipped.txt").read_text().splitlines())
    assert {source.rpartition("/")[2]: reason for source, reason in skipped.items()} == {
        "page.jpg": "not a whole JPEG, PNG, WebP or BMP image",
        "cut.jpg": "not a whole JPEG, PNG, WebP or BMP image",
        "deleted.jpg": "deleted on Flickr",
        "moved.jpg": "the server answers 410",
        "absent.jpg": "the server answers 404",
    }
    requests = len(server.requests)
    (root / "photos").rename(root / "train_img")  # as the script proposes
    again = scripts.run("download_flickr.sh", photo_list, root)
    assert again.returncode == 0, again.stderr
    assert len(server.requests) == requests
    assert "scripts.prepare label_photos" in again.stdout
    (root / "train_label").mkdir()
    assert scripts.run("download_flickr.sh", photo_list, root).returncode == 0
    assert scripts.calls(CHECK) == checks("flickr", root)


def test_flickr_goes_on_with_failures_and_stops_after_many(server, tmp_path):
    server.files["/fine.jpg"] = picture("JPEG")
    server.statuses = {f"/{number}.jpg": [403] for number in range(5)}
    path = tmp_path / "list.txt"
    path.write_text(f"{server.url}/0.jpg\n{server.url}/fine.jpg\n")
    with pytest.raises(InputError, match="1 photos failed for now"):
        main(["photos", str(path), str(tmp_path / "out"), "--pause", "0"])
    assert len(tree(tmp_path / "out" / "photos")) == 1
    server.statuses["/0.jpg"] = [403]
    path.write_text("".join(f"{server.url}/{number}.jpg\n" for number in range(9)))
    with pytest.raises(InputError, match="5 photos in a row failed"):
        main(["photos", str(path), str(tmp_path / "out"), "--pause", "0"])


def test_flickr_ids_need_a_key_that_is_shown_nowhere(server, tmp_path, monkeypatch, capsys):
    path = tmp_path / "list.txt"
    path.write_text("https://www.flickr.com/photos/ada/123/\tAda\n456\n")
    argv = ["photos", str(path), str(tmp_path / "out"), "--pause", "0", "--base_url", server.url]
    monkeypatch.delenv("FLICKR_API_KEY", raising=False)
    with pytest.raises(InputError, match=r"2 of 2 photos are Flickr ids \(first: 123\)"):
        main(argv)
    monkeypatch.setenv("FLICKR_API_KEY", "s3cret")
    sizes = [
        {"width": side, "height": side * 3 // 4, "source": f"{server.url}/{side}.jpg"} for side in (1600, 240, 800)
    ]
    query = "/services/rest/?method=flickr.photos.getSizes&api_key=s3cret&photo_id={}&format=json&nojsoncallback=1"
    found = {"stat": "ok", "sizes": {"size": sizes}}
    gone = {"stat": "fail", "code": 1, "message": "Photo not found"}
    server.files |= {query.format(123): json.dumps(found).encode(), query.format(456): json.dumps(gone).encode()}
    server.files["/800.jpg"] = picture("JPEG")
    main(argv)
    assert tree(tmp_path / "out") == {"photos/123.jpg", "attribution.tsv", "skipped.txt"}
    assert "Flickr says: Photo not found" in (tmp_path / "out" / "skipped.txt").read_text()
    path.write_text("789\n")
    with pytest.raises(InputError):
        server.statuses[query.format(789)] = [403]
        main(argv)
    assert "api_key=KEY" in capsys.readouterr().err
    assert not any(b"s3cret" in file.read_bytes() for file in (tmp_path / "out").rglob("*") if file.is_file())


@pytest.mark.parametrize("line", ("lake.jpg", "ftp://host/lake.jpg", "https://host/lake.jpg Ada"))
def test_other_lines_are_refused_with_their_number(line, tmp_path):
    path = tmp_path / "list.txt"
    path.write_text(f"https://host/a.jpg\n{line}\n")
    with pytest.raises(InputError, match="line 2"):
        photos.read_list(path)
