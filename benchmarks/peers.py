"""Other ways to serve the same model over HTTP, each a process of its own: what Heedmap's server is measured beside.

python -m benchmarks.peers litserve|fastapi PORT

Both read {"inputs": text} at /predict, decode greedily by the same engine, and answer {"text": ..., "tokens": [...]}.
"""

import sys
from collections.abc import Sequence
from typing import Any

import litserve as ls

from benchmarks.asking import DE_EN
from heedmap.model.contract import Parameters, Request
from heedmap.model.native.translator import Translator

BATCH = 64  # sentences decoded together
PATIENCE = 0.002  # seconds that LitServe waits for others to join a batch
LONGEST = 128  # new tokens


def answers(translator: Translator, texts: Sequence[str]) -> list[dict[str, Any]]:
    """One answer a text."""
    requests = [Request(text, None, Parameters(max_new_tokens=LONGEST)) for text in texts]
    return [{"text": answer.text, "tokens": answer.tokens} for answer in translator.predict(requests)]


class Api(ls.LitAPI):  # type: ignore[misc]
    """A translator in a worker of LitServe's, which is a process of its own."""

    def setup(self, device: str) -> None:
        """Load the model."""
        self.translator = Translator.load(DE_EN)

    def decode_request(self, request: dict[str, str]) -> str:
        """A body's text."""
        return request["inputs"]

    def batch(self, inputs: list[str]) -> list[str]:
        """Texts stay a list."""
        return inputs

    def predict(self, x: list[str]) -> list[dict[str, Any]]:
        """The answers of a batch."""
        return answers(self.translator, x)

    def unbatch(self, output: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """They are a list already."""
        return output

    def encode_response(self, output: dict[str, Any]) -> dict[str, Any]:
        """JSON already."""
        return output


def litserve(port: int) -> None:
    """LitServe with batches, as its documentation has them."""
    api = Api(max_batch_size=BATCH, batch_timeout=PATIENCE)
    server = ls.LitServer(api, accelerator="cpu", timeout=120, disable_openapi_url=True)
    server.run(host="127.0.0.1", port=port, generate_client_file=False, log_level="warning", num_api_servers=1)


def fastapi(port: int) -> None:
    """A route that calls the model, as a first tutorial has it."""
    import uvicorn
    from fastapi import FastAPI
    from pydantic import BaseModel

    app, translator = FastAPI(), Translator.load(DE_EN)

    class Body(BaseModel):
        """A text."""

        inputs: str

    @app.get("/health")
    def health() -> str:
        return "ok"

    @app.post("/predict")
    def predict(body: Body) -> dict[str, Any]:
        return answers(translator, [body.inputs])[0]

    uvicorn.run(app, host="127.0.0.1", port=port, log_level="warning", access_log=False)


if __name__ == "__main__":
    {"litserve": litserve, "fastapi": fastapi}[sys.argv[1]](int(sys.argv[2]))
