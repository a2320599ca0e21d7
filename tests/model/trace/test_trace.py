"""Traces: certified, written whole, opened again, recomputed by numpy alone."""

import json
import math
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from heedmap.model.contract import Parameters, Request
from heedmap.model.errors import EmptyInput, InputError, InputTooLong, RangeError, TraceError
from heedmap.model.load import load
from heedmap.model.trace import tensor_reader
from heedmap.model.trace.identity import FORMAT, content_id
from heedmap.model.trace.trace import Trace, read_header


@pytest.fixture(scope="module", params=["tiny", "tiny_gru"])
def folder(request: pytest.FixtureRequest) -> Path:
    path: Path = request.getfixturevalue(request.param)
    return path


@pytest.fixture(scope="module")
def traces(folder: Path) -> list[Trace]:
    parameters = Parameters(max_new_tokens=9)
    requests = [
        Request("Wo ist der Bahnhof?", parameters=parameters),
        Request("Ich.", parameters=parameters),
        Request("Das ist gut.", "That is good."),
    ]
    traces = load(folder).trace(requests)
    assert all(isinstance(t, Trace) for t in traces)
    return [t for t in traces if isinstance(t, Trace)]


def test_every_map_has_the_shape_of_its_axes_and_rows_of_one(traces: list[Trace]) -> None:
    for trace in traces:
        for site in trace.sites():
            shape = [len(trace.axes[site["queries"]]), len(trace.axes[site["keys"]])]
            assert site["shape"] == shape
            for layer in range(site["layers"]):
                dense = trace.map(site["name"], layer).dense()
                assert list(dense.shape) == [site["heads"], *shape]
                torch.testing.assert_close(dense.sum(dim=-1), torch.ones(dense.shape[:2]), atol=1e-5, rtol=0)


def test_gradients_are_in_the_file_and_belong_to_their_heads(traces: list[Trace], tmp_path: Path) -> None:
    trace = traces[0]
    layer = trace.layers["cross"][0]
    d_output = torch.randn(layer.heads, layer.shape[0], layer.v.shape[-1])
    with_gradient = replace(layer, d_output=d_output, delta=d_output.sum(dim=-1))
    whole = replace(trace, layers={**trace.layers, "cross": [with_gradient, *trace.layers["cross"][1:]]})
    whole.save(tmp_path / "t.safetensors")
    again = Trace.load(tmp_path / "t.safetensors").layers["cross"]
    assert all(layer.d_output is layer.delta is None for layer in again[1:])
    read = again[0].head(-1)
    assert read.d_output is not None
    assert read.delta is not None
    assert torch.equal(read.d_output, d_output[-1:])
    assert torch.equal(read.delta, d_output[-1:].sum(dim=-1))
    for broken in (
        {"d_output": d_output[:, :-1]},
        {"delta": d_output[..., 0].double()},
        {"output_norm": torch.ones(layer.heads, layer.shape[1] + 1)},
        {"normalised_norm": torch.ones(layer.heads, layer.shape[1])},
        {"mixing": torch.ones(layer.shape[0], 1)},
        {"normalised_norm": torch.ones(layer.heads, layer.shape[1]), "deviation": torch.ones(layer.shape[0] + 1)},
    ):
        spoilt = replace(with_gradient)
        for name, value in broken.items():
            object.__setattr__(spoilt, name, value)  # past the check of shapes
        replace(whole, layers={**trace.layers, "cross": [spoilt, *trace.layers["cross"][1:]]}).save(tmp_path / "broken")
        with pytest.raises(TraceError, match=r"d_output|delta|output_norm|deviation|mixing"):
            Trace.load(tmp_path / "broken")


def test_the_certificate_holds(traces: list[Trace]) -> None:
    for trace in traces:
        certificate = trace.certificate
        assert 0 <= certificate.max_error < 1e-5
        assert certificate.rows_checked == sum(s["layers"] * s["heads"] * s["shape"][0] for s in trace.sites())
        assert certificate.dtype == "float32"
        flat = [e for site in certificate.errors.values() for layer in site for e in layer]
        assert max(flat) == certificate.max_error


