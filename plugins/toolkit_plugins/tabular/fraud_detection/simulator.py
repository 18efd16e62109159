"""Simulated card payments: customers, terminals, and three types of fraud.

The idea (not the code) is that of the simulator in Le Borgne et al., Reproducible Machine Learning
for Credit Card Fraud Detection (2022), chapter 3: what gives a fraud away is hardly ever in the
transaction itself, but in the past of its customer and its terminal.

1. Large: a legitimate amount above a limit is never seen; each such transaction is a fraud.
2. Terminal: now and then a terminal falls into wrong hands; for some weeks most payments there
   are frauds, of usual amounts.
3. Stolen: now and then the data of a card is stolen; for two weeks a third of its payments are
   frauds, of several times the usual amount.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from toolkit.errors import DataError

if TYPE_CHECKING:
    import datasets

Array = np.ndarray[Any, Any]

LARGE = 220.0  # amount above which everything is fraud
TERMINAL_DAYS, TERMINAL_SHARE = 21, 0.8
STOLEN_DAYS, STOLEN_SHARE, STOLEN_FACTOR = 14, 1 / 3, 5.0
NEAR = 20  # terminals that a customer uses


def transactions(
    customers: int = 500,
    terminals: int = 1000,
    days: int = 70,
    seed: int = 0,
    start: str = "2024-01-01",
) -> datasets.Dataset:
    """Return about 2 transactions per customer and day, in order of time.

    Columns: time, customer, terminal, amount, channel (chip, contactless, online), fraud (0, 1).

    Raises:
        DataError: numbers too small to simulate anything.
    """
    import datasets

    if min(customers, terminals, days) < 1:
        raise DataError("customers, terminals and days are at least 1")
    rng = np.random.default_rng(seed)
    who, seconds = _moments(rng, customers, days)
    near = _near(rng, customers, terminals)
    where = near[who, rng.integers(0, near.shape[1], len(who))]
    usual = rng.uniform(5, 100, customers)
    amount = np.abs(rng.normal(usual[who], usual[who] / 2)).clip(0.5, LARGE)
    channel = rng.choice(["chip", "contactless", "online"], len(who), p=[0.4, 0.4, 0.2])
    fraud = _large(rng, amount)
    fraud |= _terminals(rng, where, seconds // 86_400, terminals, days)
    fraud |= _stolen(rng, who, seconds // 86_400, amount, channel, customers, days)
    columns = {
        "time": (np.datetime64(start, "s") + seconds).astype("datetime64[s]"),
        "customer": np.char.add("c", who.astype(str)),
        "terminal": np.char.add("t", where.astype(str)),
        "amount": amount.round(2),
        "channel": channel,
        "fraud": fraud.astype(np.int8),
    }
    return datasets.Dataset.from_dict({k: v.tolist() for k, v in columns.items()})


def _moments(rng: np.random.Generator, customers: int, days: int) -> tuple[Array, Array]:
    """Return customer and second of each transaction, in order of time."""
    rate = rng.uniform(0.5, 3.5, customers)
    counts = rng.poisson(rate[:, None], (customers, days))
    who = np.repeat(np.repeat(np.arange(customers), days), counts.ravel())
    day = np.repeat(np.tile(np.arange(days), customers), counts.ravel())
    second = rng.normal(14 * 3600, 4 * 3600, len(who)).clip(0, 86_399).astype(np.int64)
    seconds = day * 86_400 + second
    order = np.argsort(seconds, kind="stable")
    return who[order], seconds[order]


def _near(rng: np.random.Generator, customers: int, terminals: int) -> Array:
    """Return the terminals nearest to each customer on a square, shape (customers, NEAR)."""
    homes, shops = rng.random((customers, 2)), rng.random((terminals, 2))
    most = min(NEAR, terminals)
    found = [np.argsort(((shops - home) ** 2).sum(1))[:most] for home in homes]
    return np.array(found)


def _large(rng: np.random.Generator, amount: Array) -> Array:
    fraud = rng.random(len(amount)) < 0.001
    amount[fraud] = rng.uniform(LARGE + 1, 2 * LARGE, int(fraud.sum()))
    return fraud


def _terminals(
    rng: np.random.Generator, where: Array, day: Array, terminals: int, days: int
) -> Array:
    fraud = np.zeros(len(where), bool)
    for first in range(0, days):
        for taken in rng.choice(terminals, rng.poisson(terminals / 2500)):
            hit = (where == taken) & (day >= first) & (day < first + TERMINAL_DAYS)
            fraud |= hit & (rng.random(len(where)) < TERMINAL_SHARE)
    return fraud


def _stolen(
    rng: np.random.Generator,
    who: Array,
    day: Array,
    amount: Array,
    channel: Array,
    customers: int,
    days: int,
) -> Array:
    fraud = np.zeros(len(who), bool)
    for first in range(0, days):
        for taken in rng.choice(customers, rng.poisson(customers / 1500)):
            hit = (who == taken) & (day >= first) & (day < first + STOLEN_DAYS) & ~fraud
            fraud |= hit & (rng.random(len(who)) < STOLEN_SHARE)
    amount[fraud] *= STOLEN_FACTOR
    channel[fraud] = "online"
    return fraud
