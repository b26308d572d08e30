"""`scores.jsonl`: lines of train.py and evaluate.py, also after a training was interrupted."""

import json

from util.score_log import ScoreLog, ScoreRecord, append_scores


def record(epoch: int, fid: float, is_best: bool = False) -> ScoreRecord:
    return ScoreRecord(epoch, 100 * epoch, "average", {"fid": fid}, is_best)


def epochs(path) -> list[tuple[str, str]]:
    return [(line["program"], line["epoch"]) for line in map(json.loads, path.read_text().splitlines())]


def test_a_line_says_what_was_scored_and_how(tmp_path):
    ScoreLog(tmp_path / "scores.jsonl", 0).append([record(2, 61.5, True)], phase="val", protocol_hash="abc")
    (line,) = map(json.loads, (tmp_path / "scores.jsonl").read_text().splitlines())
    assert line.pop("date")
    assert line == {
        "program": "train.py",
        "epoch": "2",
        "images_seen": 200,
        "generator": "average",
        "scores": {"fid": 61.5},
        "best_so_far": True,
        "phase": "val",
        "protocol_hash": "abc",
    }


def test_what_a_training_repeats_has_one_line_and_other_lines_stay(tmp_path):
    path = tmp_path / "scores.jsonl"
    log = ScoreLog(path, 0)
    log.append([record(1, 50.0, True), record(2, 40.0, True)])
    append_scores(path, "evaluate.py", epoch="2", scores={"fid": 41.0})
    log.append([record(3, 30.0, True)])
    with path.open("a") as file:
        file.write('{"program": "train.py", "epo')  # cut short
    resumed = ScoreLog(path, 150)
    assert resumed.history == [record(1, 50.0, True)]
    assert path.read_text().splitlines()[-1].endswith('"epo'), "what nobody can read is nobody's to remove"
    path.write_text("".join(f"{line}\n" for line in path.read_text().splitlines()[:-1]))
    assert epochs(path) == [("train.py", "1"), ("evaluate.py", "2")]
    resumed.append([record(2, 45.0, True)])
    assert ScoreLog(path, 200).history == [record(1, 50.0, True), record(2, 45.0, True)]


def test_reading_changes_no_file_that_has_nothing_to_lose(tmp_path):
    path = tmp_path / "scores.jsonl"
    ScoreLog(path, 0)
    assert not path.exists()
    path.write_text("not json\n")
    before = path.stat()
    assert ScoreLog(path, 0).history == []
    assert path.stat().st_ino == before.st_ino