def test_axes_spell_the_text(traces: list[Trace]) -> None:
    first = traces[0].axes["source"]
    text = "Wo ist der Bahnhof?"
    assert "".join(text[a:b] for a, b in first.spans) == "WoistderBahnhof?"
    assert first.special == [False] * (len(first) - 1) + [True]
    scored = traces[2]
    assert scored.prediction.text == "That is good."
    assert scored.prediction.tokens == scored.axes["target"].labels
    assert scored.axes["prefix"].ids[1:] == scored.axes["target"].ids[:-1]


def test_a_batch_gives_what_each_gives_alone(folder: Path, traces: list[Trace]) -> None:
    alone = load(folder).trace([Request("Ich.", parameters=Parameters(max_new_tokens=9))])[0]
    assert isinstance(alone, Trace)
    assert alone.prediction.tokens == traces[1].prediction.tokens
    torch.testing.assert_close(alone.map("cross", -1).dense(), traces[1].map("cross", -1).dense(), atol=1e-5, rtol=0)


def test_a_given_target_is_scored_like_the_generated_one(folder: Path) -> None:
    model = load(folder)
    (generated,) = model.predict([Request("Wo ist der Bahnhof?", parameters=Parameters(max_new_tokens=5))])
    assert not isinstance(generated, InputError)
    step = model.predict([Request("Wo ist der Bahnhof?", "Where is the station?")])[0]
    assert not isinstance(step, InputError)
    assert step.score < 0
    assert math.isfinite(generated.score)


