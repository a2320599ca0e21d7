"""Jobs on disk: owners apart, what dies unfinished has failed, and nothing is kept for ever."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from heedmap.app.errors import NotFound
from heedmap.app.service.jobs import files as module
from heedmap.app.service.jobs.files import FOLDER, LEASES, RESULT, SUFFIX, JobFiles
from heedmap.app.service.jobs.job import Job, State
from heedmap.app.service.jobs.kind import Progress
from tests.app.service.stores import Clock

LIFETIME = 100.0


def job(files: JobFiles, number: int, state: State = "done", owner: str = "anyone") -> Job:
    """A job that was posted so many seconds after the clock's."""
    now = files.clock() + number
    made = Job(f"{number:032x}", owner, "corpus", now, now + LIFETIME, files.lease, state, Progress(2, 4, "inputs"))
    made.result = {"answer": number} if state == "done" else None
    return made


@pytest.fixture
def files(tmp_path: Path, clock: Clock) -> Iterator[JobFiles]:
    opened = JobFiles(tmp_path, LIFETIME, clock)
    opened.open()
    opened.hold()
    yield opened
    opened.close()


def test_a_job_reads_as_it_was_written_and_is_its_owners_alone(files: JobFiles) -> None:
    files.write(job(files, 1))
    read = files.read("anyone", f"{1:032x}")
    assert read.to_json() == {
        "id": "00000000000000000000000000000001",
        "kind": "corpus",
        "state": "done",
        "progress": {"done": 2, "of": 4, "what": "inputs"},
        "created_at": read.brief()["created_at"],
        "expires_at": read.brief()["expires_at"],
        "result": {"answer": 1},
    }
    with pytest.raises(NotFound, match="GET /v1/jobs lists"):
        files.read("another", f"{1:032x}")
    with pytest.raises(NotFound):
        files.read("anyone", "../../etc/passwd")
    assert [each.id for each in files.of_owner("anyone")] == [read.id]
    assert files.of_owner("another") == []


def test_a_job_whose_process_has_ended_has_failed(tmp_path: Path, clock: Clock) -> None:
    first, second = JobFiles(tmp_path, LIFETIME, clock), JobFiles(tmp_path, LIFETIME, clock)
    first.open()
    first.hold()
    running, done = job(first, 1, "running"), job(first, 2, "done")
    first.write(running)
    first.write(done)
    second.open()
    assert second.read("anyone", running.id).state == "running", "its process lives"
    first.close()
    assert second.read("anyone", running.id).state == "failed"
    third = JobFiles(tmp_path, LIFETIME, clock)
    third.open()
    read = third.read("anyone", running.id)
    assert read.state == "failed"
    assert read.error is not None
    assert read.error["detail"] == "the service ended while this job was waiting or running; post it again"
    assert third.read("anyone", done.id).result == {"answer": 2}


def test_leases_of_the_dead_are_cleared_away_and_those_of_the_living_stay(tmp_path: Path, clock: Clock) -> None:
    first, second = JobFiles(tmp_path, LIFETIME, clock), JobFiles(tmp_path, LIFETIME, clock)
    first.hold()
    (tmp_path / LEASES / ("0" * 32)).touch()
    second.open()
    second.hold()
    assert {path.name for path in (tmp_path / LEASES).iterdir()} == {first.lease, second.lease}
    first.close()
    second.close()
    assert list((tmp_path / LEASES).iterdir()) == []


def test_jobs_expire(files: JobFiles, clock: Clock) -> None:
    files.write(job(files, 1))
    clock.now += LIFETIME + 2
    with pytest.raises(NotFound):
        files.read("anyone", f"{1:032x}")
    assert files.of_owner("anyone") == []
    files.sweep()
    assert list((files.folder / "anyone" / FOLDER).iterdir()) == []


def test_the_oldest_that_are_over_go_first(files: JobFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "KEPT", 2)
    for number in range(4):
        files.write(job(files, number, "queued" if number == 0 else "done"))
    files.make_room("anyone")
    assert [int(each.id, 16) for each in files.of_owner("anyone")] == [3, 2, 0], "one that waits is never evicted"
    monkeypatch.setattr(module, "KEPT_BYTES", 400)
    files.sweep()
    assert [int(each.id, 16) for each in files.of_owner("anyone")] == [3, 0]
    assert {path.suffix for path in (files.folder / "anyone" / FOLDER).iterdir()} == {SUFFIX, RESULT}
    assert len(list((files.folder / "anyone" / FOLDER).glob("*" + RESULT))) == 1


def test_a_forgotten_job_is_not_written_again(files: JobFiles) -> None:
    posted = job(files, 1, "running")
    files.write(posted)
    assert files.update(posted)
    files.delete("anyone", posted.id)
    assert not files.update(posted)
    with pytest.raises(NotFound):
        files.delete("anyone", posted.id)


def test_a_damaged_file_is_no_job(files: JobFiles) -> None:
    posted = job(files, 1)
    files.write(posted)
    (files.folder / "anyone" / FOLDER / f"{posted.id}{SUFFIX}").write_text("{")
    with pytest.raises(NotFound):
        files.read("anyone", posted.id)
