/** What the page says about which parts of a context an answer used. */

export const en = {
  view_sources: "Sources",
  sourcesTitle: "What of the context the answer used",
  sourcesBy: "Parts of the context",
  sources_sentences: "by sentence",
  sources_passages: "by passage",
  sourcesMethod: "Method",
  sources_gradient: "gradient × attention",
  sources_ablation: "ablation (fitted)",
  sources_attention: "attention (heads weighted)",
  sourcesMore: "Fit to {n} ablations too",
  sourcesBusy: "Looking for the sources …",
  sourcesFound: "“{answer}”: log-probability {sum} nats. {n} passes.",
  sourcesAgreement: "Agreement with ablations held out: ρ {rho}.",
  sourceScore: "score {score}",
  sourceChecked: "{before} → {after} nats without it ({by})",
};

export const zh = {
  view_sources: "来源",
  sourcesTitle: "答案用到了上下文的哪些部分",
  sourcesBy: "上下文的划分",
  sources_sentences: "按句子",
  sources_passages: "按段落",
  sourcesMethod: "方法",
  sources_gradient: "梯度 × 注意力",
  sources_ablation: "消融（拟合）",
  sources_attention: "注意力（按头加权）",
  sourcesMore: "再用 {n} 次消融拟合",
  sourcesBusy: "正在查找来源……",
  sourcesFound: "“{answer}”：对数概率 {sum} 奈特，共 {n} 次前向计算。",
  sourcesAgreement: "与留出消融的一致性：ρ {rho}。",
  sourceScore: "得分 {score}",
  sourceChecked: "去掉后 {before} → {after} 奈特（{by}）",
};
