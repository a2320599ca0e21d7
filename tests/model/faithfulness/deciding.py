"""A hand-made classifier whose answer one word decides: whether `[CLS]` sees it."""

from pathlib import Path

import torch
import transformers as hf

from tests.model.hub import checkpoints, vocabularies

WORD = "is"
PLACES = [0, 2, 5, 1, 6, 3]  # where it stands among the words of each sentence
OTHERS = ["the", "a", "i", "w", "d", "b", "e"]  # each one token
SENTENCES = [" ".join([*OTHERS[:place], WORD, *OTHERS[place:]]) for place in PLACES]


def write(folder: Path) -> Path:
    """One layer of one head whose weights are alike; a value is its token's embedding.

    Every word's embedding is 0 but that of `[CLS]`, along one direction, and of the word, along another, which is what
    the class `good` reads: its logit rises with the share of the word in what `[CLS]` sees.
    """
    tokenizer = vocabularies.wordpiece()
    labels = {"id2label": {0: "bad", 1: "good"}, "label2id": {"bad": 0, "good": 1}}
    shape = {**checkpoints.SHAPE, "num_hidden_layers": 1, "num_attention_heads": 1}
    model = hf.BertForSequenceClassification(hf.BertConfig(vocab_size=len(tokenizer), **shape, **labels))
    layer, identity = model.bert.encoder.layer[0], torch.eye(32)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "LayerNorm.weight" not in name:
                weight.zero_()
        embeddings = model.bert.embeddings.word_embeddings.weight
        embeddings[tokenizer.cls_token_id, :2] = torch.tensor([1.0, -1.0])
        embeddings[tokenizer.convert_tokens_to_ids(WORD), 2:4] = torch.tensor([1.0, -1.0])
        for linear in (layer.attention.self.value, layer.attention.output.dense, model.bert.pooler.dense):
            linear.weight.copy_(identity)
        model.classifier.weight[1, 2] = 1.0
    return checkpoints.save(folder, model, tokenizer)
