"""Answers about jobs, for the OpenAPI description."""

from datetime import datetime
from typing import Any, Literal

from pydantic import Field

from heedmap.app.http.answers import Answer


class JobProgress(Answer):
    """How far a job is."""

    done: int
    of: int = Field(description="0 until it is known.")
    what: str


class JobAnswer(Answer):
    """A job."""

    id: str
    kind: str
    state: Literal["queued", "running", "done", "failed", "cancelled"]
    progress: JobProgress
    created_at: datetime
    expires_at: datetime
    result: Any = Field(None, description="Where it is done; what it holds depends on the kind.")
    error: dict[str, Any] | None = Field(None, description="The problem that it failed or was cancelled by.")


class JobKind(Answer):
    """A kind of job."""

    name: str
    description: str
    cost: str
    request: dict[str, Any] = Field(description="The JSON schema of its request.")


class JobList(Answer):
    """The caller's jobs, and what kinds there are."""

    jobs: list[JobAnswer]
    kinds: list[JobKind]
