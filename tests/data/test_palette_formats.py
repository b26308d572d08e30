"""Palettes of labeling tools are read with the right ids and colors, or refused with one line of the wanted form."""

import json
import random

import numpy as np
import pytest
from PIL import Image

from data.palette import read_palette
from util.errors import InputError

COLORS = {"background": (0, 0, 0), "Cat": (48, 112, 32), "2 Dogs": (176, 112, 255)}
HEX = {name: "#{:02x}{:02X}{:02x}".format(*color) for name, color in COLORS.items()}
IN_ORDER = {
    "CVAT labelmap.txt": "# label:color_rgb:parts:actions\nbackground:0,0,0::\nCat:48,112,32::\n"
    "2 Dogs:176,112,255:a,b:x\n",
    "labelmap.txt without head": "background:0,0,0::\nCat:48,112,32::\n2 Dogs:176,112,255:head,tail:\n",
    "GIMP": "GIMP Palette\nName: x\nColumns: 4\n#\n  0   0   0\tbackground\n 48 112  32\tCat\n176 112 255\t2 Dogs\n",
    "Aseprite": "GIMP Palette\nChannels: RGBA\n#\n0 0 0 255 background\n48 112 32 255 Cat\n176 112 255 255 2 Dogs\n",
    "class_dict.csv": "name,r,g,b\nbackground,0,0,0\nCat,48,112,32\n2 Dogs,176,112,255\n",
    "columns in any order": "b; Name; g; r; x\n0; background; 0; 0; 9\n32; Cat; 112; 48; 9\n255; 2 Dogs; 112; 176; 9\n",
    "Excel": "sep=;\nclass_name;Hex\nbackground;000000\nCat;307020\n2 Dogs;B070FF\n",
    "CSV of hex": 'Label\tColor\nbackground\t#000000\nCat\t"48, 112, 32"\n2 Dogs\trgb(176, 112, 255)\n',
    "CSV without head": "background,0,0,0\nCat,48,112,32\n2 Dogs,176,112,255\n",
    "CamVid": "0 0 0\tbackground\n48 112 32\t\tCat\n176 112 255\t2 Dogs\n",
    "CamVid in spaces": "0 0 0 background\n48 112 32 Cat\n176 112 255 2 Dogs\n",
    "hex and name": "".join(f"{code} {name}\n" for name, code in HEX.items()),
    "name and hex": "# ours\n" + "".join(f"{name}: '{code}'\n" for name, code in HEX.items()),
    "YAML": "background: [0, 0, 0]\nCat: [48, 112, 32]\n2 Dogs: [176, 112, 255]\n",
    "Supervisely": json.dumps({"tags": [], "classes": [
        {"title": name, "color": code, "shape": "bitmap", "id": 998877} for name, code in HEX.items()
    ]}),
    "CVAT labels": json.dumps([
        {"name": name, "id": 4711 - i, "color": code, "type": "any", "attributes": []}
        for i, (name, code) in enumerate(HEX.items())
    ]),
    "CVAT labels of older versions": json.dumps([
        {"name": name, "id": 36 + i, "color": code, "attributes": []} for i, (name, code) in enumerate(HEX.items())
    ]),
    "Label Studio with hotkeys": "<View><BrushLabels name='c' toName='a'>" + "".join(
        f"<Label value='{name}' background='{code}' hotkey='{9 - i}'/>" for i, (name, code) in enumerate(HEX.items())
    ) + "</BrushLabels></View>",
    "rows counted from 0": "rows,name,r,g,b\n0,background,0,0,0\n1,Cat,48,112,32\n2,2 Dogs,176,112,255\n",
    "Mapillary": json.dumps({"version": 1, "labels": [
        {"name": name, "readable": "x", "instances": True, "color": color} for name, color in COLORS.items()
    ]}),
    "Labelbox": json.dumps({"project": {"ontology": {"tools": [
        {"name": name, "color": code, "tool": "raster", "schemaNodeId": "ckl"} for name, code in HEX.items()
    ], "classifications": []}}}),
    "Hasty": json.dumps({"label_classes": [
        {"class_name": name, "color": code, "norder": 9.5 - i} for i, (name, code) in enumerate(HEX.items())
    ], "images": [{"image_name": "a.png", "width": 3}]}),
    "opacities": json.dumps({name: [*color, 255 * (i > 0)] for i, (name, color) in enumerate(COLORS.items())}),
    "opacities as fractions": json.dumps({
        name: f"rgba({r}, {g}, {b}, .{i})" for i, (name, (r, g, b)) in enumerate(COLORS.items())}),
    "by name": json.dumps(HEX),
    "by name, deeper": json.dumps({"version": 3, "classes": {name: {"color": code} for name, code in HEX.items()}}),
    "MMSegmentation": json.dumps({"classes": list(COLORS), "palette": list(COLORS.values())}),
    "Label Studio": "<View><Image name='a' value='$b'/><BrushLabels name='c' toName='a'>" + "".join(
        f"<Label value='{name}' background='{code}'/>" for name, code in HEX.items()) + "</BrushLabels></View>",
    "CVAT for images": '<?xml version="1.0" encoding="utf-8"?><annotations><meta><labels>' + "".join(
        f"<label><name>{name}</name><color>{code}</color><attributes></attributes></label>"
        for name, code in HEX.items()) + "</labels></meta></annotations>",
}  # fmt: skip
IDS = {"background": 0, "Cat": 7, "2 Dogs": 300}
NUMBERED = {
    "ours": "0 0 0 0 background\n7 48 112 32 Cat\n300 176 112 255 2 Dogs\n",
    "a number with a colon": "0: background [0, 0, 0]\n7: Cat [48, 112, 32]\n300: '2 Dogs' [176, 112, 255]\n",
    "an equals sign": "0 = background (0, 0, 0)\n7 = Cat (48, 112, 32)\n300 = '2 Dogs' (176, 112, 255)\n",
    "ids beside names": json.dumps({
        "classes": list(IDS), "class_ids": list(IDS.values()), "palette": list(COLORS.values())}),
    "ids as floats": json.dumps([{"id": float(IDS[n]), "name": n, "color": color} for n, color in COLORS.items()]),
    "columns named in a comment": "# id name r g b\n0 background 0 0 0\n7 Cat 48 112 32\n300 '2 Dogs' 176 112 255\n",
    "QGIS": "# QGIS Generated Color Map Export File\nINTERPOLATION:EXACT\n0,0,0,0,255,background\n"
    "7,48,112,32,255,Cat\n300,176,112,255,255,2 Dogs\n",
    "3D Slicer": "# Color table file /a/b.ctbl\n# 3 values\n0 background 0 0 0 0\n7 Cat 48 112 32 255\n"
    "300 '2 Dogs' 176 112 255 255\n",
    "3D Slicer CSV": "LabelValue,Name,Color_R,Color_G,Color_B,Color_A\n0,background,0,0,0,0\n7,Cat,48,112,32,255\n"
    "300,2 Dogs,176,112,255,255\n",
    "FreeSurfer": "#No. Label Name:   R   G   B   A\n\n0  background  0 0 0 0\n7  Cat  48 112 32 0\n"
    '300  "2 Dogs"  176 112 255 0\n',
    "ITK-SNAP": "###########\n# ITK-SnAP Label Description File\n# IDX   -R-  -G-  -B-  -A--  VIS MSH  LABEL\n######\n"
    '    0     0    0    0        0  0  0    "background"\n    7    48  112   32        1  1  1    "Cat"\n'
    '  300   176  112  255      0.5  1  1    "2 Dogs"\n',
    "ITK-SNAP without head": '0 0 0 0 0 0 0 "background"\n7 48 112 32 1 1 1 "Cat"\n300 176 112 255 1 1 1 "2 Dogs"\n',
    "CSV": "class,id,red,green,blue\nbackground,0,0,0,0\nCat,7,48,112,32\n2 Dogs,300,176,112,255\n",
    "EISeg": "0 background 0 0 0\n7 Cat 48 112 32\n300 '2 Dogs' 176 112 255\n",
    "id and hex": "0,#000000,background\n7,#307020,Cat\n300,#b070ff,2 Dogs\n",
    "GRASS": "0 0:0:0 background\n7 48:112:32 Cat\n300 176:112:255 2 Dogs\n",
    "COCO panoptic": json.dumps({"images": [{"id": 1, "width": 3}], "categories": [
        {"id": IDS[name], "isthing": 1, "color": color, "name": name, "supercategory": "all"}
        for name, color in COLORS.items()
    ]}),
    "Cityscapes": json.dumps([
        {"id": IDS[name], "name": name, "trainId": 255, "color": color} for name, color in COLORS.items()
    ]),
    "Segments.ai": json.dumps({"task_attributes": {"format_version": "0.1", "categories": [
        {"id": IDS[name], "name": name, "color": color, "attributes": []} for name, color in COLORS.items()
    ]}}),
    "by id": json.dumps({IDS[name]: {"name": name, "color": color} for name, color in COLORS.items()}),
    "names and colors by id": json.dumps({
        "labels": {IDS[name]: name for name in IDS}, "color_map": {IDS[name]: COLORS[name] for name in IDS}}),
    "QGIS style": "<qgis><pipe><rasterrenderer type='paletted'><colorPalette>" + "".join(
        f"<paletteEntry value='{IDS[name]}' alpha='255' color='{code}' label='{name}'/>"
        for name, code in HEX.items()) + "</colorPalette></rasterrenderer></pipe></qgis>",
    "SLD": "<s:StyledLayerDescriptor xmlns:s='x'><s:ColorMap type='values'>" + "".join(
        f"<s:ColorMapEntry quantity='{IDS[name]}' color='{code}' label='{name}'/>"
        for name, code in HEX.items()) + "</s:ColorMap></s:StyledLayerDescriptor>",
}  # fmt: skip
NAMELESS = {
    "Esri .clr": "0 0 0 0\n7 48 112 32\n300 176 112 255\n",
    "GDAL": "0 0 0 0 255\n7 48 112 32 255\n300 176 112 255 255\n",
    "color to id": json.dumps({"#000000": 0, "48,112,32": 7, "(176, 112, 255)": 300}),
    "id to color": json.dumps({"0": [0, 0, 0], "7": [48, 112, 32], "300": "#b070ff"}),
    "classes that are numbers": "class,r,g,b\n0,0,0,0\n7,48,112,32\n300,176,112,255\n",
}
NAMELESS_IN_ORDER = {
    "numbered names": "0 0 0 class 0\n48 112 32 class 1\n176 112 255 class 2\n",
    "three numbers": "0 0 0\n48 112 32\n176 112 255\n",
    "Paint Shop Pro": "JASC-PAL\n0100\n3\n0 0 0\n48 112 32\n176 112 255\n",
    "list of colors": json.dumps(list(COLORS.values())),
}


