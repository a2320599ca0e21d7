/** What the tour says. */

export const en = {
  tourOffer: "Show me around",
  tourBegin: "Tour in four steps",
  tourBack: "Back",
  tourOn: "Next",
  tourEnd: "Done",
  tourClose: "End the tour",
  tourEnded: "The tour is over; the help has it",
  tourCount: "{at} of {of}",
  tour_sentence: "The sentence",
  tour_sentence_text:
    "What went in and what came out. Point at a word: the words that the model looked at light up. Click to keep it.",
  tour_rail: "Layers and heads",
  tour_rail_text:
    "Every head of the model, a row a layer. Each looks for something of its own: choose one with a click or the arrow keys, or sort them by what they do.",
  tour_map: "The map",
  tour_map_text:
    "One head’s attention, exact: each row is a word that looks, each column a word that it looks at. Scroll to zoom, click a cell to keep it.",
  tour_weight: "How a weight arose",
  tour_weight_text:
    "The kept cell, its row, and below, step by step, how its number came about: query times key, scale, softmax. Pin it, or export what you see.",
  keyTour: "tour of the page",
};

export const zh = {
  tourOffer: "带我看看",
  tourBegin: "四步导览",
  tourBack: "上一步",
  tourOn: "下一步",
  tourEnd: "完成",
  tourClose: "结束导览",
  tourEnded: "导览已结束；可在帮助中再次打开",
  tourCount: "第 {at} 步，共 {of} 步",
  tour_sentence: "句子",
  tour_sentence_text: "输入与输出都在这里。指向一个词，模型关注过的词就会亮起；点击即可选定。",
  tour_rail: "层与头",
  tour_rail_text: "模型的所有头，每行一层。每个头关注的东西各不相同：点击或用方向键选择，也可按其行为排序。",
  tour_map: "注意力图",
  tour_map_text: "单个头的注意力，数值精确：每行是发出关注的词，每列是被关注的词。滚动缩放，点击单元格即可选定。",
  tour_weight: "权重从何而来",
  tour_weight_text: "选定的单元格、它所在的行，下方逐步说明这个数值如何得出：查询乘键、缩放、softmax。可以钉住它，也可导出所见。",
  keyTour: "页面导览",
};
