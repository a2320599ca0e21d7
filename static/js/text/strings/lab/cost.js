/** The sixth section: cost against length. */

export const en = {
  lab_cost_short: "Cost",
  lab_cost_title: "What length costs",
  lab_cost_text:
    "Every query meets every key, so the work grows with the square of the length. The map does too, and it is what fills the memory; a fused kernel never writes it down, but keeps one number a row, the logarithm of the softmax’s sum. With that, any part of the map can be made again later, exactly.",
  lab_cost_question: "Twice the length: how many times the seconds, how many times the bytes?",
  lab_cost_answer:
    "The map’s bytes are four times as many, those of queries, keys and one sum a row twice as many. The time of an answer with the map follows the map; without it, it follows the request’s own length until the products of all pairs outweigh everything else. The factors of the last doubling are measured below.",
  lab_cost_link: "Look at a map in parts, as the explorer does for long texts",
  lab_cost_source:
    "Time from sending a request to its last byte, median of {times}, measured from this browser on {when}; queries and keys of {width} random numbers through POST /v1/attention (kernel {kernel}, on the service’s processor), once with return_weights and once without. Traces: {model} on {device} (POST /v1/traces), your sentence repeated; their bytes are the service’s, the maps’ bytes computed here from the shapes: layers × heads × queries × keys × 4.",
  lab_cost_told: "From {half} to {length}: time ×{time} with the map, ×{bare} without; bytes of the answer ×{bytes} with the map, ×{bareBytes} without. At {tokens} tokens a trace has {trace}, its maps would have {maps}.",
  labCostTime: "Seconds to an answer",
  labCostBytes: "Bytes of the answer",
  labCostTrace: "Bytes of a trace and of its maps",
  labCostWith: "with the map",
  labCostWithout: "without: output and one sum a row",
  labCostLength: "queries, and as many keys",
  labCostTokens: "tokens of the sentence",
  labCostKept: "trace: Q, K, V and one sum a row",
  labCostMaps: "all maps, written down",
};

export const zh = {
  lab_cost_short: "代价",
  lab_cost_title: "长度的代价",
  lab_cost_text:
    "每个查询都要遇到每个键，所以计算量随长度的平方增长。注意力图也是如此，占满内存的正是它；融合算子从不把它写下来，每行只留一个数：softmax 分母的对数。凭这个数，日后可以精确地重算图的任何一部分。",
  lab_cost_question: "长度加倍，时间变为几倍？字节数变为几倍？",
  lab_cost_answer:
    "图的字节数变为四倍，而查询、键与每行一个数只变为两倍。带图的回答，时间随图增长；不带图时，先随请求本身的长度增长，直到所有配对的乘积超过其他开销。最后一次加倍的倍数是实测的，见下。",
  lab_cost_link: "在探索页中分块查看注意力图，长文本即如此处理",
  lab_cost_source:
    "时间从发出请求算到收到最后一个字节，取 {times} 次的中位数，由本浏览器于 {when} 测得；查询与键各含 {width} 个随机数，经 POST /v1/attention（内核 {kernel}，在服务器的处理器上）计算，分别带与不带 return_weights。推理记录：{model} 在 {device} 上（POST /v1/traces），输入为重复多遍的您的句子；其字节数由服务给出，图的字节数由本页按形状算出：层 × 头 × 查询 × 键 × 4。",
  lab_cost_told: "从 {half} 到 {length}：带图时间变为 {time} 倍，不带图 {bare} 倍；回答的字节数带图变为 {bytes} 倍，不带图 {bareBytes} 倍。{tokens} 个词元时，推理记录为 {trace}，其注意力图若全部写下则为 {maps}。",
  labCostTime: "得到回答的秒数",
  labCostBytes: "回答的字节数",
  labCostTrace: "推理记录与其注意力图的字节数",
  labCostWith: "带图",
  labCostWithout: "不带图：输出与每行一个数",
  labCostLength: "查询数（键数相同）",
  labCostTokens: "句子的词元数",
  labCostKept: "推理记录：Q、K、V 与每行一个数",
  labCostMaps: "全部写下的注意力图",
};
