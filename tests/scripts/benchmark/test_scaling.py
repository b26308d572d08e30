"""Predicted step times, on networks whose numbers are worked by hand."""

import os
import subprocess
import sys

import pytest

from scripts.benchmark.__main__ import main
from scripts.benchmark.messages import (
    BACKWARD,
    BUCKET,
    CONTROL,
    FIRST_BUCKET,
    FORWARD,
    GRADIENTS,
    Message,
    bucket_sizes,
)
from scripts.benchmark.network import Cluster, Gloo, predict_step
from scripts.benchmark.slow_network import TUN, SlowNetwork

pytestmark = pytest.mark.tools

CLUSTER = Cluster(4, latency=5.0, bandwidth=100.0, node_latency=2.0, node_bandwidth=400.0, overhead=1.0)
GATHER, REDUCE = Message("G", FORWARD, "all_gather", 200), Message("G", BACKWARD, "all_reduce", 200)


@pytest.mark.parametrize(
    "message, gpus, seconds",
    [
        (GATHER, 1, 0),
        (GATHER, 2, 1 + 1 * 2 + 1 * 200 / 400),  # overhead, a step in the node, the bytes of the other GPU
        (GATHER, 16, 1 + 3 * 5 + 12 * 2 + 15 * 200 / 100),  # 15 steps, 3 of them between nodes
        (REDUCE, 2, 1 + 2 * 2 + 200 / 400),  # two steps, each with half of the bytes
        (REDUCE, 16, 1 + 2 * (2 * 5 + 3 * 2) + 2 * 15 / 16 * 200 / 100),  # a tree over 4 nodes is 2 deep
    ],
)
def test_a_message_on_a_cluster(message, gpus, seconds):
    assert CLUSTER.seconds(message, gpus) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "message, processes, seconds",
    [
        (GATHER, 4, 3 * 2 * 0.5 + 3 * 200 / 50),
        (REDUCE, 4, 6 * 2 * 0.5 + 2 * 3 / 4 * 200 / 50),
        (Message("", CONTROL, "all_reduce", 8), 4, 3 * 2 * 0.5 + 2 * 3 / 4 * 8 / 50),
    ],
)
def test_a_message_with_gloo(message, processes, seconds):
    assert Gloo(latency=0.5, bandwidth=50).seconds(message, processes) == pytest.approx(seconds)


def test_gradients_are_hidden_by_the_backward_pass_but_for_the_last_bucket():
    buckets = [Message("G", GRADIENTS, "all_reduce", size) for size in (700, 100)]
    network = Gloo(latency=0, bandwidth=100)  # 7 s and 1 s between two processes
    assert predict_step(buckets, compute=20, network=network, gpus=2).gradients == pytest.approx(1)
    assert predict_step(buckets, compute=10, network=network, gpus=2).gradients == pytest.approx(1 + 7 - 5)
    step = predict_step([*buckets, REDUCE], compute=10, network=network, gpus=2)  # the exchange takes 2 s, and hides 2
    assert (step.gradients, step.statistics, step.total) == pytest.approx((1, 2, 13))
    assert step.efficiency == pytest.approx(10 / 13) and step.binds == "statistics"


def test_buckets_close_when_they_are_full():
    full = FIRST_BUCKET // 2
    assert bucket_sizes([full, full, full]) == [FIRST_BUCKET, full]
    assert bucket_sizes([BUCKET, BUCKET - 1, 1, 1]) == [BUCKET, BUCKET, 1]
    assert bucket_sizes([]) == []


FLAGS = "--dataset_mode landscapes --crop_size 64 --ngf 2 --ndf 2 --no_vgg_loss --gpu_ids -1 --batch_size 2".split()


def test_the_command_prints_what_more_gpus_and_other_options_bring(capsys):
    main(["scaling", "--gpus", "1", "16", "--step_seconds", "0.1", "--", *FLAGS])
    printed = capsys.readouterr().out
    rows = {cells[0]: cells for cells in (line.strip("| ").split(" | ") for line in printed.splitlines())}
    assert rows["1 GPUs"][1:4] == ["100.0", "20", "100%"]
    efficiency = float(rows["16 GPUs"][3].rstrip("%"))
    assert efficiency < 100 and rows["16 GPUs"][-1] == "statistics"
    assert float(rows["4 times the batch of a GPU"][3].rstrip("%")) > efficiency
    assert rows["`batch` in place of `syncbatch`"][4] == "0.0"


@pytest.mark.parametrize(
    "argv, named",
    [
        (["--gpus", "0"], "--gpus: 0: must be a whole number above 0"),
        (["--gpus", "1.5"], "--gpus: 1.5: must be a whole number above 0"),
        (["--bandwidth", "-1"], "--bandwidth: -1: must be a number above 0"),
        (["--latency", "soon"], "--latency: soon: must be a number above 0"),
        (["--latency", "nan"], "--latency: nan: must be a number above 0"),
        (["--", "--ngff", "2"], "--ngff"),
        (["--check", "--", "--ngff", "2"], "--ngff"),
    ],
)
def test_wrong_arguments_are_refused_in_a_line(argv, named, capsys):
    with pytest.raises(SystemExit) as stop:
        main(["scaling", *argv])
    assert stop.value.code == 2 and named in capsys.readouterr().err.splitlines()[-1]


ECHO = "import socket; s = socket.create_server(('', 7000)); print(flush=True); c, _ = s.accept(); c.sendall(c.recv(9))"
ASK = """
import socket, sys, time
start = time.monotonic()
s = socket.create_connection((sys.argv[1], 7000))
s.sendall(b"hello")
print(s.recv(9).decode(), time.monotonic() - start)
"""


@pytest.mark.system
@pytest.mark.skipif(os.geteuid() != 0 or not TUN.exists(), reason="needs root and network namespaces")
def test_packets_between_namespaces_arrive_late_and_nothing_stays_behind():
    network = SlowNetwork(2)
    with network.running():
        network.latency = 0.05
        first, second = (["ip", "netns", "exec", name, sys.executable, "-c"] for name in network.names)
        with subprocess.Popen([*first, ECHO], stdout=subprocess.PIPE) as server:
            server.stdout.readline()
            said = subprocess.check_output([*second, ASK, network.address(0)], text=True, timeout=60)
    word, seconds = said.split()
    assert word == "hello" and float(seconds) >= 4 * 0.05  # connecting and asking take a round trip each
    assert not set(network.names) & set(subprocess.check_output(["ip", "netns", "list"], text=True).split())


def test_slow_links_without_the_right_to_make_them_are_refused_in_a_line(monkeypatch, capsys):
    monkeypatch.setenv("PATH", "/nowhere")  # no program ip
    with pytest.raises(SystemExit) as stop:
        main(["scaling", "--check", "--", *FLAGS])
    assert stop.value.code == 2 and "needs root on Linux" in capsys.readouterr().err
