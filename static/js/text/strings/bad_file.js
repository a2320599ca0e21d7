/** What the page says of files that it cannot show. */

export const en = {
  badNone: "{file} is no trace: it does not begin as a trace file does. Nothing was changed.",
  badShort: "This file is cut short: {wanted} bytes should be there, and {bytes} are. Download it again.",
  badHeader: "This file's table of contents does not read. It is damaged, or no trace.",
  badForeign: "This is a safetensors file, but no trace of Heedmap.",
  badVersion: "This trace has version {version} of the format, and this page reads version {known}. A newer Heedmap opens it.",
  badDirectory: "This file is damaged: the place that it names for {tensor} cannot be right.",
  badMissing: "This trace is incomplete: {tensor} is missing.",
  badTensor: "This trace is damaged: {tensor} does not have the size or the kind of number that its layer needs.",
  badKind: "This page does not know {kind}, which {place} names. A newer Heedmap may.",
  badNumbers: "This trace holds no numbers where there should be some: {tensor} has NaN or infinity in it.",
  badSummary: "This trace is damaged: what it says of {place} cannot be right.",
  badLarge: "This trace is too large for a page: {place} has {count}, and {most} is the most.",
  badUnread: "The browser could not read {file}. It may have been moved, or be too large for a page.",
  badDrop: "{file} is no trace, and nothing here takes such a file. Traces end in .safetensors.",
};

export const zh = {
  badNone: "{file} 不是记录文件：文件开头不符合格式。页面内容保持不变。",
  badShort: "此文件不完整：应有 {wanted} 字节，实际只有 {bytes} 字节。请重新下载。",
  badHeader: "此文件的目录无法读取：文件已损坏，或不是记录文件。",
  badForeign: "这是 safetensors 文件，但不是 Heedmap 的记录。",
  badVersion: "此记录的格式版本为 {version}，本页只能读取版本 {known}，请用更新的 Heedmap 打开。",
  badDirectory: "此文件已损坏：其中为 {tensor} 标出的位置不可能正确。",
  badMissing: "此记录不完整：缺少 {tensor}。",
  badTensor: "此记录已损坏：{tensor} 的形状或数值类型与所在层不符。",
  badKind: "本页不认识 {place} 所用的 {kind}，更新的 Heedmap 或许可以打开。",
  badNumbers: "此记录含有无效数值：{tensor} 中有 NaN 或无穷大。",
  badSummary: "此记录已损坏：其中关于 {place} 的描述不可能正确。",
  badLarge: "此记录对网页来说过大：{place} 为 {count}，上限为 {most}。",
  badUnread: "浏览器无法读取 {file}：文件可能已被移动，或对网页来说过大。",
  badDrop: "{file} 不是记录文件，此处也不接受这种文件。记录文件以 .safetensors 结尾。",
};
