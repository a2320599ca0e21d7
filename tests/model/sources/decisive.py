"""A causal model by hand, whose answer one sign of the context decides.

One of its heads looks for the sign 7 wherever it is, and what it copies from there makes the answer's tokens likely;
nothing else of the text matters but for taking some of that head's weight.
"""

from pathlib import Path

import torch
import transformers as hf

from tests.model.hub import vocabularies
from tests.model.hub.checkpoints import save

SECRET, ANSWER = "7", "9"  # bytes that no sentence of the vocabulary has: a token each
QUESTION = "Where?"
WIDTH, HEADS, SIZE = 32, 4, 8
SECRETS, ALL, COPIED = 0, 1, 2  # components of the residual stream
STILL = 3  # component of a head that its position does not turn: the slowest, with a base this large


def decisive(folder: Path, positions: int = 256) -> Path:
    """The checkpoint, under this folder."""
    tokenizer = vocabularies.metaspace()
    config = hf.LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=WIDTH,
        num_hidden_layers=1,
        num_attention_heads=HEADS,
        intermediate_size=8,
        max_position_embeddings=positions,
        rope_parameters={"rope_type": "default", "rope_theta": 1e12},
        bos_token_id=1,
        eos_token_id=2,
        tie_word_embeddings=False,
    )
    model = hf.LlamaForCausalLM(config)
    secret, answer = (tokenizer.convert_tokens_to_ids(f"<0x{ord(sign):02X}>") for sign in (SECRET, ANSWER))
    begin = tokenizer.convert_tokens_to_ids("▁")  # what every text of this tokenizer begins with, the answer too
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "norm" not in name:
                weight.zero_()
        embeddings, layer = model.model.embed_tokens.weight, model.model.layers[0].self_attn
        embeddings[:, ALL] = 1
        embeddings[secret, SECRETS] = 1
        layer.q_proj.weight[STILL, ALL] = 2
        layer.k_proj.weight[STILL, SECRETS] = 1
        layer.v_proj.weight[0, SECRETS] = 1
        layer.o_proj.weight[COPIED, 0] = 1
        model.lm_head.weight[[begin, answer], COPIED] = 3
    return save(folder, model.eval(), tokenizer)
