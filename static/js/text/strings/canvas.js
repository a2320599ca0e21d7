/** What the page says of a small map to those who do not see it, and of thumbnails that show a part. */

export const en = {
  cellSaid: "{query} looks at {key}: {weight}, {rank}",
  cellHidden: "{query} could not look at {key}: masked",
  mapTable: "The map as a table: each row is a query, each column a key",
  mapTableStrongest: "The map as a table: each row is a query, with the keys that it looks at most",
  mapTableMasked: "masked",
  mapTableRank: "no. {rank}",
  nearOnly: "the last {n} tokens alone, since it looks at what is near",
};

export const zh = {
  cellSaid: "{query} 关注 {key}：{weight}，{rank}",
  cellHidden: "{query} 无法关注 {key}：已遮蔽",
  mapTable: "注意力图的表格：每行是一个查询，每列是一个键",
  mapTableStrongest: "注意力图的表格：每行是一个查询，列出它最关注的键",
  mapTableMasked: "已遮蔽",
  mapTableRank: "第 {rank}",
  nearOnly: "只显示最后 {n} 个词元，因为它只关注附近",
};
