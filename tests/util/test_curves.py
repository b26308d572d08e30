"""Curves of any length stay small and keep their extremes."""

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from util.curves import MAX_BUCKETS, Curve, Curves


def curve_of(values):
    curve = Curve()
    for i, value in enumerate(values):
        curve.add(10 * i, value)
    return curve


def test_a_short_curve_is_kept_as_it_is():
    assert curve_of([1.0, math.nan, 3.0, math.inf]).data() == {"x": [0, 20], "mean": [1.0, 3.0]}


def test_neighbors_are_joined_by_hand(monkeypatch):
    monkeypatch.setattr("util.curves.MAX_BUCKETS", 2)
    data = curve_of([1.0, 3.0, 8.0, 2.0, 7.0]).data()
    # The third makes pairs of (1, 3) and (8), which 2 fills; 7 makes fours of these, and one of its own.
    assert data == {"x": [15, 40], "mean": [3.5, 7.0], "low": [1.0, 7.0], "high": [8.0, 7.0]}


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=20), st.integers(1, 3 * MAX_BUCKETS // 20 * 5))
def test_every_extreme_stays(values, times):
    values = values * times
    curve = curve_of(values)
    data = curve.data()
    assert len(curve) <= MAX_BUCKETS
    assert data["x"] == sorted(data["x"])
    assert max(data.get("high", data["mean"])) == float(f"{max(values):.5g}")
    assert min(data.get("low", data["mean"])) == float(f"{min(values):.5g}")


def test_many_records_stay_small():
    curve = Curve()
    for i in range(200_000):
        curve.add(i, 1.0)
    curve.add(200_000, 9.0)
    assert MAX_BUCKETS / 2 <= len(curve) <= MAX_BUCKETS
    assert max(curve.data()["high"]) == 9.0
    assert np.allclose(np.delete(curve.means, -1), 1.0)


def test_curves_have_the_names_that_they_were_given():
    curves = Curves()
    curves.add(1, {"lr/G": 0.5})
    curves.add(2, {"lr/G": 0.25, "lr/D": 1})
    assert {name: curve.data()["mean"] for name, curve in curves.items()} == {"lr/G": [0.5, 0.25], "lr/D": [1.0]}