def entries(path, text: str) -> list:
    path.write_text(text, encoding="utf-8")
    return [(entry.id, entry.color, entry.name) for entry in read_palette(path).entries]


@pytest.mark.parametrize("tool", IN_ORDER)
def test_where_a_file_numbers_no_classes_their_order_does(tmp_path, tool):
    found = entries(tmp_path / "p", IN_ORDER[tool])
    assert found == [(place, color, name) for place, (name, color) in enumerate(COLORS.items())]
    assert (
        "3 colors, ids in the order of the file: 0 background (0 0 0), 1 Cat" in read_palette(tmp_path / "p").summary()
    )


@pytest.mark.parametrize("tool", NUMBERED)
def test_ids_of_a_file_are_kept(tmp_path, tool):
    assert entries(tmp_path / "p", NUMBERED[tool]) == [(IDS[name], color, name) for name, color in COLORS.items()]
    assert "3 colors, ids as in the file: 0 background (0 0 0), 7 Cat" in read_palette(tmp_path / "p").summary()


HEADS = (
    "mask_value train_id trainId Code gray Gray-Value value index class_id label Class category label-no. Pixel MaskID"
)


@pytest.mark.parametrize("head", HEADS.split())
def test_ids_are_known_by_what_tools_call_them(tmp_path, head):
    rows = [(IDS[name], name, *color) for name, color in COLORS.items()]
    expected = [(IDS[name], color, name) for name, color in COLORS.items()]
    lines = "".join(f"{number};{name};{r};{g};{b}\n" for number, name, r, g, b in rows)
    assert entries(tmp_path / "p", f"{head};name;R;G;B\n{lines}") == expected
    items = [{"name": name, head: number, "color": color} for number, name, *color in rows]
    assert entries(tmp_path / "p", json.dumps(items)) == expected


