"""A generator elsewhere that speaks OpenAI's completions protocol, as vLLM, llama.cpp and TGI do."""

import json
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import urlsplit

import httpx

from heedmap.model.contract import Parameters
from heedmap.model.errors import CheckpointError, GeneratorFailure, ParameterError
from heedmap.model.generator import Continuation
from heedmap.model.stops import before_stop
from heedmap.model.watch import Stop, raise_if_cancelled

SECONDS = 60.0  # without a token: its first one may wait in a queue


class Completions:
    """An OpenAI-compatible server that has the same checkpoint; prompts go to it as ids, so that none is changed.

    Args:
        url: of its API, such as http://127.0.0.1:8001/v1.
    """

    def __init__(self, url: str) -> None:
        """Raises:
        CheckpointError: the address is none of HTTP.
        """
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise CheckpointError(f"generator={url[:200]} is no address; one reads like http://127.0.0.1:8001/v1")
        self.url = url.rstrip("/")
        self.host = f"{parts.scheme}://{parts.hostname}" + (f":{parts.port}" if parts.port else "")
        self.model: str | None = None
        self.http = httpx.Client(timeout=SECONDS, trust_env=False)

    def describe(self) -> dict[str, str]:
        """Where it is, without what an address may hold besides."""
        return {"kind": "openai-completions", "server": self.host}

    def write(self, prompt: Sequence[int], parameters: Parameters, limit: int, cancelled: Stop) -> Continuation:
        """At most `limit` tokens after a prompt's ids; hanging up stops the server."""
        body = {**_settings(parameters), "model": self._model(), "prompt": list(prompt), "max_tokens": limit}
        text, ids, reason = "", list[int](), None
        told = True  # whether every piece came with its ids
        for choice in self._choices(body, cancelled):
            text += choice.get("text") or ""
            pieces = choice.get("token_ids")
            told = told and (pieces is not None or not choice.get("text"))
            ids += pieces or []
            reason = choice.get("finish_reason") or reason
            if before_stop(text, parameters.stop) != text:  # here, because servers differ in what they leave of it
                reason = "stop"
                break
        if reason is None:
            raise GeneratorFailure(f"the generator at {self.host} broke off before its end")
        return Continuation(text, "length" if reason == "length" else "stop", ids if told and ids else None)

    def _choices(self, body: dict[str, Any], cancelled: Stop) -> Iterator[dict[str, Any]]:
        try:
            with self.http.stream("POST", f"{self.url}/completions", json={**body, "stream": True}) as response:
                if response.is_error:
                    response.read()
                    raise GeneratorFailure(
                        f"the generator at {self.host} answered {response.status_code}: {response.text[:300]}"
                    )
                for line in response.iter_lines():
                    raise_if_cancelled(cancelled)
                    data = line.removeprefix("data:").strip()
                    if line.startswith("data:") and data != "[DONE]":
                        yield from json.loads(data).get("choices", [])[:1]
        except (httpx.HTTPError, ValueError) as error:
            raise GeneratorFailure(f"the generator at {self.host} did not answer: {error}") from error

    def _model(self) -> str:
        """The name that the checkpoint has there: the first that is served."""
        if self.model is None:
            try:
                self.model = str(self.http.get(f"{self.url}/models").raise_for_status().json()["data"][0]["id"])
            except (httpx.HTTPError, ValueError, LookupError, TypeError) as error:
                raise GeneratorFailure(f"the generator at {self.host} names no model: {error}") from error
        return self.model


def _settings(parameters: Parameters) -> dict[str, Any]:
    """Our parameters in the protocol's words.

    Raises:
        ParameterError: beams, which it has none of.
    """
    if parameters.do_sample:
        drawn: dict[str, Any] = {"temperature": parameters.temperature, "top_p": parameters.top_p}
        if parameters.top_k:
            drawn["top_k"] = parameters.top_k  # vLLM's; OpenAI's own has none
        return {**drawn, "seed": parameters.seed, "return_token_ids": True}
    if parameters.beam_size != 1:
        raise ParameterError(
            "this model's outputs are written by a server elsewhere, which keeps one hypothesis: take beam_size 1",
            field="parameters.beam_size",
        )
    return {"temperature": 0, "return_token_ids": True}
