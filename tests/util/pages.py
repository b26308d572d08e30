"""Reads a page as a browser would: links to files, words, attributes."""

from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote_to_bytes, urlsplit

VOID = {"meta", "img", "link", "br", "hr", "input"}


class Page(HTMLParser):
    """The elements of a page as `(tag, attributes)`, its texts by enclosing tags, and its links."""

    def __init__(self, path: Path):
        super().__init__()
        self.path = path
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.texts: list[tuple[tuple[str, ...], str]] = []
        self._open: list[str] = []
        self.feed(path.read_text(encoding="utf-8"))
        self.close()
        assert not self._open, f"never closed: {self._open}"

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def handle_data(self, data):
        if data.strip():
            self.texts.append((tuple(self._open), data.strip()))

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.elements if name == tag]

    def words(self, *inside: str) -> list[str]:
        """Return the texts whose enclosing tags hold all of `inside`."""
        return [text for tags, text in self.texts if set(inside) <= set(tags)]

    def targets(self) -> list[Path]:
        """Return the file of every link and picture; fails on one that leaves the page's folder."""
        targets = []
        for _, attributes in self.elements:
            for link in (attributes[key] for key in ("href", "src") if key in attributes):
                parts = urlsplit(link)
                assert not (parts.scheme or parts.netloc or parts.query or parts.fragment), link
                assert not parts.path.startswith(("/", "..")), link
                targets.append(Path(str(self.path.parent)) / unquote_to_bytes(parts.path).decode("utf-8"))
        return targets