@pytest.mark.parametrize("tool", NAMELESS)
def test_classes_without_names_keep_their_ids(tmp_path, tool):
    found = entries(tmp_path / "p", NAMELESS[tool])
    assert found == [(IDS[name], color, f"class {IDS[name]}") for name, color in COLORS.items()]


@pytest.mark.parametrize("tool", NAMELESS_IN_ORDER)
def test_colors_alone_are_numbered(tmp_path, tool):
    found = entries(tmp_path / "p", NAMELESS_IN_ORDER[tool])
    assert found == [(place, color, f"class {place}") for place, color in enumerate(COLORS.values())]


@pytest.mark.parametrize("tool", ["CVAT labelmap.txt", "class_dict.csv", "CamVid", "Supervisely", "GIMP"])
@pytest.mark.parametrize(
    ("encoding", "line_end"), [("utf-8-sig", "\r\n"), ("utf-16", "\r\n"), ("cp1252", "\r\n"), ("utf-8", "\r")]
)
def test_lists_of_other_systems_are_read(tmp_path, tool, encoding, line_end):
    text = IN_ORDER[tool].replace("Cat", "Straße")
    (tmp_path / "p").write_bytes(text.replace("\n", line_end).encode(encoding))
    assert [entry.name for entry in read_palette(tmp_path / "p").entries] == ["background", "Straße", "2 Dogs"]


