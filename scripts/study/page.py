"""The page of a study: one self-contained file, without network access and without the key."""

import base64
import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from dominate import document, tags
from PIL import Image

from scripts.study.pairs import Pair, study_id
from util import html

HERE = Path(__file__).parent
QUESTION = "Which of the two looks more like a photo of the scene in the label map?"
ALLOWED = "default-src 'none'; img-src data:; script-src 'unsafe-inline'; style-src 'unsafe-inline'; form-action 'none'"
"""Content security policy that makes the browser refuse to fetch anything."""


def build_page(pairs: Sequence[Pair], title: str) -> document:
    """Return the page of a study, whose pairs are in the order of their ids."""
    body = [_start(len(pairs)), _question(), _finish()]
    doc = html.page(
        title,
        {},
        [tags.noscript(tags.p("This page needs JavaScript.")), *body],
        legend=None,
        made_by="scripts.study",
    )
    doc.head.add(tags.meta(http_equiv="Content-Security-Policy", content=ALLOWED))
    html.enliven(
        doc, *((HERE / name).read_text(encoding="utf-8") for name in ("style.css", "script.js")), data=_data(pairs)
    )
    return doc


def _data(pairs: Sequence[Pair]) -> dict:
    return {
        "study": study_id(pairs),
        "pairs": [
            {
                "id": pair.id,
                "size": [pair.label.shape[1], pair.label.shape[0]],
                "label": data_uri(pair.label),
                "images": [data_uri(image) for image in pair.images],
                "classes": pair.classes,
            }
            for pair in pairs
        ],
    }


def data_uri(pixels: np.ndarray) -> str:
    """Return an image (H, W, 3) uint8 as a URI: PNG without metadata of the original file."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def _start(count: int) -> tags.section:
    entry = tags.form(
        tags.label("Your name, or the id you were given", _for="participant"),
        tags.div(
            tags.input_(id="participant", name="participant", autocomplete="off", maxlength="100", required=True),
            tags.button("Start", type="submit", cls="main"),
        ),
        id="entry",
    )
    steps = tags.ol(
        tags.li(f"You will see {count} label maps, one after the other: drawings whose colors say what is where."),
        tags.li("Beside each are two images that computers made from it. ", tags.b(QUESTION)),
        tags.li("Click or tap it, or press ← or →. If you cannot tell, say so: the button below, ↓ or the space bar."),
        tags.li("There is no time limit. A wrong answer is taken back with ‹ Back or the backspace key."),
        tags.li("At the end, save your answers as a file and hand it in."),
    )
    note = tags.p(
        "You can go back, and close and reopen this page: it remembers where you were, in this browser only. "
        "Nothing is sent anywhere.",
        cls="note",
    )
    return tags.section(tags.article(steps, entry, note), id="start", hidden=True)


def _question() -> tags.section:
    bar = tags.div(
        tags.button("‹ Back", id="back", type="button", title="Take back the last answer (backspace)"),
        tags.progress(id="progress", value="0", max="1", aria_label="progress"),
        tags.span(id="place"),
        cls="bar",
    )
    label = tags.figure(tags.img(id="label", alt="label map"), tags.figcaption("Label map"), cls="label")
    choices = [
        tags.button(
            tags.img(id=f"image{side}", alt=f"image {side + 1}"),
            tags.span(f"Image {side + 1}", tags.kbd("←→"[side], cls="key")),
            id=f"choose{side}",
            type="button",
            cls="choice",
        )
        for side in (0, 1)
    ]
    images = tags.div(label, tags.div(choices, cls="choices"), cls="comparison")
    unsure = tags.button("I cannot tell ", tags.kbd("↓", cls="key"), id="unsure", type="button")
    person = tags.p(tags.span(id="person"), tags.button("Not you?", id="other", type="button"), cls="note person")
    return tags.section(
        bar,
        tags.h2(QUESTION),
        images,
        tags.div(unsure, cls="unsure"),
        tags.ul(id="classes", cls="chips"),
        person,
        id="question",
        hidden=True,
    )


def _finish() -> tags.section:
    return tags.section(
        tags.article(
            tags.h2("Done, thank you!"),
            tags.p("Save your answers and hand the file in. Or copy the text below into a message."),
            tags.div(
                tags.button("Save answers", id="save", type="button", cls="main"),
                tags.button("‹ Back to the last pair", id="reopen", type="button"),
                tags.button("Another person answers", id="next", type="button"),
                cls="row",
            ),
            tags.textarea(id="answers", readonly=True, rows="10", spellcheck="false", aria_label="answers"),
            tags.p(id="saved", cls="note"),
        ),
        id="finish",
        hidden=True,
    )
