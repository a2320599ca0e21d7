/** The third section: many heads. */

export const en = {
  lab_heads_short: "Many heads",
  lab_heads_title: "Many heads, and what each is worth",
  lab_heads_text:
    "A layer compares in several subspaces at once: each head projects queries, keys and values by matrices of its own, and the outputs are joined. Heads of a trained model look for different things. What one is worth can be measured: silence it, leave all else as it is, and see how much probability the model’s own translation loses.",
  lab_heads_question: "How many heads does this translation hardly miss, and could they all be silenced at once?",
  lab_heads_answer:
    "Most heads are missed by little when they are silenced alone, since others know the same. Together they are no longer idle: the figure silences at once every head that costs less than 0.1 nats alone, and measures the same translation again. What each is worth alone does not add up.",
  lab_heads_link: "Silence this head in the explorer",
  lab_heads_source:
    "{model} on your sentence (POST /v1/traces), {n} passes with one head silenced each (POST /v1/traces/…/effects, measured). Under each map: log-probability of “{text}” that is lost without the head, in nats; below zero the model is surer without it.",
  lab_heads_told: "{n} of {of} heads cost less than {least} nats alone, {sum} nats in sum. All {n} silenced at once, the same translation loses {together} nats.",
  labHeadsCount: "heads",
  labHead: "{site}, layer {layer}, head {head}",
  labHeadWorth: "{head}: {worth} nats",
  labWithout: "Without it the model writes: “{text}” (worth {worth} nats)",
  labWriting: "Asking the model without it …",
  labSite: "Site",
  labPoint: "Point at a cell.",
  labCell: "{query} looks at {key}: {weight}",
  labMasked: "{query} cannot see {key}",
  labMatrix: "{title}. Strongest: {cell}",
};

export const zh = {
  lab_heads_short: "多头",
  lab_heads_title: "多头注意力，以及每个头的价值",
  lab_heads_text:
    "同一层会同时在多个子空间里比较：每个头用自己的矩阵投影查询、键和值，各头的输出再拼接起来。训练好的模型里，不同的头各有所求。一个头的价值可以测出来：让它静默，其余不变，看模型自己的译文损失多少概率。",
  lab_heads_question: "这句译文几乎用不到的头有多少？能否把它们同时静默？",
  lab_heads_answer:
    "单独静默时，大多数头的缺席影响甚微，因为别的头也掌握同样的信息。一起静默则不然：图中会把单独损失不到 0.1 nat 的头全部静默，再测同一句译文。各头单独的价值并不能简单相加。",
  lab_heads_link: "在探索页中静默这个头",
  lab_heads_source:
    "{model} 翻译您的句子（POST /v1/traces），另做 {n} 次前向计算，每次静默一个头（POST /v1/traces/…/effects，实测）。每幅小图下方是没有该头时“{text}”损失的对数概率（nat）；负值表示没有它模型反而更确信。",
  lab_heads_told: "{of} 个头中有 {n} 个单独损失不到 {least} nat，合计 {sum} nat。将这 {n} 个同时静默，同一译文损失 {together} nat。",
  labHeadsCount: "头",
  labHead: "{site}，第 {layer} 层，第 {head} 头",
  labHeadWorth: "{head}：{worth} nat",
  labWithout: "没有它，模型写出：“{text}”（价值 {worth} nat）",
  labWriting: "正在让模型不用它翻译……",
  labSite: "位置",
  labPoint: "指向一个单元格。",
  labCell: "{query} 关注 {key}：{weight}",
  labMasked: "{query} 看不到 {key}",
  labMatrix: "{title}。最强：{cell}",
};