def test_a_picture_gives_its_own_palette(tmp_path):
    picture = Image.fromarray(np.array([[0, 1, 3]], dtype=np.uint8), "P")
    picture.putpalette([0, 0, 0, 48, 112, 32, 9, 9, 9, 176, 112, 255] + [0, 0, 0] * 252)
    picture.save(tmp_path / "a.png")
    found = [(entry.id, entry.color) for entry in read_palette(tmp_path / "a.png").entries]
    assert found == [(0, (0, 0, 0)), (1, (48, 112, 32)), (2, (9, 9, 9)), (3, (176, 112, 255))]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("background\nCat\nDog\n", "holds names or ids without colors"),  # labelme's labels.txt
        ("__ignore__\n_background_\nclass 1\n", "holds names or ids without colors"),
        ("Pixel Value, Class\n0, background\n1, Cat\n", "masks that hold ids need no palette"),  # Roboflow
        (json.dumps({"categories": [{"id": 1, "name": "Cat"}]}), "holds no classes with colors"),  # COCO's annotations
        ("0 0 0 255 a\n48 112 32 255 b\n", "could be `id r g b`, or colors followed by opacity or id"),
        ("0 0 0 0\n48 112 32 1\n176 112 32 2\n", "could be `id r g b`, or colors followed by opacity or id"),
        ("0 0 0 0 void\n255 0 0 255 car\n0 255 0 255 road\n", "could be `id r g b`, or colors followed by opacity"),
        ("0 0 0 0\n128 0 0 255\n0 128 0 255\n", "could be `id r g b`, or colors followed by opacity or id"),
        ("ground,name,r,g,b\n5,a,0,0,0\n9,b,9,9,9\n", '"ground" may hold the ids, or something else: name it id'),
        (",name,r,g,b\n1,a,0,0,0\n2,b,9,9,9\n", '"" may hold the ids, or something else'),
        (json.dumps([{"name": str(i), "rank": 9 - i, "color": [i] * 3} for i in range(3)]), '"rank" may hold the ids'),
        (json.dumps({"classes": ["a", "b"], "ranks": [5, 3], "palette": [[1, 2, 3], [4, 5, 6]]}), '"rank" may hold'),
        (json.dumps({"2: car": [255, 0, 0], "0: void": [0, 0, 0]}), 'numbers in names such as "2: car" may be the ids'),
        ("name,r,g,b\n7,0,0,0\n3,9,9,9\n", 'numbers in names such as "7" may be the ids'),
        ("(5) car [1,2,3]\n(9) sky [4,5,6]\n", 'numbers in names such as ".5. car" may be the ids'),
        ("class5 1 2 3\nclass9 4 5 6\n", 'numbers in names such as "class5" may be the ids'),
        ("GIMP Palette\n#\n1 2 3 5\n4 5 6 9\n", 'numbers in names such as "5" may be the ids'),
        ("1 2 3 -> 5\n4 5 6 -> 9\n", "a number follows every name"),
        ("car: 5 1 2 3\nsky: 9 4 5 6\n", "colors of four numbers, of which the first or last may be ids"),
        (json.dumps([[5, 1, 2, 3], [9, 4, 5, 6]]), "colors of four numbers, of which the first or last may be ids"),
        ("0 0 0 void 5\n255 0 0 car 20\n", "a number follows every name"),
        ("0,0,0,void,5\n255,0,0,car,20\n", "a number follows every name"),
        (json.dumps([[0, 0, 0], [1, 0, 0], [0, 1, 0]]), "may be fractions of 1, and wanted are levels 0..255"),
        ("0 0 0 0 void\n1 1 0 0 car\n2 0 1 0 road\n", "may be fractions of 1, and wanted are levels 0..255"),
        ("class 1 128 64 0\nclass 2 0 64 0\n", "is no color of a class"),
        ("0 0.0 0.5 1.0 road\n1 0.1 0.2 0.3 sky\n", "line 1: a color is three whole numbers 0..255"),
        (json.dumps({"road": [0.5, 0.25, 1]}), '"road": a color is three whole numbers 0..255'),
        (json.dumps({"road": [1.0, 0, 0]}), '"road": a color is three whole numbers 0..255'),
        (json.dumps([{"name": "road", "color": "#ff0000ff"}]), "a color is three whole numbers 0..255"),
        (json.dumps([{"name": "road", "color": "beautiful"}]), "a color is three whole numbers 0..255"),
        (
            json.dumps({"a": [{"color": "#000000"}], "b": [{"color": "#000000"}]}),
            "holds 2 lists of classes with colors",
        ),
        (json.dumps({"classes": ["a", "b"], "palette": [[1, 2, 3]]}), "holds 2 names and 1 colors"),
        ("<a><b color='#000000' x='1'/><c color='#000000' x='1'/></a>", "holds 2 kinds of elements with colors"),
        ("<a", "is no XML"),
        (json.dumps({"a": [1, 2, 3], "b": [0.5] * 1000}), '"b": a color is three whole numbers 0..255'),
        ('{"a":' * 990 + "1" + "}" * 990, "p: "),
    ],
)
def test_what_cannot_be_meant_in_one_way_is_refused_with_the_wanted_form(tmp_path, text, words):
    (tmp_path / "p").write_text(text)
    with pytest.raises(InputError, match=words) as caught:
        read_palette(tmp_path / "p")
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 400
    assert "`id r g b name`" in str(caught.value)


