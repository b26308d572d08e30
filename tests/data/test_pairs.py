import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.files import Files, find_image_files, natural_key
from data.pairs import SamplePaths, pair_files, select_listed
from util.errors import InputError


def paths(folder: str, *names: str) -> dict[str, Path]:
    return {name: Path(folder, f"{name}.png") for name in names}


@given(st.permutations(["1", "2", "10", "a/1"]))
def test_equal_names_pair_whatever_the_order(names):
    files = Files(paths("maps", "1", "2", "10", "a/1"), paths("photos", *names), paths("inst", *reversed(names)))
    for sample in pair_files(files, check_names=True, extras_allowed=False):
        assert sample.labels == Path("maps", f"{sample.name}.png")
        assert sample.image == Path("photos", f"{sample.name}.png")
        assert sample.instances == Path("inst", f"{sample.name}.png")


def test_report_counts_and_names_both_sides():
    files = Files(paths("maps", "1", "2", "3", "4", "5"), paths("photos", "5", "6"))
    with pytest.raises(InputError) as caught:
        pair_files(files, check_names=True, extras_allowed=False)
    message = str(caught.value)
    assert "maps and photos: 4 of 5 label maps have no photo (1, 2, 3, ...)" in message
    assert "1 of 2 photos have no label map (6)" in message
    assert message.endswith("; give files of one sample the same name")  # positions would join 5 maps with 2 photos
    assert "\n" not in message


def test_instance_maps_are_checked_too():
    files = Files(paths("maps", "1", "2"), paths("photos", "1", "2"), paths("inst", "1"))
    with pytest.raises(InputError, match=r"1 of 2 label maps have no instance map \(2\)"):
        pair_files(files, check_names=True, extras_allowed=False)


def test_extra_photos_are_left_alone_where_allowed_but_missing_ones_never():
    extra = Files(paths("maps", "1"), paths("photos", "1", "2"))
    assert [sample.image for sample in pair_files(extra, True, extras_allowed=True)] == [Path("photos/1.png")]
    with pytest.raises(InputError, match=r"1 of 2 photos have no label map \(2\)"):
        pair_files(extra, True, extras_allowed=False)
    with pytest.raises(InputError, match="1 of 2 label maps have no photo"):
        pair_files(Files(paths("maps", "1", "2"), paths("photos", "1")), True, extras_allowed=True)


def test_no_photos_at_all_are_none():
    (sample,) = pair_files(Files(paths("maps", "1")), check_names=True, extras_allowed=True)
    assert sample == ("1", Path("maps/1.png"), None, None)


def test_pairing_by_position_needs_equal_counts():
    files = Files(paths("maps", "a", "b"), paths("photos", "x", "y"))
    samples = pair_files(files, check_names=False, extras_allowed=False)
    assert [(sample.name, sample.image.stem) for sample in samples] == [("a", "x"), ("b", "y")]
    with pytest.raises(InputError, match="maps holds 2 label maps and photos 1 photos"):
        pair_files(Files(files.labels, paths("photos", "x")), check_names=False, extras_allowed=True)


# What helps where names do not pair


def refusal(labels: list[str], photos: list[str], **given) -> str:
    """What is said about names that do not pair."""
    files = Files(paths("maps", *labels), paths("photos", *photos))
    with pytest.raises(InputError) as caught:
        pair_files(files, **{"check_names": True, "extras_allowed": False} | given)
    return str(caught.value)


@pytest.mark.parametrize(
    ("labels", "photos", "advice"),
    [
        (["1_mask", "2_mask"], ["1", "2"], "add --label_suffix _mask"),
        (["a/10_mask", "a/20_mask"], ["a/10", "a/20"], "add --label_suffix _mask"),
        (["1-seg (new)", "2-seg (new)"], ["1", "2"], "add --label_suffix '-seg (new)'"),
        (["1L", "2L"], ["1", "2"], "add --label_suffix L"),
        (["1", "2"], ["1_photo", "2_photo"], "add --image_suffix _photo"),
        (["855_mask", "955_mask"], ["855_sat", "955_sat"], "add --label_suffix _mask --image_suffix _sat"),
        (["mask_1", "mask_2"], ["1", "2"], "names would pair without mask_ at the beginning: rename"),
        (["mask_1", "mask_2"], ["img_1", "img_2"], "without mask_ and img_ at the beginning: rename"),
        (["a/1", "b/2"], ["1", "2"], "equal but for the folders (a/1 and 1)"),
        (["x", "y"], ["n", "m"], "the same name, or pair them by position with --no_pairing_check"),
    ],
)
def test_the_advice_is_what_would_pair_them(labels, photos, advice):
    assert advice in refusal(labels, photos)


