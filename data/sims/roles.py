"""What SIMS knows of classes by their names: which lie behind others, and which cast shadows on which."""

from collections.abc import Sequence
from dataclasses import dataclass

from options.data_file import shipped_set

BACK_TO_FRONT = (
    "sky", "building", "terrain", "wall", "sidewalk", "road", "fence", "vegetation", "motorcycle", "bicycle", "truck",
    "car", "bus", "train", "person", "pole", "rider", "traffic sign", "traffic light",
)  # fmt: skip
"""Classes of Cityscapes by how often they are behind their neighbors."""
VEHICLES = frozenset({"car", "truck", "bus", "train", "motorcycle", "bicycle", "caravan", "trailer"})
OBJECTS = VEHICLES | {"person", "rider", "pole", "polegroup", "traffic sign", "traffic light"}
GROUND = frozenset({"road", "sidewalk"})
FLAT = GROUND | {"terrain"}
VEGETATION = frozenset({"vegetation"})
RESTORED = frozenset({"road", "sidewalk", "wall", "fence", "vegetation", "terrain", "sky"})
NO_CLASS = frozenset({"unknown", "unlabeled", "nothing"})
COCO_THINGS = 91  # of the table of COCO-Stuff, its first ones


@dataclass(frozen=True)
class Roles:
    """Class ids by what is done with them.

    Attributes:
        unlabeled: id of pixels that have lost their class, one more than label maps hold.
        ignored: ids that are no class; `unlabeled` is one.
        ranks: of every class; a lower one is pasted earlier, and so lies behind.
        vehicles, objects: cast shadows on the ground, in photos and on the canvas.
        ground: near whose vehicles the pixels of a photo are left out.
        flat: what objects are always in front of.
        vegetation: at whose border the pixels of a photo are left out, which show sky.
        restored: classes that pixels without segment get back.
    """

    unlabeled: int
    ignored: frozenset[int]
    ranks: tuple[int, ...]
    vehicles: frozenset[int]
    objects: frozenset[int]
    ground: frozenset[int]
    flat: frozenset[int]
    vegetation: frozenset[int]
    restored: frozenset[int]

    @classmethod
    def of(cls, class_names: Sequence[str]) -> "Roles":
        """The roles of classes with these names.

        The order is published for Cityscapes alone. Our own: elsewhere things (by their names in COCO) lie before
        everything else, and everything else is restored; without names that tell, area alone decides about the order.
        """

        def ids(names: frozenset[str]) -> frozenset[int]:
            return frozenset(label for label, name in enumerate(class_names) if name in names)

        things = OBJECTS | {row.name for row in shipped_set("coco").classes[:COCO_THINGS]}
        if set(BACK_TO_FRONT) <= set(class_names):
            places = {name: place for place, name in enumerate(BACK_TO_FRONT)}
            ranks = [places.get(name, len(places) if name in things else -1) for name in class_names]
            restored = ids(RESTORED)
        else:
            ranks = [int(name in things) for name in class_names]
            restored = ids(frozenset(class_names) - things - NO_CLASS)
        unlabeled = len(class_names)
        return cls(
            unlabeled=unlabeled,
            ignored=ids(NO_CLASS) | {unlabeled},
            ranks=tuple(ranks),
            vehicles=ids(VEHICLES),
            objects=ids(OBJECTS),
            ground=ids(GROUND),
            flat=ids(FLAT),
            vegetation=ids(VEGETATION),
            restored=restored,
        )
