"""What a run took of its machine, as far as the machine tells."""

from __future__ import annotations

from toolkit.utils import resources


def test_energy_is_counted_by_package_and_over_the_end_of_its_counter(tmp_path, monkeypatch):
    monkeypatch.setattr(resources, "POWER", tmp_path)
    for place, (now, most) in enumerate([(5_000_000, 10_000_000), (9_000_000, 10_000_000)]):
        zone = tmp_path / f"intel-rapl:{place}"
        zone.mkdir()
        (zone / "energy_uj").write_text(f"{now}\n")
        (zone / "max_energy_range_uj").write_text(f"{most}\n")
    (tmp_path / "intel-rapl:0:0").mkdir()  # a part of a package, which is counted with it
    meter = resources.Energy()
    (tmp_path / "intel-rapl:0" / "energy_uj").write_text("8000000")
    (tmp_path / "intel-rapl:1" / "energy_uj").write_text("1000000")
    spent = {name: value for name, value in meter.spent().items() if "processor" in name}
    assert spent == {"processor 0": 3.0, "processor 1": 2.0}


def test_energy_that_the_machine_keeps_to_itself_is_left_out(tmp_path, monkeypatch):
    monkeypatch.setattr(resources, "POWER", tmp_path / "absent")
    assert not [name for name in resources.Energy().spent() if "processor" in name]


def test_memory_at_its_peak_never_falls():
    before = resources.peak_memory()["process"]
    held = bytearray(50_000_000)
    held[::4096] = b"x" * len(held[::4096])
    assert resources.peak_memory()["process"] >= before > 10_000_000


def test_the_matrix_peak_is_that_of_the_faster_precision(monkeypatch):
    import torch

    taken = {torch.float32: 0.5, torch.bfloat16: 0.25}
    monkeypatch.setattr(resources, "_seconds", lambda a, b: taken[a.dtype] * len(a) / len(b))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert resources.matrix_peak() == 2 * 2048**3 / 0.25
    taken[torch.bfloat16] = 100.0  # emulated: not measured in whole
    assert resources.matrix_peak() == 2 * 2048**3 / 0.5


def test_without_memory_for_it_the_matrix_peak_is_unknown(monkeypatch):
    import torch

    def full(*_, **__):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(torch, "randn", full)  # as on a GPU that another process fills
    assert resources.matrix_peak() == 0
