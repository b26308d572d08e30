"""A browser with the modules of the paint page, one for all files of tests."""

from collections.abc import Iterator

import pytest

from tests.scripts.paint.page_modules import PageModules, open_modules


@pytest.fixture(scope="package")
def modules(tmp_path_factory) -> Iterator[PageModules]:
    with open_modules(tmp_path_factory.mktemp("modules")) as opened:
        yield opened
