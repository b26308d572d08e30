"""A server and a place for stand-ins, for the scripts that download."""

import pytest

from tests.scripts.archive_server import ArchiveServer
from tests.scripts.shell import CHECK, OUTDOOR, PREPARE, Scripts


@pytest.fixture
def server():
    """A server on 127.0.0.1 without files."""
    server = ArchiveServer()
    yield server
    server.close()


@pytest.fixture
def scripts(tmp_path) -> Scripts:
    """Scripts whose long work is only noted; take it out of `stubbed` to have it done."""
    scripts = Scripts(tmp_path / "stand-ins")
    scripts.stubbed |= {CHECK, PREPARE, OUTDOOR}
    return scripts
