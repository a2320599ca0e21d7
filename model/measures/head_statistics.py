"""The measures of heads that a pass over the rows of a map takes together: `AttentionMap.statistics`."""

from heedmap.model.measures.base import HeadMeasure

COST = "One pass over the map for all of them; over 1,024 rows of a longer one."


class Entropy(HeadMeasure):
    """How many keys a row looks at."""

    name = statistic = "entropy"
    description = "Shannon entropy of a row's weights: whether the head looks at one key or at many."
    formula = "-sum_j A_ij log A_ij, mean over i"
    source = "Clark et al. 2019, What does BERT look at?"
    range = "0, one key, to log K, all alike; nats"
    cost = COST
    example = "Which heads are sharp?"


class Distance(HeadMeasure):
    """How far a row looks."""

    name = statistic = "distance"
    description = "Positions between the query and the keys that it looks at."
    formula = "sum_j A_ij |i - j|, mean over i"
    source = "Vig and Belinkov 2019, Analyzing the structure of attention in a Transformer language model"
    range = "0 to K, in positions"
    cost = COST
    example = "Which heads look at neighbours, and which far away?"


class SinkMass(HeadMeasure):
    """What rests on the first key."""

    name, statistic = "sink-mass", "sink"
    description = "The weight on key 0, where heads rest that have nothing to say."
    formula = "A_i0, mean over i"
    source = "Xiao et al. 2024, Efficient streaming language models with attention sinks"
    range = "0 to 1"
    cost = COST
    example = "Is this head idle here?"


class Diagonality(HeadMeasure):
    """How much a row looks at its own place."""

    name, statistic = "diagonality", "diagonal"
    description = "The weight on the key at the query's own relative place."
    formula = "A_ij with j = floor(i K / Q), mean over i"
    source = "Clark et al. 2019, What does BERT look at?, for square maps"
    range = "0 to 1"
    cost = COST
    example = "Which heads look at the token itself, or at its place in the other sentence?"


class Largest(HeadMeasure):
    """The largest weight of a row."""

    name = statistic = "max"
    description = "The largest weight of a row: the head's confidence."
    formula = "max_j A_ij, mean over i"
    source = "Voita et al. 2019, Analyzing multi-head self-attention"
    range = "0 to 1"
    cost = COST
    example = "Which heads decide?"


STATISTICS = tuple(each.statistic for each in (Entropy, Distance, SinkMass, Diagonality, Largest))
