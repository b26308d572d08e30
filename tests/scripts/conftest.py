"""A place for stand-ins, for the scripts that start other programs."""

import pytest

from tests.scripts.shell import CHECK, OUTDOOR, PREPARE, Scripts


@pytest.fixture
def scripts(tmp_path) -> Scripts:
    """Scripts whose long work is only noted; take it out of `stubbed` to have it done."""
    scripts = Scripts(tmp_path / "stand-ins")
    scripts.stubbed |= {CHECK, PREPARE, OUTDOOR}
    return scripts
