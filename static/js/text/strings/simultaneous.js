/** What the page says while it translates what is being typed. */

export const en = {
  live: "Live",
  keyLive: "translate while you type",
  liveTitle: "Translated while you type",
  liveFrames: "last words not trusted",
  liveFramesTitle: "AlignAtt’s f: a word is committed when it looks at a source word before the last so many",
  liveBegin: "Type a sentence: each word is translated as soon as it is sure to stay.",
  liveMore: "All that is written stays. It waits for the next word.",
  liveEnd: "The sentence would end here; it waits for yours to end.",
  liveFinished: "The sentence is complete, and so is its translation.",
  live_seen: "“{word}” stays: it looks at “{source}” ({weight}), which is none of the last words ({f}).",
  live_late: "“{word}” waits: it looks at “{source}” ({weight}), one of the last words ({f}).",
  live_past: "“{word}” waits: it looks past the words so far ({weight}).",
  live_end: "“{word}” waits: the sentence would end with it, and yours goes on.",
  live_word: "“{word}” waits: the word is not whole yet.",
  live_complete: "“{word}” stays: the sentence is complete. It looks at “{source}” ({weight}).",
};

export const zh = {
  live: "同传",
  keyLive: "边输入边翻译",
  liveTitle: "边输入边翻译",
  liveFrames: "暂不采信的末尾词数",
  liveFramesTitle: "AlignAtt 的 f：译词关注的原文词不在末尾这几个词之内时，才会确定下来",
  liveBegin: "请输入一个句子：译文中的词一旦确定就会立即给出。",
  liveMore: "已写出的译文都已确定，正在等待下一个词。",
  liveEnd: "译文到此本可结束，正在等待原句结束。",
  liveFinished: "原句已完整，译文也已完成。",
  live_seen: "“{word}”已确定：它关注“{source}”（{weight}），不在末尾 {f} 个词之内。",
  live_late: "“{word}”待定：它关注“{source}”（{weight}），属于末尾 {f} 个词。",
  live_past: "“{word}”待定：它关注的位置在现有词语之后（{weight}）。",
  live_end: "“{word}”待定：译文会以它结束，而原句尚未结束。",
  live_word: "“{word}”待定：这个词还不完整。",
  live_complete: "“{word}”已确定：原句已完整。它关注“{source}”（{weight}）。",
};
