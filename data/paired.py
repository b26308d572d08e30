"""The base class of data sets on disk: label maps with their photos and instance maps."""

from abc import abstractmethod
from contextlib import AbstractContextManager
from pathlib import Path
from typing import ClassVar

from data.cache import SampleCache
from data.conditions import map_size
from data.editions import Edition, IdEdition, explaining, refuse_other_part
from data.files import Files, find_image_files, split_of
from data.orientation import by_kind, warn_of_turned
from data.pairs import SamplePaths, pair_files, select_listed
from data.photos import warn_of_photos
from data.pixels import PixelReader
from data.preprocess import OWN_SIZE, OwnSize, Preprocess
from data.read import LabelIds
from data.sample import Sample, SampleDataset, run_decides
from data.shards.member import MemberPath
from util.distributed import is_main_process
from util.errors import InputError


def without_instances(opt) -> str:
    """How to do without instance maps, or why not, for a message."""
    if run_decides(opt):
        return "the saved run was trained with them"
    return "without them use --no_instance" + ("" if opt.is_train else " for networks that were trained so")


class PairedDataset(SampleDataset):
    """Label maps with photos and instance maps of the same name.

    To add a data set, write one file with a subclass and put it in the `DATASETS` table of `data/__init__.py`::

        class StreetsDataset(PairedDataset):
            \"\"\"Streets seen from above: maps/<phase>/*.png, photos/<phase>/*.jpg.\"\"\"

            preset = Preset(both={"label_nc": 7, "instance": False})

            def find_files(self, opt) -> Files:
                root = Path(opt.dataroot)
                return Files(
                    labels=find_image_files(root / "maps" / opt.phase, "label maps"),
                    images=find_image_files(root / "photos" / opt.phase, "photos", required=opt.is_train),
                )

    and describe its folders in `datasets/README.md`. Label files hold one class id per pixel, 0..label_nc-1, and 255
    for unknown with --contain_dontcare_label.

    Args:
        opt: train or test options. Raises `InputError` for folders that are missing or empty, names that do not pair,
            and a first file whose size does not suit --preprocess_mode.
    """

    landmarks: ClassVar[tuple[str, ...]] = ()  # globs, of which at least one matches below --dataroot
    editions: ClassVar[tuple[Edition, ...]] = ()  # other editions of the data set, with explanations
    published_ids: ClassVar[str] = ""  # the ids of the published label maps, for messages; "" if ids vary
    id_editions: ClassVar[tuple[IdEdition, ...]] = ()  # ids of other editions, with explanations
    names_of_parts: ClassVar[dict[str, str]] = {}  # part -> regular expression for the beginning of its names

    def __init__(self, opt):
        super().__init__(opt)
        self.paths: list[SamplePaths] = self._find_samples(opt)
        kind, mode = (OwnSize, OWN_SIZE) if getattr(opt, "tile", None) else (Preprocess, opt.preprocess_mode)
        self.preprocess: Preprocess = kind(
            mode, opt.load_size, opt.crop_size, opt.aspect_ratio, random=opt.is_train, flip=opt.flip
        )
        # Shards of a web server are not downloaded before they are needed; they are what is cached of them.
        is_remote = isinstance(label_map := self.paths[0].labels, MemberPath) and bool(label_map.shard.address)
        looked_at = [] if is_remote else self.paths
        if looked_at and not getattr(opt, "skip_bad_samples", 0):  # or the first may be bad; each is checked when read
            first = self.paths[0].labels
            self.preprocess.check(map_size(first, opt.input_nc, opt.apply_exif), first)
        if not opt.apply_exif:
            warn_of_turned(by_kind(looked_at))
        warn_of_photos(by_kind(looked_at)["photos"])
        if opt.input_nc:
            warn_of_photos([sample.labels for sample in looked_at], "conditioning images")
        self.reader = PixelReader(self.preprocess, self.ids, opt.fast_decode, opt.apply_exif, opt.input_nc)
        self.cache = None
        if opt.cache_dir and not is_remote:
            self.cache = SampleCache(Path(opt.cache_dir), self.reader)
            plan = self.cache.plan(self.paths)
            if is_main_process():
                print(plan, flush=True)

    @classmethod
    def label_ids(cls, opt) -> LabelIds:
        """The ids that label maps may hold: those published, unless --label_nc differs from the preset."""
        is_published = bool(cls.published_ids) and opt.label_nc == cls.preset.both["label_nc"]
        fixed = f"{cls.published_ids}; for other data, give their own --label_nc" if is_published else ""
        if not opt.is_train:
            fixed = "a network is tested with the ids it was trained with: use label maps of those"
        editions = cls.id_editions if is_published else ()
        return LabelIds(opt.label_nc, opt.contain_dontcare_label, cls.unknown_value, fixed, editions)

    @abstractmethod
    def find_files(self, opt) -> Files:
        """List the files of `opt.phase`, for example with `find_image_files`; photos are required in training."""

    def choose(self, samples: list[SamplePaths], opt) -> list[SamplePaths]:
        """Those of the samples in the folders that are of `opt.phase`; all, unless overridden."""
        return samples

    def find_disparity(self, opt) -> dict[str, Path]:
        """List the maps of `--disparity_dir`, by sample name."""
        if not opt.disparity_dir:
            return {}
        return find_image_files(Path(opt.disparity_dir), "disparity maps", holds_ids=True)

    def explaining(self, opt) -> AbstractContextManager[None]:
        """Within this block, errors about missing files say what `opt.dataroot` holds instead, if that is known."""
        return explaining(Path(opt.dataroot), self.landmarks, self.editions)

    def _find_samples(self, opt) -> list[SamplePaths]:
        with self.explaining(opt):
            paths = self.choose(self._pair(opt), opt)
        refuse_other_part((sample.name for sample in paths), split_of(opt.phase), self.names_of_parts)
        if opt.file_list:
            paths = select_listed(paths, opt.file_list)
        return paths[: opt.max_dataset_size]

    def _pair(self, opt) -> list[SamplePaths]:
        files = self.find_files(opt)
        if opt.is_train and not files.images:
            raise InputError(f"--dataset_mode {opt.dataset_mode}: training needs photos, and none were found")
        if opt.instance and not files.instances:
            raise InputError(
                f"--instance: found no instance maps for --dataset_mode {opt.dataset_mode}; {without_instances(opt)}"
            )
        return pair_files(files, check_names=opt.pairing_check, extras_allowed=not opt.is_train)

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> Sample:
        """Read one sample. Raises `InputError` for files that cannot be read, wrong ids and sizes that differ."""
        paths = self.paths[index]
        pixels = self.reader.read(paths) if self.cache is None else self.cache.get(paths)
        geometry = self.preprocess.draw(pixels.size)
        sample = pixels.cut(paths.name, geometry)
        if self.disparity is not None:
            sample["disparity"] = self.disparity.read(paths, geometry)
        return sample

    def describe(self, index: int) -> str:
        """Name a sample in a message: the path of its label file."""
        return str(self.paths[index].labels)
