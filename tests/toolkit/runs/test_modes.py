"""Who may read the files of a run: whom the umask allows, whatever a library thinks."""

import os
import stat

import small_runs

from toolkit.cli.main import outcome


def modes(folder):
    return {stat.S_IMODE(p.stat().st_mode) for p in folder.rglob("*") if p.is_file()}


def test_the_group_reads_weights_checkpoints_and_exports_where_the_umask_allows_it(tmp_path):
    words = small_runs.arguments("text-classification", "lora", tmp_path / "in", max_steps=4,
                                 save_steps=2, save_total_limit=3)  # fmt: skip
    before, out = os.umask(0o027), tmp_path / "run"
    try:
        assert outcome(["run", *words, "--out", str(out)]) == 0
        assert outcome(["export", str(out), "--to", "merged"]) == 0
    finally:
        os.umask(before)
    assert (out / "model" / "adapter_model.safetensors").is_file()
    assert (out / "merged" / "model.safetensors").is_file()
    assert modes(out) == {0o640}
