"""Photos that a browser sends: bounded before anything is decoded."""

from __future__ import annotations

import io
import warnings

from PIL import Image, ImageOps, UnidentifiedImageError

from data.file_kinds import UNREADABLE
from data.opening import TURNED, orientation
from data.read import as_rgb

FORMATS = ("PNG", "JPEG", "WEBP")
MOST_BYTES = 16 * 2**20
MOST_PIXELS = 32_000_000
"""Phones make photos of 12 to 50 million; decoded, this many are 96 MB."""


class PhotoError(ValueError):
    """The bytes are no photo that can be used; the message is one line."""


class PhotoKindError(PhotoError):
    """The bytes are of no kind that is read."""


def read_photo(content: bytes) -> Image.Image:
    """Decode a photo as RGB, turned upright by its EXIF orientation: phones store photos as the sensor lies.

    Raises:
        PhotoError: it is broken, or has more than `MOST_PIXELS`.
        PhotoKindError: it is neither PNG, JPEG nor WebP.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of Pillow, about large images and odd tags
        try:
            image = Image.open(io.BytesIO(content), formats=FORMATS)
            width, height = image.size  # from the header
            if width * height > MOST_PIXELS:
                raise PhotoError(
                    f"the photo has {width}x{height} pixels; at most {MOST_PIXELS // 10**6} million are read, "
                    f"so save it smaller"
                )
            turned = orientation(image) in TURNED
            image.load()
            if turned:
                ImageOps.exif_transpose(image, in_place=True)
            return as_rgb(image, "the photo")
        except PhotoError:
            raise
        except UnidentifiedImageError:
            raise PhotoKindError("not a photo that can be read; send a PNG, a JPEG or a WebP") from None
        except Image.DecompressionBombError:
            raise PhotoError(
                f"the photo has more than {MOST_PIXELS // 10**6} million pixels; save it smaller"
            ) from None
        except (*UNREADABLE, LookupError, TypeError):  # `InputError` is a ValueError
            raise PhotoError("the photo is broken; save it again as PNG or JPEG") from None