def test_what_one_side_has_more_is_named_as_such():
    assert "every label map has its photo: give the other photos a label map" in refusal(["1"], ["1", "2"])
    assert "every photo has its label map: give the other label maps a photo" in refusal(["1", "2"], ["1"])


@pytest.mark.parametrize(
    ("labels", "photos"),
    [
        (["a", "b", "c"], ["b", "c", "d"]),  # every position is wrong
        (["cat_mask", "dog_mask"], ["bird", "cat"]),
        (["x", "y", "z"], ["n", "m"]),
        (["s/2", "t/1"], ["1", "3"]),
    ],
)
def test_positions_are_not_proposed_where_they_would_be_wrong(labels, photos):
    assert "--no_pairing_check" not in refusal(labels, photos)


@pytest.mark.parametrize(
    ("label", "photo", "difference"),
    [
        ("IMG_1", "img_1", "in upper and lower case"),
        ("a b", "a\xa0b", "U+0020 SPACE against U+00A0 NO-BREAK SPACE"),
        ("a", "a ", "nothing against U+0020 SPACE"),
        ("a\u200b1", "a1", "U+200B ZERO WIDTH SPACE against nothing"),
        ("a-1", "a\u20131", "U+002D HYPHEN-MINUS against U+2013 EN DASH"),
        ("а1", "a1", "U+0430 CYRILLIC SMALL LETTER A against U+0061 LATIN SMALL LETTER A"),
    ],
)
def test_names_that_look_equal_say_how_they_differ(label, photo, difference):
    said = refusal([label, "2"], [photo, "2"])
    assert f'"{label}" of the label maps and "{photo}" of the photos look alike and differ ({difference})' in said


@pytest.mark.parametrize(("label", "photo"), [("3.png", "3.heic"), ("sub/3.svg", "sub/3.jpg")])
def test_a_partner_in_a_format_that_is_not_read_is_named(tmp_path, label, photo):
    for folder, name in (("maps", "1.png"), ("photos", "1.jpg"), ("maps", label), ("photos", photo)):
        (tmp_path / folder / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / folder / name).touch()
    files = Files(find_image_files(tmp_path / "maps", "label maps"), find_image_files(tmp_path / "photos", "photos"))
    with pytest.raises(
        InputError,
        match=r"may be \S+3\.(heic|svg), whose format is not read: convert .+ maps to PNG",
    ):
        pair_files(files, check_names=True, extras_allowed=False)


@pytest.mark.parametrize(
    ("labels", "photos", "pairs"),
    [
        (["a", "b", "c"], ["b", "c", "d"], "b.png with c.png (not b.png) and c.png with d.png (not c.png)"),
        (["a_m", "a-1_m", "a (1)_m"], ["a", "a-1", "a (1)"], "a (1)_m.png with a.png (not a (1).png)"),
        (["m_01", "m_02"], ["p_2", "p_3"], "m_02.png with p_3.png (not p_2.png)"),
        (["s/2", "t/1"], ["1", "2"], "s/2.png with 1.png (not 2.png) and t/1.png with 2.png (not 1.png)"),
    ],
)
def test_pairing_by_position_is_refused_where_names_cross(labels, photos, pairs):
    in_order = [sorted(names, key=natural_key) for names in (labels, photos)]
    said = refusal(*in_order, check_names=False)
    assert said.startswith("--no_pairing_check: would pair ") and "leave the flag out" in said
    assert pairs.replace("s/", "").replace("t/", "") in said


@pytest.mark.parametrize(
    ("labels", "photos"),
    [(["a", "b"], ["x", "y"]), (["m_1", "m_2"], ["p_001", "p_002"]), (["1", "2"], ["10", "20"]), (["a"], ["b"])],
)
def test_pairing_by_position_goes_where_names_say_nothing_else(labels, photos):
    files = Files(paths("maps", *labels), paths("photos", *photos))
    assert [sample.image.stem for sample in pair_files(files, False, False)] == photos


# --file_list


@pytest.fixture
def write_list(tmp_path):
    def write(text: str) -> Path:
        (tmp_path / "list.txt").write_text(text, encoding="utf-8")
        return tmp_path / "list.txt"

    return write


STREETS = [
    SamplePaths(
        f"{city}/{city}_{frame}",
        Path("root/gtFine/val", city, f"{city}_{frame}_gtFine_labelIds.png"),
        Path("root/leftImg8bit/val", city, f"{city}_{frame}_leftImg8bit.png"),
        None,
    )
    for city in ("aachen", "bonn")
    for frame in ("2", "10")
]


