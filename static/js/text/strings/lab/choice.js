/** Which score to choose: three tiny models, trained in the page. */

export const en = {
  lab_choice_short: "Which score",
  lab_choice_title: "Which score to choose",
  lab_choice_text:
    "Scores can be tried. Three heads of almost equal size get the same task from the same draws: find, among sixteen keys, the one that the query was made of by a hidden linear map and some noise. They differ in nothing but the score. Train them here, and change the width of their projections.",
  lab_choice_question: "Which of the three is quick, which finds most, and why not the same one?",
  lab_choice_answer:
    "The products are quick to their best, but a product cannot discount length: a key that is merely long scores high with many queries that are not its own. The additive score is a small network over both sides; it begins slowly, learns to discount length, and pays a tanh for each component of each pair, where a product is one matrix multiplication. And the plain product starts the further off the wider it is.",
  lab_choice_link: "See a model that was trained with the additive score, in the explorer",
  lab_choice_source:
    "Everything here is computed in this page, at your computer: {steps} steps of Adam on {batch} examples each, seed {seed}; the loss is −ln of the weight on the right key, over {held} examples that are never trained on. The service is not asked.",
  lab_choice_told: "After {steps} steps with projections of {hidden} numbers, right keys found: {list}. Loss at the start: {start}.",
  lab_choice_one: "{score} {value}",
  labHidden: "width of the projections",
  labLoss: "Loss on examples that are not trained on, nats",
  labSteps: "steps",
  labChoiceTable: "After training",
  labFound: "right key found",
  labSeconds: "seconds",
  labLossColumn: "loss, nats",
};

export const zh = {
  lab_choice_short: "选哪种分数",
  lab_choice_title: "该选哪种分数",
  lab_choice_text:
    "分数的好坏可以试出来。三个大小几乎相同的头面对同样的任务和同样的随机数据：查询由某个键经一个隐藏的线性映射加噪声而来，要在十六个键中找出它。三者只有分数不同。就在这里训练它们，并可改变投影的宽度。",
  lab_choice_question: "三者中谁快，谁找对得最多，为何不是同一个？",
  lab_choice_answer:
    "点积很快达到自己的最好水平，但它无法剔除长度的影响：一个键只要够长，就会在许多不属于它的查询上得高分。加性分数是作用于两边的小网络，起步慢，却能学会剔除长度；代价是每一对的每个分量都要算一次 tanh，而点积只是一次矩阵乘法。此外，不缩放的点积越宽，起点越差。",
  lab_choice_link: "在探索页中看一个用加性分数训练的模型",
  lab_choice_source:
    "此处的一切都在本页、在您的电脑上算出：Adam 训练 {steps} 步，每步 {batch} 个样例，种子 {seed}；损失为正确键所得权重的 −ln，取自 {held} 个从不参与训练的样例。不询问服务。",
  lab_choice_told: "投影宽 {hidden} 时，训练 {steps} 步后找对的比例：{list}。起始损失：{start}。",
  lab_choice_one: "{score} {value}",
  labHidden: "投影的宽度",
  labLoss: "未参与训练的样例上的损失（nat）",
  labSteps: "步数",
  labChoiceTable: "训练之后",
  labFound: "找对的比例",
  labSeconds: "秒",
  labLossColumn: "损失（nat）",
};
