"""History features: what they say, and that the future says nothing."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("polars")

from toolkit_plugins.tabular.fraud_detection import history
from toolkit_plugins.tabular.fraud_detection.history import DAY, Windows

WINDOWS = Windows((DAY, 7 * DAY), 2 * DAY)


def features(times, amounts, frauds, **entities):
    found = history.features(
        np.array(times, np.int64), np.array(amounts, float), np.array(frauds, np.int8),
        {name: np.array(codes, np.int64) for name, codes in entities.items()}, WINDOWS,
    )  # fmt: skip
    return dict(found)


def test_windows_hold_what_came_before_and_labels_that_were_known():
    days = [0, 1, 1, 3.5, 20]
    found = features([d * DAY for d in days], [10, 20, 30, 40, 50], [1, 0, 0, 0, 0], card=[0] * 5)
    # Two rows at the same moment do not see each other; a window begins a day before, with it.
    assert found["card_count_1d"].tolist() == [0, 1, 1, 0, 0]
    assert found["card_count_7d"].tolist() == [0, 1, 1, 3, 0]
    assert found["card_mean_7d"].tolist() == [0, 10, 10, 20, 0]
    assert found["card_ratio_7d"].tolist() == [1, 2, 3, 2, 1]
    # 40 after 10, 20 and 30, whose spread is the root of 200 / 3.
    assert found["card_deviation_7d"][3] == pytest.approx(20 / (200 / 3) ** 0.5)
    assert found["card_deviation_7d"][[0, 1, 2, 4]].tolist() == [0, 0, 0, 0]
    # The fraud of day 0 is known from day 2 on.
    assert found["card_frauds_7d"].tolist() == [0, 0, 0, 1, 0]
    assert found["card_risk_7d"].tolist() == pytest.approx([0, 0, 0, 1 / 3, 0])
    assert found["card_since_fraud"].tolist() == [history.NEVER] * 3 + [3.5, history.NEVER]
    assert found["card_streak"].tolist() == [0, 0, 0, 0, 0]  # honest rows have come since
    assert found["card_since_last"].tolist() == [history.NEVER, 1, 1, 2.5, history.NEVER]


def test_frauds_in_a_row_are_a_streak_until_a_row_is_honest():
    days = [0, 1, 2, 3, 4, 5, 6, 7]
    frauds = [0, 1, 1, 1, 0, 0, 0, 0]
    found = features([d * DAY for d in days], [1] * 8, frauds, card=[0] * 8)
    assert found["card_streak"].tolist() == [0, 0, 0, 1, 2, 3, 0, 0]
    assert found["card_since_streak"].tolist()[3:6] == [2, 3, 4]


def test_rows_without_an_entity_have_no_history_and_are_in_none():
    found = features([0, 1, 2, 3], [1, 1, 1, 1], [0] * 4, card=[-1, 0, -1, 0])
    assert np.isnan(found["card_count_1d"][[0, 2]]).all()
    assert found["card_count_1d"][[1, 3]].tolist() == [0, 1]


def by_hand(times, amounts, frauds, codes, row):
    """The same by loops, for one row."""
    late = times[row] - WINDOWS.delay
    found = {}
    for name, length in (("1d", DAY), ("7d", 7 * DAY)):
        past = [n for n in range(len(times)) if codes[n] == codes[row]
                and times[row] - length <= times[n] < times[row]]  # fmt: skip
        known = [n for n in range(len(times)) if codes[n] == codes[row]
                 and late - length < times[n] <= late and times[n] < times[row]]  # fmt: skip
        found[f"e_count_{name}"] = len(past)
        found[f"e_mean_{name}"] = sum(amounts[n] for n in past) / len(past) if past else 0
        found[f"e_frauds_{name}"] = sum(frauds[n] for n in known)
    # Frauds since the last moment with an honest row; `known` is that of the longest window.
    legit = max((times[n] for n in known if not frauds[n]), default=-1)
    streak = [times[n] for n in known if times[n] > legit]
    found["e_streak"] = len(streak)
    since = (times[row] - min(streak)) / DAY if streak else history.NEVER
    found["e_since_streak"] = since
    return found


rows = st.lists(
    st.tuples(st.integers(0, 120), st.integers(-500, 50_000), st.booleans(), st.integers(0, 2)),
    min_size=1, max_size=40,
)  # fmt: skip


@settings(deadline=None, max_examples=60)
@given(rows)
def test_the_same_as_by_loops(table):
    times, cents, frauds, codes = zip(*table, strict=True)
    times = [hours * DAY // 24 for hours in times]
    amounts = [value / 100 for value in cents]
    found = features(times, amounts, frauds, e=codes)
    for row in range(len(table)):
        for name, value in by_hand(times, amounts, frauds, codes, row).items():
            assert found[name][row] == pytest.approx(value, rel=1e-5, abs=1e-5)


@settings(deadline=None, max_examples=120)
@given(rows, st.integers(0, 39), st.randoms(use_true_random=False))
def test_changing_the_future_changes_no_feature(table, place, random):
    place %= len(table)
    times = np.array([row[0] * DAY // 24 for row in table], np.int64)
    amounts = np.array([row[1] / 100 for row in table])
    frauds = np.array([row[2] for row in table], np.int8)
    codes = np.array([row[3] for row in table])
    before = features(times, amounts, frauds, e=codes)
    now = times[place]
    # Everything that comes at that moment or later, but for the row itself; and its own label.
    future = (times >= now) & (np.arange(len(table)) != place)
    changed = np.where(future, random.randint(0, 10**6) / 7, amounts)
    others = np.where(future, random.randint(0, 5), codes)
    unknown = times > now - WINDOWS.delay
    labels = np.where(unknown, 1 - frauds, frauds)
    after = features(times, changed, labels, e=others)
    for name in before:
        assert before[name][place] == after[name][place], name
    # Rows that never come are no different, either.
    kept = ~future
    fewer = features(times[kept], amounts[kept], frauds[kept], e=codes[kept])
    row = int(kept[:place].sum())
    for name in before:
        assert before[name][place] == fewer[name][row], name
