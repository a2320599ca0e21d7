/** The fourth section: masks and positions. */

export const en = {
  lab_masks_short: "Masks and positions",
  lab_masks_title: "Masks, and why words need positions",
  lab_masks_text:
    "A mask forbids keys: a writer must not see the words to come, and a window keeps long texts cheap. What is left still sums to one. Order, though, is nothing that a weighted sum knows: shuffle the keys and the weights are shuffled with them. A model that is to tell order must be given positions; both usual ways make a score depend on the distance alone.",
  lab_masks_question: "Shuffle your sentence. Do the weights only move along with the words?",
  lab_masks_answer:
    "In the bare operator they do, up to rounding: it has no positions. In the translator’s encoder they do not: the same two words give each other other weights once they stand elsewhere. The share of weight that lies elsewhere is shown for both; 0 would be a weight that only moved along.",
  lab_masks_link: "See this head on your sentence, in the explorer",
  lab_masks_source:
    "Masks: {n} random queries and keys through this service’s operator (POST /v1/attention, mask). Positions: {model} on your sentence and on its words in another order (POST /v1/traces), compared in this page word pair by word pair; total variation, mean over rows. Scores by distance: read off the operator’s weights, as ln w + log-sum-exp.",
  lab_masks_told: "Weight that lies elsewhere after shuffling: {operator} in the operator, {model} in {name}’s encoder (layer {layer}, head {head}), {all} in the mean of all its heads.",
  labMask: "Mask",
  labMask_none: "none",
  labMask_causal: "causal",
  labMask_window: "window",
  labWindow: "window size",
  labMaskMap: "The same queries and keys under the mask: {mask}",
  labMaskFacts: "Keys seen by row 0 and by the last row: {first}, {last}. Largest error of a row’s sum: {error}. Mean entropy: {entropy} nats.",
  labOrder: "{model}, encoder, layer {layer}, head {head} (of its layer the one that moves most), as you wrote it",
  labShuffled: "The same words shuffled, put back into your order",
  labShuffle: "Shuffle again",
  labShuffledText: "Shuffled: “{text}”",
  labPositions_added: "Score of two places by vectors of sines; both lines differ by {apart} at most",
  labPositions_rotary: "Score of one vector with itself, each turned by its place (rotary); they differ by {apart} at most",
  labFrom: "from place {from}",
  labDistance: "distance of the key",
  labLayer: "layer",
  labNoShuffle: "The tokens of the shuffled sentence are not those of yours, so its maps cannot be compared; take a sentence of more or other words.",
};

export const zh = {
  lab_masks_short: "掩码与位置",
  lab_masks_title: "掩码，以及词为何需要位置",
  lab_masks_text:
    "掩码禁止看某些键：写作时不能看到后面的词，窗口则让长文本不致太贵。余下的权重总和仍为一。至于词序，加权求和一无所知：把键打乱，权重只是随之换位。要让模型分辨顺序，就得给它位置；两种常用做法都使分数只取决于距离。",
  lab_masks_question: "打乱您的句子，权重是否只是跟着词移动？",
  lab_masks_answer:
    "在裸算子中确实如此，只差舍入误差：它没有位置。在翻译模型的编码器中则不然：同样两个词换了地方，彼此的权重也变了。图中给出两者各有多少权重落到了别处；0 表示权重只是跟着移动。",
  lab_masks_link: "在探索页中看这个头在您的句子上的注意力",
  lab_masks_source:
    "掩码：{n} 个随机查询与键经本服务的算子（POST /v1/attention，mask）。位置：{model} 分别处理您的句子与打乱词序的句子（POST /v1/traces），由本页逐对比较；总变差，对各行取平均。按距离的分数：由算子的权重得出，即 ln w 加 log-sum-exp。",
  lab_masks_told: "打乱之后落到别处的权重：算子中为 {operator}，{name} 的编码器（第 {layer} 层第 {head} 头）中为 {model}，其全部头平均为 {all}。",
  labMask: "掩码",
  labMask_none: "无",
  labMask_causal: "因果",
  labMask_window: "窗口",
  labWindow: "窗口大小",
  labMaskMap: "同样的查询与键，掩码：{mask}",
  labMaskFacts: "第 0 行与最后一行可见的键：{first}、{last}。行和的最大误差：{error}。平均熵：{entropy} nat。",
  labOrder: "{model}，编码器，第 {layer} 层，第 {head} 头（本层变动最大），按您的词序",
  labShuffled: "打乱词序后的结果，再放回您的词序",
  labShuffle: "再次打乱",
  labShuffledText: "打乱后：“{text}”",
  labPositions_added: "两个位置的正弦向量之间的分数；两条线最多相差 {apart}",
  labPositions_rotary: "同一向量按各自位置旋转后的分数（旋转编码）；两条线最多相差 {apart}",
  labFrom: "从位置 {from} 看",
  labDistance: "与键的距离",
  labLayer: "层",
  labNoShuffle: "打乱后的句子与原句的词元不同，无法比较；请换一句词更多或不同的话。",
};
