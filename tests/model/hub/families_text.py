"""The families that read text: encoders, decoders, and encoder-decoders."""

from collections.abc import Callable
from typing import Any

from torch import Tensor

from tests.model.hub.family import (
    CAUSAL,
    ENCODED,
    FULL,
    HEADS,
    SLIDING,
    TARGET,
    TOKENS,
    WIDTH,
    WINDOW,
    Family,
    attended,
    configured,
    crossed,
    ids,
    read,
    square,
)


def encoder(name: str, model: str, config: Callable[[], Any], pad: int = 0, **more: Any) -> Family:
    """One bidirectional stack."""
    outputs = {"encoder": "attentions"}
    masks = {"encoder": (FULL, FULL)}
    lengths = square("encoder", *TOKENS)
    return Family(name, model, config, read(pad), {"encoder": 2}, lengths, outputs, masks=masks, **more)


def decoder(name: str, model: str, config: Callable[[], Any], groups: int = HEADS, **more: Any) -> Family:
    """One causal stack."""
    more.setdefault("masks", {"decoder": (CAUSAL, CAUSAL)})
    outputs, kv_heads = {"decoder": "attentions"}, {"decoder": groups}
    lengths = square("decoder", *TOKENS)
    return Family(name, model, config, read(), {"decoder": 2}, lengths, outputs, kv_heads=kv_heads, **more)


def translating(masked: bool, pad: int) -> Callable[[], dict[str, Tensor]]:
    """Inputs of an encoder-decoder; the padding behind a target may or may not be said to be padding."""

    def inputs() -> dict[str, Tensor]:
        batch = {**read(pad)(), "decoder_input_ids": ids(TARGET, pad, 2)}
        return {**batch, "decoder_attention_mask": attended(TARGET)} if masked else batch

    return inputs


def both(name: str, model: str, config: Callable[[], Any], masked: bool = False, pad: int = 1) -> Family:
    """An encoder and a decoder."""
    sites, lengths = {"encoder": 2, "decoder": 2, "cross": 2}, crossed(TOKENS)
    masks = {"encoder": (FULL, FULL), "decoder": (CAUSAL, CAUSAL), "cross": (FULL, FULL)}
    return Family(name, model, config, translating(masked, pad), sites, lengths, ENCODED, masks=masks)


