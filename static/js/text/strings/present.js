/** What the page says about presenting. */

export const en = {
  present: "Present",
  presentEnd: "End presenting",
  keyPresent: "large type, no side columns",
};

export const zh = {
  present: "演示",
  presentEnd: "结束演示",
  keyPresent: "大字号，不显示侧栏",
};
