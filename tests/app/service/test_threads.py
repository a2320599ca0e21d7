"""As many threads as the container may use, whatever the machine has: more are stopped in mid-operation."""

from pathlib import Path

import pytest
import torch

from heedmap.app.service import threads


def write(folder: Path, **files: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("_", ".", 1)).write_text(text + "\n")


def test_a_container_has_its_quota_at_the_root(tmp_path: Path) -> None:
    write(tmp_path, cpu_max="150000 100000")
    assert threads.quota(tmp_path, "/") == 1.5


def test_the_least_of_all_groups_around_it_counts(tmp_path: Path) -> None:
    write(tmp_path / "pod", cpu_max="200000 100000")
    write(tmp_path / "pod" / "container", cpu_max="max 100000")
    assert threads.quota(tmp_path, "/pod/container") == 2.0
    write(tmp_path / "pod" / "container", cpu_max="50000 100000")
    assert threads.quota(tmp_path, "/pod/container") == 0.5


def test_without_a_quota_there_is_no_limit(tmp_path: Path) -> None:
    assert threads.quota(tmp_path, "/") is None
    write(tmp_path, cpu_max="max 100000")
    assert threads.quota(tmp_path, "/gone") is None


def test_version_1_of_control_groups_is_read(tmp_path: Path) -> None:
    write(tmp_path / "cpu" / "docker", cpu_cfs_quota_us="300000", cpu_cfs_period_us="100000")
    assert threads.quota(tmp_path, "/docker") == 3.0
    write(tmp_path / "cpu" / "docker", cpu_cfs_quota_us="-1", cpu_cfs_period_us="100000")
    assert threads.quota(tmp_path, "/docker") is None


@pytest.mark.parametrize(
    ("limit", "told", "count"), [(None, "", 8), (2.7, "", 2), (0.5, "", 1), (64.0, "", 8), (2.0, "8", 8)]
)
def test_threads_follow_the_quota_unless_somebody_chose(
    monkeypatch: pytest.MonkeyPatch, limit: float | None, told: str, count: int
) -> None:
    monkeypatch.setattr(torch, "get_num_threads", lambda: 8)
    monkeypatch.setattr(threads, "quota", lambda: limit)
    monkeypatch.setenv("OMP_NUM_THREADS", told)
    assert threads.cores() == count
