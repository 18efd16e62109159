"""What the launcher makes of the ends of its ranks."""

from __future__ import annotations

import signal

import pytest

from toolkit.errors import UserError
from toolkit.runner import mailbox


@pytest.fixture
def say(tmp_path, monkeypatch):
    monkeypatch.setenv(mailbox.VARIABLE, str(tmp_path))
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("LOCAL_RANK", "0")

    def rank(number, error):
        monkeypatch.setenv("RANK", str(number))
        assert not mailbox.speaks(error)

    return rank, mailbox.Mailbox(tmp_path)


def test_what_a_neighbour_makes_of_a_killed_rank_is_no_cause(say):
    rank, box = say
    rank(0, EOFError("Ran out of input"))
    end = box.reason({0: 1, 1: -signal.SIGKILL})
    assert end.text.startswith("rank 1 was ended from outside by SIGKILL")


def test_a_mistake_is_the_cause_even_beside_a_killed_rank(say):
    rank, box = say
    rank(0, UserError("there is no column 'labl'"))
    end = box.reason({0: 2, 1: -signal.SIGKILL})
    assert end.faults
    assert "labl" in end.text
