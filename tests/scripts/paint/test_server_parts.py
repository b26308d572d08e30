"""What the server is made of: jobs in turn, layouts of sessions, photos."""

import asyncio
import io
import struct
import threading
import time
import zlib

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from scripts.paint.jobs import BusyError, Jobs, SupersededError
from scripts.paint.photos import PhotoError, PhotoKindError, read_photo
from scripts.paint.sessions import Sessions, held_bytes

pytestmark = pytest.mark.tools


async def begun(jobs: Jobs):
    """A job that runs until the returned event is set, and its task."""
    entered, go = threading.Event(), threading.Event()
    task = asyncio.create_task(jobs.run("first", 0, lambda: entered.set() or go.wait(20)))
    while not entered.is_set():
        await asyncio.sleep(0.001)
    return go, task


def start(jobs: Jobs, key, number: int, done: list):
    return asyncio.create_task(jobs.run(key, number, lambda: done.append((key, number)) or number))


def test_jobs_run_in_order_one_at_a_time_in_one_thread():
    async def main():
        jobs, threads, running = Jobs(), set(), []

        def work(number):
            running.append(number)
            threads.add(threading.get_ident())
            time.sleep(0.001)
            assert running[-1] == number
            return number

        return await asyncio.gather(*(jobs.run(k, 0, lambda k=k: work(k)) for k in range(20))), running, threads

    results, running, threads = asyncio.run(main())
    assert results == running == list(range(20)) and len(threads) == 1


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 5)), max_size=12))
def test_of_waiting_jobs_the_newest_of_a_key_runs_in_the_place_of_the_first(asked):
    async def main():
        jobs, done = Jobs(), []
        go, first = await begun(jobs)
        tasks = [start(jobs, key, number, done) for key, number in asked]
        await asyncio.sleep(0)
        waiting = len(jobs)
        go.set()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert await first
        return done, results, waiting

    done, results, waiting = asyncio.run(main())
    keys = list(dict.fromkeys(key for key, _ in asked))
    assert waiting == len(keys)
    assert done == [(key, max(number for other, number in asked if other == key)) for key in keys]
    assert sum(not isinstance(result, SupersededError) for result in results) == len(keys)


def test_a_superseded_job_is_told_at_once_and_a_cancelled_one_never_begins():
    async def main():
        jobs, done = Jobs(), []
        go, first = await begun(jobs)
        older, other = start(jobs, "a", 1, done), start(jobs, "b", 1, done)
        await asyncio.sleep(0)
        newer = start(jobs, "a", 2, done)
        with pytest.raises(SupersededError):
            await older
        other.cancel()
        await asyncio.sleep(0)
        assert len(jobs) == 1 and done == [] and not first.done()
        go.set()
        assert await newer == 2
        return done

    assert asyncio.run(main()) == [("a", 2)]


def test_only_so_many_jobs_wait():
    async def main():
        jobs, done = Jobs(most_waiting=2), []
        go, _ = await begun(jobs)
        tasks = [start(jobs, key, 1, done) for key in "ab"]
        await asyncio.sleep(0)
        with pytest.raises(BusyError):
            await jobs.run("c", 1, lambda: None)
        tasks.append(start(jobs, "a", 2, done))  # takes the place of another
        go.set()
        await asyncio.gather(*tasks, return_exceptions=True)
        return done

    assert asyncio.run(main()) == [("a", 2), ("b", 1)]