def selected(samples: list[SamplePaths], file_list: Path) -> list[str]:
    return [sample.name for sample in select_listed(samples, file_list)]


@pytest.mark.parametrize(
    "line",
    [
        "bonn/bonn_2",
        "bonn/bonn_2.png",
        "bonn/bonn_2_gtFine_labelIds",
        "bonn/bonn_2_leftImg8bit.png",
        "val/bonn/bonn_2_leftImg8bit.png",
        "./root/gtFine/val/bonn/bonn_2_gtFine_labelIds.png",
        str(Path("root/gtFine/val/bonn/bonn_2_gtFine_labelIds.png").absolute()),
    ],
)
def test_a_list_names_samples_or_their_files(write_list, line):
    assert selected(STREETS, write_list(f"{line}\n")) == ["bonn/bonn_2"]


@pytest.mark.parametrize("line", ["bonn_2", "train/bonn/bonn_2_leftImg8bit.png", "bonn/bonn_1", "/bonn/bonn_2.png"])
def test_a_list_never_selects_another_file(write_list, line):
    with pytest.raises(InputError, match=r"list\.txt: 1 of 1 names are not among the 4 samples"):
        select_listed(STREETS, write_list(line))


def test_a_list_keeps_the_order_of_the_data_set_and_skips_comments_blanks_and_repetitions(write_list):
    text = "\ufeff# mine\r\n\r\nbonn/bonn_10\r\n  bonn/bonn_2 \r\nbonn/bonn_2.png\r\naachen/aachen_2"
    assert selected(STREETS, write_list(text)) == ["aachen/aachen_2", "bonn/bonn_2", "bonn/bonn_10"]


def test_dots_in_listed_names_are_no_extensions(write_list):
    samples = [SamplePaths(name, Path("maps", f"{name}.png"), None, None) for name in ("v1.2", "v1", "a.png", "a")]
    assert selected(samples, write_list("v1.2\na.png")) == ["v1.2", "a.png"]


def test_a_portrait_is_listed_by_its_name_or_its_folder(write_list):
    samples = [
        SamplePaths("2", Path("coco/train_label/2.png"), None, None),
        SamplePaths("portrait/2", Path("coco/train_portrait_label/2.png"), None, None),
    ]
    assert selected(samples, write_list("2")) == selected(samples, write_list("train_label/2.png")) == ["2"]
    for line in ("portrait/2", "coco/train_portrait_label/2.png"):
        assert selected(samples, write_list(line)) == ["portrait/2"]


def test_unknown_names_are_counted_with_near_matches(write_list):
    with pytest.raises(InputError) as caught:
        select_listed(STREETS, write_list("bonn/bonn_20\naachen/aachen_2\nx\ny\nz"))
    message = str(caught.value)
    assert "4 of 5 names are not among the 4 samples (bonn/bonn_20, x, y, ...)" in message
    assert "near matches of the first: bonn/bonn_2, bonn/bonn_10" in message
    assert "\n" not in message
    with pytest.raises(InputError, match=r"\(\?\?\); names are like aachen/aachen_2, "):
        select_listed(STREETS, write_list("??"))


def test_lists_that_cannot_be_used_are_named(write_list, tmp_path):
    with pytest.raises(InputError, match=r"list\.txt: names no sample; write one name a line"):
        select_listed(STREETS, write_list("# nothing\n\n"))
    with pytest.raises(InputError, match=r"nowhere\.txt: cannot be read \(No such file"):
        select_listed(STREETS, tmp_path / "nowhere.txt")
    with pytest.raises(InputError, match=r"is a folder; give a text file with one name a line"):
        select_listed(STREETS, tmp_path)
    (tmp_path / "list.txt").write_bytes(b"\xff\xfe\x80")
    with pytest.raises(InputError, match=r"--file_list .*list\.txt: is not a text file"):
        select_listed(STREETS, tmp_path / "list.txt")


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize("line_end", ["\r\n", "\r", "\n"])
def test_lists_of_other_systems(tmp_path, encoding, line_end):
    samples = [SamplePaths(name, Path("maps", f"{name}.png"), None, None) for name in ("Übung", "b", "c")]
    (tmp_path / "list.txt").write_bytes(line_end.join(["Übung", "c", ""]).encode(encoding))
    assert selected(samples, tmp_path / "list.txt") == ["Übung", "c"]


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_listed_names_have_one_unicode_form(write_list, form):
    samples = [SamplePaths("café", Path("maps", unicodedata.normalize("NFD", "café.png")), None, None)]
    for line in ("café", "maps/café.png"):
        assert selected(samples, write_list(unicodedata.normalize(form, line))) == ["café"]