def seq2seq(kind: str, **options: Any) -> Callable[[], Any]:
    """The configuration of BART and its descendants."""
    ends = {f"{end}_{name}": value for end in ("encoder", "decoder") for name, value in STACK.items()}
    special = {"pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 2, "decoder_start_token_id": 2}
    more = {"forced_eos_token_id": None, "forced_bos_token_id": None}
    unused = {"num_hidden_layers": 2}
    return configured(kind, d_model=WIDTH, **{**ends, **special, **unused, **more, **options})


PEGASUS = {"pad_token_id": 0, "decoder_start_token_id": 0}
STACK = {"layers": 2, "attention_heads": HEADS, "ffn_dim": 48}
GPT2 = {"n_embd": WIDTH, "n_layer": 2, "n_head": HEADS, "n_positions": 64}
T5 = {"d_model": WIDTH, "d_kv": 8, "num_layers": 2, "num_heads": HEADS, "d_ff": 48, "decoder_start_token_id": 0}
DISENTANGLED = {"relative_attention": True, "pos_att_type": ["c2p", "p2c"], "position_buckets": 4}
ROTARY = {"rope_type": "default", "rope_theta": 10000.0}
GROUPED = {"num_key_value_heads": 2, "head_dim": 8}
EXPERTS = {"num_local_experts": 4, "num_experts_per_tok": 2}
# GPT-OSS: the grouped matrix product of its experts wants rows of a multiple of 16 bytes.
GPT_OSS = {
    **GROUPED,
    **EXPERTS,
    "hidden_size": 64,
    "intermediate_size": 64,
    "rope_parameters": ROTARY,
}
GEMMA = {**GROUPED, "sliding_window": WINDOW, "query_pre_attn_scalar": 8}

ENCODERS = [
    encoder("bert", "BertForSequenceClassification", configured("bert", num_labels=3)),
    encoder("roberta", "RobertaForMaskedLM", configured("roberta", pad_token_id=1, bos_token_id=0), 1),
    encoder(
        "distilbert",
        "DistilBertForTokenClassification",
        configured("distilbert", dim=WIDTH, n_layers=2, n_heads=HEADS, hidden_dim=48, num_labels=5),
    ),
    encoder("electra", "ElectraForQuestionAnswering", configured("electra", embedding_size=16)),
    encoder("albert", "AlbertForMaskedLM", configured("albert", embedding_size=16)),
    encoder("xlm-roberta", "XLMRobertaModel", configured("xlm-roberta", pad_token_id=1, bos_token_id=0), 1),
    encoder(
        "deberta-v2",
        "DebertaV2ForSequenceClassification",
        configured("deberta-v2", **DISENTANGLED),
        follows=False,
        baseline="eager",
    ),
]

DECODERS = [
    decoder("gpt2", "GPT2LMHeadModel", configured("gpt2", **GPT2)),
    decoder("opt", "OPTForCausalLM", configured("opt", ffn_dim=48, word_embed_proj_dim=WIDTH, pad_token_id=1)),
    decoder(
        "bloom",
        "BloomForCausalLM",
        configured("bloom", n_layer=2, n_head=HEADS),
        follows=False,
        baseline="eager",
    ),
    decoder(
        "falcon-alibi",
        "FalconForCausalLM",
        configured("falcon", alibi=True, multi_query=False),
        follows=False,
        baseline="eager",  # transformers 5.23 adds the bias twice there, and once on SDPA
    ),
    decoder(
        "falcon-rotary",
        "FalconForCausalLM",
        configured("falcon", new_decoder_architecture=True, num_kv_heads=2),
        follows=False,
    ),
    decoder("phi", "PhiForCausalLM", configured("phi", partial_rotary_factor=0.5)),
    decoder("gpt-neox", "GPTNeoXForCausalLM", configured("gpt_neox")),
    decoder("llama", "LlamaForCausalLM", configured("llama", num_key_value_heads=2), 2),
    decoder(
        "mistral",
        "MistralForCausalLM",
        configured("mistral", num_key_value_heads=2, sliding_window=WINDOW),
        2,
        masks={"decoder": (SLIDING, SLIDING)},
    ),
    decoder("qwen2", "Qwen2ForSequenceClassification", configured("qwen2", num_key_value_heads=2), 2),
    decoder("qwen3", "Qwen3ForCausalLM", configured("qwen3", **GROUPED), 2),
    decoder("mixtral", "MixtralForCausalLM", configured("mixtral", num_key_value_heads=1, **EXPERTS), 1),
    decoder(
        "gemma2",  # its soft-capping of 50 hardly shows in a tiny model
        "Gemma2ForCausalLM",
        configured("gemma2", **GEMMA, attn_logit_softcapping=2.0),
        2,
        baseline="eager",
        masks={"decoder": (SLIDING, CAUSAL)},
    ),
    decoder(
        "gemma3",
        "Gemma3ForCausalLM",
        configured("gemma3_text", **GEMMA, layer_types=["sliding_attention", "full_attention"]),
        2,
        masks={"decoder": (SLIDING, CAUSAL)},
    ),
    decoder(
        "gpt-oss",
        "GptOssForCausalLM",
        configured("gpt_oss", **GPT_OSS, sliding_window=WINDOW),
        2,
        baseline="eager",
        leaks=True,
        masks={"decoder": (SLIDING, CAUSAL)},
    ),
]

TRANSLATORS = [
    both("marian", "MarianMTModel", seq2seq("marian", scale_embedding=True), masked=True),
    both("bart", "BartForConditionalGeneration", seq2seq("bart")),
    both("mbart", "MBartForConditionalGeneration", seq2seq("mbart"), masked=True),
    both("m2m-100", "M2M100ForConditionalGeneration", seq2seq("m2m_100")),
    both(
        "pegasus",
        "PegasusForConditionalGeneration",
        seq2seq("pegasus", **PEGASUS),
        pad=0,
    ),
    both("t5", "T5ForConditionalGeneration", configured("t5", **T5), masked=True, pad=0),
]

TEXT = [*ENCODERS, *DECODERS, *TRANSLATORS]
