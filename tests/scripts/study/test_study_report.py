"""The report of a preference study: fair orders, counts and intervals that are right, files that are refused."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts.study.__main__ import main
from scripts.study.key import read_key
from scripts.study.order import fnv1a, mulberry32, order
from scripts.study.report import bootstrap, wilson
from tests.scripts.study.study_files import SYSTEMS, answers, make_study, refusal

pytestmark = pytest.mark.tools


@pytest.fixture
def study(tmp_path):
    return make_study(tmp_path)


# ---- Order ----


@given(st.text(min_size=1, max_size=20), st.integers(1, 60))
def test_an_order_has_every_pair_once_and_each_side_in_half_of_the_places(participant, count):
    participant = participant.encode("utf-8", "replace").decode()
    pairs, lefts = order("study", participant, count)
    assert sorted(pairs) == list(range(count))
    assert len(lefts) == count and abs(2 * sum(lefts) - count) <= 1
    assert order("study", participant, count) == (pairs, lefts)


def test_over_many_people_every_pair_is_at_every_place_and_on_either_side():
    people, count = 2000, 5
    places, lefts = np.zeros((count, count)), np.zeros(count)
    for person in range(people):
        pairs, sides = order("study", f"person {person}", count)
        for place, (pair, side) in enumerate(zip(pairs, sides)):
            places[pair, place] += 1
            lefts[pair] += side
    assert np.abs(places / people - 1 / count).max() < 0.05
    assert np.abs(lefts / people - 1 / 2).max() < 0.05


def test_hash_and_generator_are_the_published_ones():
    assert [fnv1a(text) for text in ("", "a", "foobar")] == [0x811C9DC5, 0xE40C292C, 0xBF9CF968]
    draw = mulberry32(0)
    assert [round(draw(), 10) for _ in range(2)] == [0.2664292087, 0.0003297457]


# ---- The report ----


def test_intervals_by_hand():
    # (0.8 + z²/20 ± z sqrt(0.016 + z²/400)) / (1 + z²/10) with z = 1.96
    assert wilson(8, 10) == pytest.approx((0.4902, 0.9433), abs=1e-4)
    assert wilson(0, 10) == pytest.approx((0, 0.2775), abs=1e-4)
    assert bootstrap([0.6, 0.6, 0.6]) == pytest.approx((0.6, 0.6))
    # The mean of two draws is 0, 1/2 or 1, each end with probability 1/4.
    assert bootstrap([0, 1]) == (0, 1)
    low, high = bootstrap([0.4] * 50 + [0.6] * 50)  # normal: 0.5 ± 1.96 · 0.1 / 10
    assert (low, high) == pytest.approx((0.4804, 0.5196), abs=0.003)


def test_the_report_counts_answers_of_attentive_people(study, capsys):
    capsys.readouterr()
    files = [answers(study, name, votes) for name, votes in (("Ann", 6), ("Bo", 3), ("Cem", 3), ("Dee", 0))]
    files.append(answers(study, "Eve", 6, attentive=False))
    main(["--report", *map(str, files)])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].endswith(f"A is {study / SYSTEMS[0]}, B is {study / SYSTEMS[1]}")
    assert lines[1].split(maxsplit=1)[1] == "4 counted, 1 excluded: Eve (failed 1 of 1 checks)"
    assert lines[2].split(maxsplit=1)[1] == "24: 6 pairs of each person"
    assert "Prefer A     50.0% (12 of 24), 95% interval 31.4% to 68.6%, Wilson" in lines
    assert any(line.startswith("Per person   mean 50.0%, 95% interval ") for line in lines)
    assert [line.split()[-1] for line in lines[-4:]] == ["Ann", "Bo", "Cem", "Dee"]


def test_fewer_than_three_people_have_no_interval_over_people(study, capsys):
    capsys.readouterr()
    main(["--report", str(answers(study, "Ann", 5))])
    text = capsys.readouterr().out
    assert "83.3% (5 of 6)" in text and "no interval from fewer than 3 people" in text


def test_people_who_answer_too_quickly_are_named(study, capsys):
    files = [answers(study, "Ann", 5), answers(study, "Bea", 5, seconds=0.49)]
    capsys.readouterr()
    main(["--report", *map(str, files)])
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("Too quick")]
    assert lines == ["Too quick    Bea: median answer under 0.5 s, too quick to compare images; still counted"]
    main(["--report", str(files[0])])
    assert "Too quick" not in capsys.readouterr().out


def test_cannot_tell_is_reported_apart_and_decides_nothing(study, capsys):
    files = [answers(study, name, votes, unsure=unsure) for name, votes, unsure in (("Ann", 3, 2), ("Bo", 1, 4))]
    files += [answers(study, "Cem", 4), answers(study, "Dee", 0, unsure=6)]
    capsys.readouterr()
    main(["--report", *map(str, files)])
    lines = capsys.readouterr().out.splitlines()
    assert "Answers      24: 6 pairs of each person" in lines
    # A: 3 + 1 + 4, B: 1 + 1 + 2, cannot tell: 2 + 4 + 0 + 6
    assert "Chosen       A 33.3% (8), B 16.7% (4), cannot tell 50.0% (12) of all answers" in lines
    low, high = wilson(8, 12)
    assert f"Prefer A     66.7% (8 of 12 decided), 95% interval {low:.1%} to {high:.1%}, Wilson" in lines
    assert '             Here and below only decided answers count: "cannot tell" is left out.' in lines
    # 3 of 4, 1 of 2, 4 of 6; Dee decided nothing
    (per_person,) = [line for line in lines if line.startswith("Per person")]
    assert per_person.startswith("Per person   mean 63.9%, 95% interval ") and per_person.endswith("over 3 people")
    table = [line.split() for line in lines[-4:]]
    assert [(row[0], row[1], row[-1]) for row in table] == [
        ("75.0%", "33.3%", "Ann"),
        ("66.7%", "0.0%", "Cem"),
        ("50.0%", "66.7%", "Bo"),
        ("-", "100.0%", "Dee"),
    ]


def test_people_who_never_decide_prefer_nothing(study, capsys):
    capsys.readouterr()
    main(["--report", str(answers(study, "Dee", 0, unsure=6))])
    text = capsys.readouterr().out
    assert 'nothing can be said: every answer is "cannot tell"' in text and "nobody decided" in text


def test_not_seeing_which_image_is_broken_fails_the_check(study, capsys):
    path = answers(study, "Ann", 3, unsure=1)
    check = next(iter(read_key(study / "study.key.json").checks))
    content = json.loads(path.read_text())["answers"]
    edited(path, answers=[a | {"chosen": None} if a["pair"] == check else a for a in content])
    assert "all 1 people failed" in refusal(capsys, "--report", path)


def edited(path: Path, **changes) -> Path:
    content = json.loads(path.read_text())
    path.write_text(json.dumps({**content, **changes}))
    return path


def cut_short(path: Path) -> Path:
    path.write_text(path.read_text()[:-20])
    return path


DAMAGE = {
    "cut short": (cut_short, "cut short"),
    "no answers": (lambda path: edited(path, kind="something"), "is no preference study answers"),
    "a later format": (lambda path: edited(path, format=3), "format 3 is not known here, only 1 and 2"),
    "no list": (lambda path: edited(path, answers=7), "is damaged"),
    "no name": (lambda path: edited(path, participant=" "), "is damaged"),
    "no study": (lambda path: edited(path, study=None), "is damaged"),
    "another's name": (lambda path: edited(path, participant="Bo"), "was edited"),
    "some answers": (lambda path: edited(path, answers=json.loads(path.read_text())["answers"][:-1]), "6 answers"),
    "a third image": (
        lambda path: edited(path, answers=[a | {"chosen": 2} for a in json.loads(path.read_text())["answers"]]),
        "is damaged",
    ),
    "cannot tell in a format without it": (
        lambda path: edited(path, answers=[a | {"chosen": None} for a in json.loads(path.read_text())["answers"]]),
        "is damaged",
    ),
    "another study": (lambda path: edited(path, study="0" * 16), "no key of study"),
}


@pytest.mark.parametrize("damage, words", DAMAGE.values(), ids=DAMAGE)
def test_damaged_files_are_refused_in_one_line(study, capsys, damage, words):
    path = damage(answers(study, "Ann", 3))
    line = refusal(capsys, "--report", path)
    assert words in line


def test_files_that_do_not_belong_together_are_refused(study, capsys):
    one, two = answers(study, "Ann", 3), answers(study, "Bo", 3)
    copy = study / "copy.json"
    copy.write_bytes(one.read_bytes())
    assert "both of 'Ann'" in refusal(capsys, "--report", one, copy)
    assert "are both of" in refusal(capsys, "--report", one, one)
    edited(two, study="0" * 16)
    assert "of study 0000000000000000" in refusal(capsys, "--report", one, two)
    inattentive = answers(study, "Eve", 3, attentive=False)
    assert "failed attention checks" in refusal(capsys, "--report", inattentive)
    assert "No such file" in refusal(capsys, "--report", study / "absent.json")


def test_a_key_can_be_given_and_must_fit(study, tmp_path, capsys):
    path = answers(study, "Ann", 3)
    key = (study / "study.key.json").rename(study / "safe.json")
    assert "--key FILE" in refusal(capsys, "--report", path)
    main(["--report", str(path), "--key", str(key)])
    assert "is no preference study key" in refusal(capsys, "--report", path, "--key", path)
    key.write_text(json.dumps(json.loads(key.read_text()) | {"study": "1" * 16}))
    assert "is of study 1111111111111111" in refusal(capsys, "--report", path, "--key", key)
