/** The second section: why the dot product is scaled. */

export const en = {
  lab_scale_short: "Why √d",
  lab_scale_title: "Why the dot product is divided by √d",
  lab_scale_text:
    "The product of two random vectors of d numbers has variance d, so its scores spread out as vectors get wider. A softmax of scores far apart is all but one weight, and there its slope is nearly zero: nothing is left to learn from. Divided by √d, scores keep their spread at any width.",
  lab_scale_question: "At the widest d, how much of a row does the heaviest key take, with and without √d?",
  lab_scale_answer:
    "Without √d nearly all of it: the largest of 32 scores stands about 2√d above the middle, and the softmax raises e to that. With √d the share is about what it is for the narrowest vectors. The slope tells the same: a weight near 0 or 1 hardly moves with its score.",
  lab_scale_link: "See the entropy of every head of a trained model, in the explorer",
  lab_scale_source:
    "{queries} queries and {keys} keys of standard normal numbers, seed {seed}, through this service’s operator (POST /v1/attention) with score dot and scaled_dot; entropy and slope are computed in this page from the weights it sent.",
  lab_scale_told: "At d = {d}, the mean heaviest weight is {dot} by the dot product, {scaled} by the scaled one. At d = {least}: {dotLeast} and {scaledLeast}.",
  labDraw: "Draw others",
  labEntropy: "Entropy of a row of weights, in nats",
  labSlope: "Slope of the softmax: norm of its Jacobian",
  labWidth: "width d of queries and keys",
  labDot: "dot",
  labScaledDot: "dot / √d",
  labEvenly: "even weights, ln {keys}",
};

export const zh = {
  lab_scale_short: "为何除以 √d",
  lab_scale_title: "点积为何要除以 √d",
  lab_scale_text:
    "两个 d 维随机向量的点积方差为 d，向量越宽，分数就散得越开。分数相差悬殊时，softmax 几乎只剩一个权重，其斜率接近零，也就学不到东西。除以 √d 之后，无论多宽，分数的散布都不变。",
  lab_scale_question: "在最宽的 d 处，除与不除 √d，最重的键各占一行的多少？",
  lab_scale_answer:
    "不除时几乎占满：32 个分数中最大的约比中位高出 2√d，softmax 又对它取指数。除以 √d 后，所占比例与最窄的向量相差无几。斜率也是同样的道理：接近 0 或 1 的权重几乎不随分数变动。",
  lab_scale_link: "在探索页中看训练好的模型里每个头的熵",
  lab_scale_source:
    "{queries} 个查询、{keys} 个键，均为标准正态随机数，种子 {seed}，经本服务的算子（POST /v1/attention）分别以 dot 与 scaled_dot 计算；熵与斜率由本页根据其返回的权重算出。",
  lab_scale_told: "d = {d} 时，最重权重的平均值：点积为 {dot}，缩放点积为 {scaled}。d = {least} 时为 {dotLeast} 和 {scaledLeast}。",
  labDraw: "换一组随机数",
  labEntropy: "一行权重的熵（nat）",
  labSlope: "softmax 的斜率：雅可比矩阵的范数",
  labWidth: "查询与键的宽度 d",
  labDot: "点积",
  labScaledDot: "点积 / √d",
  labEvenly: "权重均等，ln {keys}",
};