@pytest.mark.parametrize(
    "line",
    [
        "bonn\\bonn_2",
        "bonn\\bonn_2.png",
        ".\\val\\bonn\\bonn_2_leftImg8bit.png",
        "C:\\data\\leftImg8bit\\val\\bonn\\bonn_2_leftImg8bit.png",
        "D:/val/bonn/bonn_2_gtFine_labelIds.png",
        "\\\\server\\share\\val\\bonn\\bonn_2_leftImg8bit.png",
        "/home/somebody/else/val/bonn/bonn_2_leftImg8bit.png",
        '"bonn/bonn_2"',
        "'bonn/bonn_2.png',",
        "bonn/bonn_2,",
        "bonn/bonn_2;;",
        "leftImg8bit/val/bonn/bonn_2_leftImg8bit.png\tgtFine/val/bonn/bonn_2_gtFine_labelIds.png",
        "leftImg8bit/val/bonn/bonn_2_leftImg8bit.png,gtFine/val/bonn/bonn_2_gtFine_labelIds.png",
        "val/bonn/bonn_2_leftImg8bit.png val/bonn/bonn_2_gtFine_labelIds.png",
    ],
)
def test_lists_in_the_spelling_of_other_systems_and_programs(write_list, line):
    assert selected(STREETS, write_list(f"{line}\n")) == ["bonn/bonn_2"]
    assert selected(STREETS, write_list(f"filename\n{line}\n")) == ["bonn/bonn_2"]


@pytest.mark.parametrize(
    "head",
    [
        "image,mask",
        "Image;Label",
        "image_path\tlabel_path",
        "photo label",
        '"img","seg"',
        "Images,Annotations",
        "ID, file",
        "filename",
        '"file_name"',
        "names",
        "Image ID",
        "label map,photo",
    ],
)
def test_a_list_may_begin_with_the_names_of_its_columns(write_list, head):
    separator = next((sign for sign in "\t,;" if sign in head), " ")
    line = separator.join(["bonn_2_leftImg8bit.png", "bonn_2_gtFine_labelIds.png"])
    line = line.replace("bonn_2", "bonn/bonn_2")
    assert selected(STREETS, write_list(f"{head}\n{line}\n")) == ["bonn/bonn_2"]
    with pytest.raises(InputError, match="1 of 1 names are not among"):
        select_listed(STREETS, write_list(f"{head}\n"))


def test_a_heading_that_is_a_sample_is_one(write_list):
    samples = [SamplePaths(name, Path("maps", f"{name}.png"), None, None) for name in ("image", "a")]
    assert selected(samples, write_list("image\na")) == ["image", "a"]


@pytest.mark.parametrize("line", ["bonn/bonn_2,aachen/aachen_2", "bonn/bonn_2,val", "7;bonn/bonn_2"])
def test_columns_that_are_not_of_one_sample_say_what_to_do(write_list, line):
    with pytest.raises(InputError, match="all columns of a line must name files of one sample: leave one column"):
        select_listed(STREETS, write_list(f"image,mask\nbonn/bonn_10,bonn/bonn_10\n{line}"))


def test_names_with_odd_characters_are_names_first(write_list):
    names = ["a, b", 'a"', "a\\b", "a b", "a"]
    samples = [SamplePaths(name, Path("maps", f"{name}.png"), None, None) for name in names]
    for name in names:
        assert selected(samples, write_list(name)) == [name]


@pytest.mark.parametrize(
    "line", ["bonn/bonn_2,aachen/aachen_2", "bonn/bonn_2,bonn/bonn_3", "bonn/bonn_2 old", "filename", "C:\\bonn_2.png"]
)
def test_columns_of_several_samples_and_unknown_names_are_refused(write_list, line):
    with pytest.raises(InputError, match="1 of 1 names are not among the 4 samples"):
        select_listed(STREETS, write_list(line))


def test_a_path_of_another_machine_is_not_that_of_a_file_beside_ours(write_list, tmp_path):
    for part in ("train", "val"):
        (tmp_path / part).mkdir()
        (tmp_path / part / "1.png").touch()
    samples = [SamplePaths("1", tmp_path / "val" / "1.png", None, None)]
    assert selected(samples, write_list("C:\\pictures\\1.png")) == ["1"]  # whatever the folder is called there
    for line in ("C:\\data\\train\\1.png", str(tmp_path / "train" / "1.png")):
        with pytest.raises(InputError, match="1 of 1 names"):
            select_listed(samples, write_list(line))
