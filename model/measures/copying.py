"""Whether heads copy: make likelier the very tokens that they look at."""

from heedmap.model.measures.base import HeadMeasure
from heedmap.model.trace.copying import KEYS


class Copying(HeadMeasure):
    """The output circuit of a head, W_O W_U, at the values and tokens of an input.

    Over the whole vocabulary, with the values of bare embeddings, sum_j c_j is the trace of W_E W_V W_O W_U, which is
    the sum of its eigenvalues: the paper's share sum l / sum |l| is of these, and ours of what the input has of them.
    The norms before the unembedding, and all layers after, are left out.
    """

    name = statistic = "copying"
    description = "Whether the head, wherever it looks, makes the tokens that it looks at likelier, or less."
    formula = "sum_j c_j / sum_j |c_j|, c_j = <v_j W_O, u(t_j) - mean_t u(t)>"
    source = "Elhage et al. 2021, A mathematical framework for transformer circuits: copying heads, by the trace"
    range = "-1, every token is made less likely, to 1, every one likelier"
    signed = True
    cost = f"Kept with the trace; over {KEYS} tokens of a longer input."
    where = (
        "where the layer's output projection is known, and what it adds to is read by an output embedding: not of an "
        "encoder whose decoder writes, nor of models that write no tokens"
    )
    example = "Which heads repeat what they look at, and which suppress it?"