def test_files_that_are_no_text_are_refused(tmp_path):
    (tmp_path / "p.act").write_bytes(bytes(range(256)) * 3)
    Image.new("RGB", (2, 2)).save(tmp_path / "p.png")
    for path, words in (("p.act", "is not a text file"), ("p.png", "without a palette"), ("gone", "cannot be read")):
        with pytest.raises(InputError, match=words) as caught:
            read_palette(tmp_path / path)
        assert "`id r g b name`" in str(caught.value)


def test_a_line_of_names_settles_what_numbers_are(tmp_path):
    text = "48 112 32 1\n176 112 32 2\n"
    assert entries(tmp_path / "p", "id r g b\n" + text)[0] == (48, (112, 32, 1), "class 48")
    assert entries(tmp_path / "p", "# r g b id\n" + text)[0] == (1, (48, 112, 32), "class 1")
    text = "0 0 0 0 void\n255 0 0 255 car\n0 255 0 255 road\n"
    assert entries(tmp_path / "p", "r g b a name\n" + text)[1] == (1, (255, 0, 0), "car")
    assert entries(tmp_path / "p", "id r g b name\n0 0 0 0 void\n1 1 0 0 car\n")[1] == (1, (1, 0, 0), "car")
    assert entries(tmp_path / "p", json.dumps(["#000000", "#010000"]))[1] == (1, (1, 0, 0), "class 1")


def test_damaged_files_are_refused_in_one_line(tmp_path):
    rng = random.Random(0)
    for text in (IN_ORDER | NUMBERED | NAMELESS | NAMELESS_IN_ORDER).values():
        for _ in range(8):
            at = rng.randrange(len(text))
            broken = (
                text[:at]
                + rng.choice(["", "x", "#", ",", '"', "\n", "9999", text[at:]])
                + text[at + rng.randrange(9) :]
            )
            (tmp_path / "p").write_text(broken)
            try:
                assert read_palette(tmp_path / "p").entries
            except InputError as error:
                assert "\n" not in str(error)
