/** The eighth section: is a weight an explanation? */

export const en = {
  lab_why_short: "Is it an explanation?",
  lab_why_title: "Is a weight an explanation?",
  lab_why_text:
    "A large weight says where a head took its values from, not that the answer depended on it: the value may be small, other heads may know the same, later layers may ignore it. What an edge is worth can be measured instead: hide that key from that query, share its weight among the others, and see what becomes of the translation’s probability.",
  lab_why_question: "Do the largest weights have the largest effects?",
  lab_why_answer:
    "By and large in the cross attention of a translator, and by no means edge by edge: points far to the right and near the bottom are weights that look important and are not. Rank correlation tells how well the order is kept; the estimate from gradients, which is free once a trace is there, is shown beside it.",
  lab_why_link: "Measure the faithfulness of attention on your sentence, in the explorer",
  lab_why_source:
    "{model} on your sentence: {n} edges of layer {layer}, {heads}, each hidden by itself (POST /v1/traces/…/effects, measured); weights from the trace’s map. Correlations: this page.",
  lab_why_told: "Of the {n} edges, weight and size of the effect correlate by {pearson} (Pearson), {spearman} (Spearman); estimated and measured effect by {estimate} (Pearson). The heaviest edge whose effect is under a tenth of the largest: {edge}, weight {weight}, effect {effect} nats.",
  lab_why_none: "none",
  labWhyHeads_all: "all heads at once",
  labWhyHeads_sharpest: "its sharpest head",
  labWhyHeadsOf_all: "hidden in all its heads",
  labWhyHeadsOf_sharpest: "hidden in head {head}",
  labWhichHeads: "Which heads",
  labLayerName: "layer {layer}",
  labWhyTitle: "Weight of an edge, and what hiding it does",
  labWhyX: "weight",
  labWhyY: "size of the effect, nats",
  labWhyPoint: "{query} → {key}: weight {weight}, effect {effect} nats",
  labWhyHover: "Point at a dot.",
  labWhyTable: "The ten edges with the largest effects",
  labEdge: "edge",
  labEffect: "effect, nats",
};

export const zh = {
  lab_why_short: "权重算解释吗",
  lab_why_title: "权重能算作解释吗？",
  lab_why_text:
    "权重大，只说明某个头从哪里取了值，并不说明结果依赖于它：值可能很小，别的头可能知道同样的信息，后面的层也可能不予理会。一条边的价值可以另行测量：对该查询隐藏该键，把它的权重分给其余的键，看译文的概率如何变化。",
  lab_why_question: "最大的权重是否就有最大的效应？",
  lab_why_answer:
    "在翻译模型的交叉注意力中大体如此，但绝非条条如此：靠右而贴底的点，就是看似重要、实则无关的权重。秩相关说明次序保持得如何；旁边还给出由梯度得到的估计，有了推理记录，它不费分文。",
  lab_why_link: "在探索页中测量注意力对您的句子的忠实度",
  lab_why_source: "{model} 处理您的句子：第 {layer} 层的 {n} 条边，{heads}，逐条单独隐藏（POST /v1/traces/…/effects，实测）；权重取自推理记录的注意力图。相关系数由本页算出。",
  lab_why_told: "在 {n} 条边中，权重与效应大小的相关为 {pearson}（Pearson）、{spearman}（Spearman）；估计与实测效应的相关为 {estimate}（Pearson）。效应不足最大值十分之一的边里，权重最大的是：{edge}，权重 {weight}，效应 {effect} nat。",
  lab_why_none: "无",
  labWhyHeads_all: "所有头一起",
  labWhyHeads_sharpest: "最集中的头",
  labWhyHeadsOf_all: "在其所有头中隐藏",
  labWhyHeadsOf_sharpest: "在第 {head} 头中隐藏",
  labWhichHeads: "哪些头",
  labLayerName: "第 {layer} 层",
  labWhyTitle: "一条边的权重，以及隐藏它的效应",
  labWhyX: "权重",
  labWhyY: "效应大小（nat）",
  labWhyPoint: "{query} → {key}：权重 {weight}，效应 {effect} nat",
  labWhyHover: "指向一个点。",
  labWhyTable: "效应最大的十条边",
  labEdge: "边",
  labEffect: "效应（nat）",
};
