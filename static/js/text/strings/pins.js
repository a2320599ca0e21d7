/** What the page says about pinned cells. */

export const en = {
  pins: "Pins",
  pinNote: "Note on this cell",
  pinAdd: "Pin",
  pinChange: "Change",
  pinned: "Cell pinned",
  pinChanged: "Note changed",
  pinRemoved: "Pin removed",
  pinRemove: "Remove pin {number}",
  pinPlace: "{site} · layer {layer} · head {head}",
  pinsMost: "There are {n} pins; remove one first",
  pinsLong: "Pinned; the link has no room for all pins, the exported page has",
  keyNote: "pin the cell, with a note",
};

export const zh = {
  pins: "图钉",
  pinNote: "为此单元格写备注",
  pinAdd: "钉住",
  pinChange: "修改",
  pinned: "已钉住单元格",
  pinChanged: "备注已修改",
  pinRemoved: "图钉已移除",
  pinRemove: "移除图钉 {number}",
  pinPlace: "{site} · 层 {layer} · 头 {head}",
  pinsMost: "已有 {n} 个图钉；请先移除一个",
  pinsLong: "已钉住；链接容不下全部图钉，导出的页面可以",
  keyNote: "钉住单元格并写备注",
};
