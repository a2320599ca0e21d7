"""A small server of OpenAI's completions protocol around a checkpoint, a process of its own: FOLDER PORT ids|no-ids."""

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import torch
import transformers as hf

folder, port, tells = sys.argv[1], int(sys.argv[2]), "no-ids" not in sys.argv
model = hf.AutoModelForCausalLM.from_pretrained(folder)
tokenizer = hf.AutoTokenizer.from_pretrained(folder)


def choices(body: dict[str, Any]) -> list[dict[str, Any]]:
    """The pieces of one output: greedy, as the test asks for."""
    assert body["temperature"] == 0
    assert body["stream"]
    if not tells:  # a text that its tokens can be told from
        return [{"text": sign, "finish_reason": None} for sign in " a book"] + [{"text": "", "finish_reason": "length"}]
    prompt = torch.tensor([body["prompt"]])
    ids = model.generate(prompt, max_new_tokens=body["max_tokens"], do_sample=False)[0, prompt.shape[1] :].tolist()
    reason = "stop" if ids[-1] == tokenizer.eos_token_id else "length"
    shown = ids[:-1] if reason == "stop" else ids
    pieces, before = [], ""
    for at in range(len(shown)):
        text = tokenizer.decode(shown[: at + 1], skip_special_tokens=True)
        last = at == len(shown) - 1
        if text.endswith("\ufffd") and not last:
            text = before
        pieces.append({"text": text[len(before) :], "finish_reason": None, "token_ids": [shown[at]]})
        before = text
    pieces.append({"text": "", "finish_reason": reason, "token_ids": []})
    return pieces


class Handler(BaseHTTPRequestHandler):
    """Two routes."""

    def do_GET(self) -> None:
        self._send(json.dumps({"data": [{"id": "tiny"}]}).encode(), "application/json")

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        assert body["model"] == "tiny"
        lines = [f"data: {json.dumps({'choices': [choice]})}\n\n" for choice in choices(body)]
        self._send("".join([*lines, "data: [DONE]\n\n"]).encode(), "text/event-stream")

    def _send(self, data: bytes, media: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", media)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: Any) -> None:
        """Nothing."""


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()
