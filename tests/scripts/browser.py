"""A headless Chromium for tests of pages with scripts."""

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

FLAGS = (
    "--headless=new --no-sandbox --disable-gpu --disable-background-networking --no-first-run --disable-sync "
    "--disable-dev-shm-usage --window-size=1366,900"
).split()
PATIENCE = 30
"""Seconds to wait for the page: machines are slow at times."""


@contextlib.contextmanager
def chromium(folder: Path, *flags: str) -> Iterator:
    """Yield a selenium driver whose profile and downloads are in `folder`; skip the test where there is none.

    Args:
        flags: more flags of Chromium.
    """
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    driver = shutil.which("chromedriver")
    if not program or not driver:
        pytest.skip("no Chromium with chromedriver here (apt-get install chromium chromium-driver)")
    options = webdriver.ChromeOptions()
    options.binary_location = program
    for flag in (*FLAGS, *flags, f"--user-data-dir={folder / 'profile'}"):
        options.add_argument(flag)
    options.add_experimental_option("prefs", {"download.default_directory": str(folder / "downloads")})
    # The driver is named, so that selenium does not look for one in the network.
    browser = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    try:
        yield browser
        assert [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"] == []
    finally:
        browser.quit()


def wait(browser, condition):
    """Wait until `condition(browser)` is true; return what it returned."""
    from selenium.webdriver.support.ui import WebDriverWait

    return WebDriverWait(browser, PATIENCE, poll_frequency=0.02).until(condition)