def test_saved_opened_and_recomputed_by_numpy(traces: list[Trace], tmp_path: Path) -> None:
    trace = traces[0]
    size = trace.save(tmp_path / "a.safetensors", {"name": "tiny"})
    assert size == (tmp_path / "a.safetensors").stat().st_size
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.safetensors"]
    again = Trace.load(tmp_path / "a.safetensors")
    assert again.to_json() == trace.to_json()
    assert read_header(tmp_path / "a.safetensors")["name"] == "tiny"
    with safe_open(tmp_path / "a.safetensors", framework="numpy") as file:
        layer = json.loads(file.metadata()["trace"])["layers"]["cross"][0]
        q, k, lse = (file.get_tensor(f"cross.0.{name}") for name in ("q", "k", "lse"))
        vector = file.get_tensor("cross.0.vector") if layer["score"]["kind"] == "additive" else None
    assert layer["mask"] == {"kind": "full"}
    k = np.repeat(k, len(q) // len(k), axis=0)
    scores = layer["scale"] * q @ k.swapaxes(1, 2) if vector is None else np.tanh(q[:, :, None] + k[:, None]) @ vector
    weights = np.exp(scores - lse[:, :, None])
    np.testing.assert_allclose(weights, trace.map("cross", 0).dense().numpy(), atol=1e-6)


def test_the_file_names_its_tensors_as_the_contract_says(traces: list[Trace], tmp_path: Path) -> None:
    trace = traces[0]
    trace.save(tmp_path / "a.safetensors")
    with safe_open(tmp_path / "a.safetensors", framework="numpy") as file:
        assert file.metadata()["heedmap"] == FORMAT == "1"
        for site in trace.sites():
            queries, keys = site["shape"]
            for layer in range(site["layers"]):
                q, k, v, lse = (file.get_tensor(f"{site['name']}.{layer}.{n}") for n in ("q", "k", "v", "lse"))
                assert q.shape[:2] == (site["heads"], queries)
                assert k.shape[:2] == v.shape[:2] == (site["kv_heads"], keys)
                assert (lse.shape, lse.dtype) == ((site["heads"], queries), np.float32)


@pytest.mark.parametrize("harm", ["truncated", "header", "text", "missing", "version"])
def test_a_damaged_file_is_an_error_of_its_own(traces: list[Trace], tmp_path: Path, harm: str) -> None:
    path = tmp_path / "a.safetensors"
    traces[0].save(path)
    data = path.read_bytes()
    match harm:
        case "truncated":
            path.write_bytes(data[: len(data) // 2])
        case "header":
            path.write_bytes(data[:30])
        case "text":
            path.write_bytes(b"not a trace")
        case "missing":
            path.unlink()
        case "version":
            path.write_bytes(data.replace(b'"heedmap":"1"', b'"heedmap":"9"'))
    with pytest.raises(TraceError, match=r"a\.safetensors"):
        Trace.load(path)


def test_one_flipped_bit_is_an_error(traces: list[Trace], tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    size = traces[0].save(path, {"id": "0"})
    original = path.read_bytes()
    head = 8 + int.from_bytes(original[:8], "little")
    named = original.index(b"sha256")
    for place in (*range(30), named, *range(named, head, 97), *range(head, size, 997), size - 1):
        data = bytearray(original)
        data[place] ^= 1 << place % 8
        path.write_bytes(data)
        with pytest.raises(TraceError, match=r"a\.safetensors"):
            Trace.load(path)


def test_a_flipped_bit_is_only_looked_for_where_that_is_wanted(traces: list[Trace], tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    traces[0].save(path)
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    assert Trace.load(path, verify=False).to_json() == traces[0].to_json()


def test_a_file_from_before_there_were_digests_opens(traces: list[Trace], tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    traces[0].save(path)
    with safe_open(path, framework="pt") as file:
        metadata, tensors = file.metadata(), {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    summary = json.loads(metadata["trace"])
    del metadata["sha256"]
    save_file(tensors, path, metadata)
    with pytest.raises(TraceError, match="written with a digest, which is damaged"):
        Trace.load(path)
    del summary["digest"]
    save_file(tensors, path, {**metadata, "trace": json.dumps(summary)})
    assert Trace.load(path).to_json() == traces[0].to_json()


def test_a_trace_that_is_mapped_is_not_read_after_its_file_was_cut(
    traces: list[Trace], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.safetensors"
    traces[0].save(path)
    monkeypatch.setattr(tensor_reader, "IN_MEMORY", 0)
    trace = Trace.load(path)
    assert trace.map("cross", 0).dense().equal(traces[0].map("cross", 0).dense())
    os.truncate(path, 10)
    with pytest.raises(TraceError, match="changed while it was open"):
        trace.map("cross", 0)


@pytest.mark.parametrize("mode", [0o666, 0o600])
def test_who_may_open_a_file_is_said_when_it_is_saved(traces: list[Trace], tmp_path: Path, mode: int) -> None:
    mask = os.umask(0o022)
    try:
        traces[0].save(tmp_path / "a", mode=mode)
    finally:
        os.umask(mask)
    assert (tmp_path / "a").stat().st_mode & 0o777 == mode & ~0o022


@pytest.mark.parametrize(
    ("site", "layer", "field"), [("nowhere", 0, "site"), ("cross", 9, "layer"), ("cross", -9, "layer")]
)
def test_what_the_trace_does_not_have_is_named(traces: list[Trace], site: str, layer: int, field: str) -> None:
    with pytest.raises(RangeError) as caught:
        traces[0].map(site, layer)
    assert caught.value.field == field


def test_bad_inputs_fail_alone_in_a_batch(folder: Path) -> None:
    results = load(folder).predict(
        [
            Request("  "),
            Request("Wo?", parameters=Parameters(max_new_tokens=3)),
            Request("ab " * 5000),
            Request("a", ""),
        ]
    )
    assert [type(r) for r in results[::2]] == [EmptyInput, InputTooLong]
    assert isinstance(results[2], InputTooLong)
    assert "512" in str(results[2])
    assert isinstance(results[3], EmptyInput)
    assert results[3].field == "target"
    assert not isinstance(results[1], InputError)


def test_ids_depend_on_everything_that_changes_a_trace() -> None:
    base = Request("a")
    others = [
        content_id("r", Request("b")),
        content_id("s", base),
        content_id("r", Request("a", "x")),
        content_id("r", Request("a", parameters=Parameters(beam_size=2))),
        content_id("r", base, owner="key"),
    ]
    assert len({content_id("r", base), *others}) == 6
    assert content_id("r", base) == content_id("r", Request("a"))
    assert len(content_id("r", base)) == 32
