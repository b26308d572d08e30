"""The weights that come with the repository are those of their card, and paint unseen scenes."""

import re
from pathlib import Path

import numpy as np
import torch

from data.landscape import UNKNOWN, draw_scene
from data.landscapes import FIRST_VALIDATION_SCENE
from util.files import checksum

ROOT = Path(__file__).parents[2]
LANDSCAPES = ROOT / "models" / "pretrained" / "landscapes"


def test_the_card_names_the_files_by_their_checksums():
    card = (LANDSCAPES / "README.md").read_text()
    named = {name: digest for digest, name in re.findall(r"^([0-9a-f]{64})  (\S+)$", card, re.MULTILINE)}
    assert named == {path.name: checksum(path) for path in LANDSCAPES.glob("*.pth")}
    assert sum(path.stat().st_size for path in LANDSCAPES.iterdir()) < 16e6


@torch.no_grad()
def test_images_of_unseen_scenes_are_nearest_to_their_own_scene_and_follow_the_style():
    generator = torch.hub.load(str(ROOT), "landscapes", source="local")
    z = torch.randn(2, 16, generator=torch.Generator().manual_seed(0))
    scenes = [draw_scene(0, FIRST_VALIDATION_SCENE + index, 256, 256) for index in range(3)]
    generated = []
    for scene in scenes:
        labels = torch.from_numpy(np.where(scene.labels == UNKNOWN, 18, scene.labels).astype(np.int64))
        maps = labels.expand(2, -1, -1)
        images = generator(maps, maps, z)
        assert images.shape == (2, 3, 256, 256) and images.abs().max() <= 1
        assert (images[0] - images[1]).abs().mean() > 4 / 127.5
        generated.append(((images.mean(0) + 1) * 127.5).permute(1, 2, 0).numpy())
    distances = np.array([[np.abs(image - scene.image).mean() for image in generated] for scene in scenes])
    assert distances.argmin(axis=1).tolist() == [0, 1, 2]