def test_a_job_that_fails_says_so_and_the_next_one_runs():
    async def main():
        jobs = Jobs()
        with pytest.raises(ZeroDivisionError):
            await jobs.run("a", 0, lambda: 1 // 0)
        return await jobs.run("a", 0, lambda: 5)

    assert asyncio.run(main()) == 5


def test_sessions_keep_the_most_recent_layouts_within_their_bytes():
    sessions = Sessions(most=3, most_bytes=1000)
    for name in "abc":
        sessions.put(name, [torch.zeros(50)])  # 200 bytes
    sessions.put("a", [torch.zeros(50)])
    sessions.put("d", [torch.zeros(50)])
    assert sessions.get("b") is None and sessions.get("a") is not None
    assert (len(sessions), sessions.bytes) == (3, 600)
    sessions.put("e", [torch.zeros(200)])
    assert sessions.get("e") is not None and (len(sessions), sessions.bytes) == (2, 1000)
    sessions.put("f", [torch.zeros(300)])  # more than all may have
    assert (len(sessions), sessions.bytes) == (0, 0)


def test_the_more_sessions_the_less_each_may_grow():
    sessions = Sessions(most=20, most_bytes=1000)
    sessions.put("a", [torch.zeros(50)])
    assert sessions.may_grow("a") and sessions.may_grow("new")
    sessions.put("a", [torch.zeros(63)])  # 252 bytes
    assert not sessions.may_grow("a")
    for name in "bcdefgh":
        sessions.put(name, [torch.zeros(26)])  # 104 bytes
    assert sessions.may_grow("b")
    sessions.put("i", [])
    sessions.put("j", [])
    assert not sessions.may_grow("b") and sessions.may_grow("i")


def test_bytes_are_those_of_memory_not_of_views():
    a = torch.zeros(100)
    assert held_bytes({"a": a, "b": [a[:10], (a.view(10, 10), 5)], "c": torch.zeros(1, dtype=torch.uint8)}) == 401
    loop: list = [torch.zeros(3)]
    loop.append(loop)
    assert held_bytes(loop) == 12


def saved(image: Image.Image, format="PNG", **settings) -> bytes:
    file = io.BytesIO()
    image.save(file, format, **settings)
    return file.getvalue()


@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP"])
def test_photos_are_read_as_rgb(format):
    image = read_photo(saved(Image.new("RGB", (9, 7), (10, 200, 30)), format))
    assert image.mode == "RGB" and image.size == (9, 7)
    assert np.abs(np.asarray(image).astype(int) - (10, 200, 30)).max() < 6


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "I;16"])
def test_png_of_other_modes_are_converted(mode):
    assert read_photo(saved(Image.new(mode, (9, 7)))).mode == "RGB"


def test_photos_are_turned_upright():
    pixels = np.zeros((20, 40, 3), dtype=np.uint8)
    pixels[:, :20] = 255  # white on the left, as the sensor lies
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: rotate by 90 degrees clockwise to show
    image = np.asarray(read_photo(saved(Image.fromarray(pixels), "JPEG", exif=exif)))
    assert image.shape == (40, 20, 3)
    assert image[:15].min() > 200 and image[25:].max() < 50


def png_of_size(width: int, height: int) -> bytes:
    """A header that promises many pixels, and few of them."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 99)) + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("size", [(8000, 4001), (20_000, 20_000), (2**31 - 1, 2**31 - 1)])
def test_photos_of_too_many_pixels_are_refused_before_they_are_decoded(size, recwarn):
    with pytest.raises(PhotoError, match=r"(at most|more than) 32 million"):
        read_photo(png_of_size(*size))
    assert not recwarn.list


@given(st.binary(max_size=200), st.sampled_from(["PNG", "JPEG", "WEBP"]), st.data())
def test_damaged_photos_are_refused_in_one_line(junk, format, data):
    noise = np.random.default_rng(0).integers(0, 255, (24, 24, 3), dtype=np.uint8)
    whole = saved(Image.fromarray(noise), format)
    place = data.draw(st.integers(0, len(whole)))
    try:
        image = read_photo(whole[:place] + junk)
    except PhotoError as error:
        assert str(error) and "\n" not in str(error)
    else:
        assert image.mode == "RGB"


@pytest.mark.parametrize("content", [b"", b"hello", b"<svg/>", b"GIF89a" + b"\0" * 50])
def test_other_files_are_no_photos(content):
    with pytest.raises(PhotoKindError):
        read_photo(content)
