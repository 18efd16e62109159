"""The built-in scenarios keep what the conformance kit asks of everybody's."""

from __future__ import annotations

import pytest

from toolkit import registry
from toolkit.testing.conformance import check_plugin

BUILT_IN = sorted(e.name for e in registry.entries() if e.distribution == "finetune-toolkit")


def test_there_are_built_in_scenarios():
    assert len(BUILT_IN) >= 4


@pytest.mark.nightly
@pytest.mark.parametrize("scenario", BUILT_IN)
def test_a_built_in_scenario_passes_the_kit(scenario, tmp_path, socket_enabled):
    check_plugin(scenario, tmp_path / "kit")
