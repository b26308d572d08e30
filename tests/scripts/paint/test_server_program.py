"""The program as a user runs it, and as twenty people use it at once."""

import io
import json
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from scripts.paint.model import load_painter
from scripts.paint.options import parse_args
from tests.scripts.paint.drawing import draw_together, strangers
from tests.scripts.paint.painted_runs import make_run
from tests.scripts.paint.painters import Client, ShowingPainter, image_path, serving, write_page

pytestmark = pytest.mark.tools

ROOT = Path(__file__).parents[3]


def test_the_program_paints_until_ctrl_c(tmp_path):
    run = make_run(tmp_path, "styles")
    argv = ["--weights", str(run / "latest_net_G.pth"), "--gpu_ids", "-1"]
    command = [sys.executable, "-m", "scripts.paint", *argv, "--port", "0"]
    ids, z = np.eye(64, dtype=np.uint8) * 3, np.zeros(4, dtype=np.float32)
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        line = process.stdout.readline()
        match = re.fullmatch(r"Painting styles: http://127\.0\.0\.1:(\d+)/  \(Ctrl-C ends\)\n", line)
        assert match, line
        client = Client(int(match[1]))
        status, headers, body = client("POST", image_path(), ids.tobytes() + z.tobytes())
        facts = json.loads(client("GET", "/model.json")[2])
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 130
        assert process.communicate()[1] == "python -m scripts.paint: interrupted\n"
    finally:
        process.kill()
    assert status == 200 and headers["content-type"] == "image/png"
    painter = load_painter(parse_args(argv))
    assert facts == painter.facts()
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(body))), painter.image(painter.prepare(ids), z))


def test_twenty_people_draw_at_once_and_each_gets_their_own_images(tmp_path):
    painter = ShowingPainter()
    facts = {"height": painter.height, "width": painter.width, "num_labels": painter.num_labels, "z_dim": painter.z_dim}
    with serving(painter, write_page(tmp_path / "page")) as client:
        drawn = draw_together(client.port, clients=20, seconds=2, facts=facts)
    assert [error for one in drawn for error in one.errors] == []
    for number, one in enumerate(drawn, start=1):
        assert len(one.images) > 2
        for ids, _, pixels in one.images:
            assert np.array_equal(pixels[..., 0], ids)
            assert (pixels[..., 1] == number // 10).all()
            assert sum(int(pixels[0, 2 * bit, 0]) << bit for bit in range(8)) == number


def test_a_real_network_keeps_the_layouts_of_many_apart(tmp_path):
    make_run(tmp_path, "styles")
    painter = load_painter(parse_args(["--name", "styles", "--checkpoints_dir", str(tmp_path), "--gpu_ids", "-1"]))
    with serving(painter, write_page(tmp_path / "page")) as client:
        drawn = draw_together(client.port, clients=6, seconds=1)
        assert [error for one in drawn for error in one.errors] == []
        assert strangers(client.port, drawn, samples=2) == []
