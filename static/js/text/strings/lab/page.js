/** What the lab says outside its sections. */

export const en = {
  labPage: "Heedmap lab: attention, section by section",
  labSkip: "Skip to the essay",
  labContents: "Sections",
  labExplorer: "Explorer",
  labExplorerTitle: "To the explorer",
  labLead: "Attention is a weighted sum whose weights are found by comparing.",
  labAbout:
    "Short sections say what follows from that, each on a figure that you can change. Every number is measured when you see it, on this service’s own operator and models, or computed in the page by the formula above it; each figure says which.",
  labFormula: "Formula",
  labChart: "{title}: {names}; the table that follows has the numbers",
  labAgain: "Try again",
  labShow: "Show it in the figure",
  labRun: "Measure",
  labRunAgain: "Measure again",
  labProgress: "{done} of {of}",
  labSentence: "Your sentence",
  labUse: "Use it",
  labNoTranslator: "This service serves no Transformer that translates, so this figure has nothing to be measured on.",
  labNoModel: "This service does not serve {model}. Start it with --model {model}=model/weights/{model} as well.",
  labEmpty: "Write a sentence first.",
};

export const zh = {
  labPage: "Heedmap 实验室：逐节看懂注意力",
  labSkip: "跳到正文",
  labContents: "目录",
  labExplorer: "探索页",
  labExplorerTitle: "前往探索页",
  labLead: "注意力是加权求和，而权重由比较得来。",
  labAbout:
    "下面各小节逐一说明由此引出的道理，每节配一幅可以亲手改动的图。每个数字都是您看到它时才测得的：或由本服务自己的算子和模型测出，或由页面按上方公式当场算出，图下均有注明。",
  labFormula: "公式",
  labChart: "{title}：{names}；数值见随后的表格",
  labAgain: "重试",
  labShow: "在图中演示",
  labRun: "测量",
  labRunAgain: "重新测量",
  labProgress: "{done} / {of}",
  labSentence: "您的句子",
  labUse: "使用",
  labNoTranslator: "本服务没有可用的 Transformer 翻译模型，这幅图无从测量。",
  labNoModel: "本服务未加载 {model}。启动时请加上 --model {model}=model/weights/{model}。",
  labEmpty: "请先写一句话。",
};
