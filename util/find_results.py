"""Find the results of a run by its name: the folder of its newest test, and the images there."""

from pathlib import Path

from util.errors import InputError, some_of
from util.results_page import LABELS, PHOTOS, RESULTS

KINDS = (LABELS, RESULTS, PHOTOS)


def find_test(run: str, results_dir: Path, which: str | None = None) -> Path:
    """Return the folder `<phase>_<epoch>` of a run.

    Args:
        run: a name below `results_dir`, the folder of a run, or a folder `<phase>_<epoch>` itself.
        which: `<phase>_<epoch>` of a run that was tested more than once; the newest if None.

    Raises:
        InputError: there is none; the message names the runs that exist.
    """
    for folder in (results_dir / run, Path(run)):
        tests = [path.parent for path in folder.glob("*/images") if _holds_images(path)]
        if tests:
            return _choose(run, tests, which)
        if _holds_images(folder / "images"):
            return folder
    if Path(run).is_file():
        raise InputError(f"{run}: is a file; name the folder that it is in, or a run")
    known = (path.parent.parent.name for path in results_dir.glob("*/*/images"))
    raise InputError(
        f"{run}: neither {results_dir / run} nor {run} holds images that test.py wrote; runs in {results_dir}: "
        f"{some_of(known, Path(run).name, 'none (--results_dir names another folder)')}"
    )


def find_image_folder(text: str, kind: str, results_dir: Path) -> Path:
    """Return the folder of images that `text` names: images/<kind> of a run's newest test, or the folder itself."""
    try:
        folder = find_test(text, results_dir) / "images" / kind
    except InputError:
        if not Path(text).is_dir():
            raise
        folder = Path(text)
    return folder


def _holds_images(images: Path) -> bool:
    return any((images / kind).is_dir() for kind in KINDS)


def _choose(run: str, tests: list[Path], which: str | None) -> Path:
    if which is None:
        return max(tests, key=_age)
    for folder in tests:
        if folder.name == which:
            return folder
    raise InputError(f"--which {which}: {run} has {', '.join(sorted(folder.name for folder in tests))}")


def _age(folder: Path) -> tuple[float, str]:
    """Time when the test wrote its last image; page and folder also change when it is scored later."""
    return max(path.stat().st_mtime for path in (folder / "images").iterdir() if path.is_dir()), folder.name
