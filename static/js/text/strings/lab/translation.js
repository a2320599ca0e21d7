/** The fifth section: translation, by the ancestor and by the Transformer. */

export const en = {
  lab_translation_short: "Translation",
  lab_translation_title: "Translation: where attention began",
  lab_translation_text:
    "Attention was first added to recurrent translators, with an additive score and one head: each new word looks back at the source instead of at one vector for all of it. The Transformer kept the look back, scored it by a scaled product, in many heads, and left the recurrence out. Both are here, on your sentence.",
  lab_translation_question: "Which of the two looks more sharply, and do they look at the same words?",
  lab_translation_answer:
    "Entropy tells how sharply: 0 nats is one word alone. The Transformer’s head on show is the one that aligns best, so it is the fair one to compare; its other heads are free for other things. Where both wrote the same word, the figure counts how often both looked at the same source word most.",
  lab_translation_link: "Compare both models on your sentence, in the explorer",
  lab_translation_source: "Translations and maps: this service (POST /v1/traces, then the map of one head). Entropy and agreement: this page, from the maps.",
  lab_translation_told: "Mean entropy: {a} nats ({first}), {b} nats ({second}). Words that both wrote: {n}; looking at the same source word most: {same}.",
  labTranslates: "{model}: “{text}”",
  labTranslator_additive: "recurrent, additive score, one head",
  labTranslator_scaled: "Transformer, scaled dot product, layer {layer}, head {head}",
  labWeights: "weights",
  labMeanEntropy: "mean entropy of a row, nats",
  labMeanMost: "mean largest weight",
  labScoreWritten: "log-probability of its translation",
  labBoth: "Both translators in numbers",
  labModel: "model",
  labDistanceText:
    "Distance: the sentence is put behind more and more others (“{filler}”), and each model scores the translation that it gave the sentence alone, at that place, far from the beginning. Both were trained on short sentences.",
  labDistanceTitle: "Mean log-probability of a token of its own translation, nats",
  labDistanceX: "sentences before it",
};

export const zh = {
  lab_translation_short: "翻译",
  lab_translation_title: "翻译：注意力的起点",
  lab_translation_text:
    "注意力最早加在循环翻译模型上，用加性分数、单个头：每写一个新词都回看原文，而不是只靠一个概括全文的向量。Transformer 保留了回看，改用缩放点积打分、分成多个头，并去掉了循环。两者都在这里，翻译您的句子。",
  lab_translation_question: "两者谁看得更集中？看的是同样的词吗？",
  lab_translation_answer:
    "熵说明集中的程度：0 nat 表示只看一个词。Transformer 展示的是对齐最好的头，拿它比较才公平；其余的头可以去做别的事。对于两者都写出的词，图中统计它们有多少次最关注同一个原文词。",
  lab_translation_link: "在探索页中对比两个模型对这句话的注意力",
  lab_translation_source: "译文与注意力图：本服务（POST /v1/traces，再取一个头的图）。熵与一致程度：本页根据图算出。",
  lab_translation_told: "平均熵：{first} 为 {a} nat，{second} 为 {b} nat。两者都写出的 {n} 个词中，有 {same} 个出自同一个原文词。",
  labTranslates: "{model}：“{text}”",
  labTranslator_additive: "循环网络，加性分数，单头",
  labTranslator_scaled: "Transformer，缩放点积，第 {layer} 层，第 {head} 头",
  labWeights: "参数量",
  labMeanEntropy: "每行平均熵（nat）",
  labMeanMost: "最大权重平均值",
  labScoreWritten: "译文的对数概率",
  labBoth: "两个翻译模型的数字",
  labModel: "模型",
  labDistanceText:
    "距离：在这句话前面放上越来越多的其他句子（“{filler}”），让每个模型为它单独翻译这句话时的译文打分，此时译文已远离开头。两个模型都只用短句训练过。",
  labDistanceTitle: "自身译文每个词元的平均对数概率（nat）",
  labDistanceX: "前面的句子数",
};
