/** The seventh section: noise and attacks. */

export const en = {
  lab_noise_short: "Noise and attacks",
  lab_noise_title: "Noise and attacks",
  lab_noise_text:
    "A mistyped word falls into other tokens, and attention has other things to look at. Swap a few letters and watch the translation and the map. Below, a job perturbs your sentence again and again: by typing errors, by random noise in the embeddings, and by a step of the same size along the gradient, which is an attack (FGSM).",
  lab_noise_question: "A nudge of the same size, once at random and once along the gradient: which harms more?",
  lab_noise_answer:
    "The one along the gradient. In hundreds of dimensions a random direction is nearly at right angles to the few that matter, so most of it is spent on nothing; the gradient points straight at them. Typing errors are no small nudge at all: they replace whole tokens.",
  lab_noise_link: "Measure the robustness of your sentence in the explorer",
  lab_noise_source:
    "Translations and maps: {model} on this service (POST /v1/traces). Curves: a job of this service (POST /v1/jobs, robustness) with {seeds} random draws of each; agreement is chrF with the translation of the sentence as it is, the map’s change the Jensen–Shannon divergence of its rows in the cross attention, in nats; bands are 95% intervals.",
  lab_noise_told: "At strength {strength} the agreement is {noise} with random noise and {fgsm} along the gradient; the cross attention moves by {noiseMoved} and {fgsmMoved} nats.",
  labSwaps: "swapped letters",
  labSwapAgain: "Swap others",
  labAsIs: "As it is: “{text}”",
  labMistyped: "“{source}” becomes “{text}”",
  labCrossMap: "Cross attention, layer {layer}, head {head}",
  labNoiseQuality: "Agreement of the translation (chrF)",
  labNoiseMoved: "Change of the cross attention, nats",
  labNoiseStrength: "strength: share of letters, or of an embedding’s length",
  labNoise_typing_errors: "typing errors",
  labNoise_fgsm: "along the gradient",
  labNoise_embedding_noise: "random noise",
};

export const zh = {
  lab_noise_short: "噪声与攻击",
  lab_noise_title: "噪声与攻击",
  lab_noise_text:
    "打错的词会被切成别的词元，注意力也就有了别的去处。互换几个字母，看译文和注意力图如何变化。下方由一个作业反复扰动您的句子：打字错误、嵌入中的随机噪声，以及沿梯度走同样大小的一步，后者即攻击（FGSM）。",
  lab_noise_question: "同样大小的一推，一次随机，一次沿梯度，哪个危害更大？",
  lab_noise_answer:
    "沿梯度的那次。在几百维空间里，随机方向与少数要紧的方向几乎垂直，大部分力气都白费了；梯度则正对着它们。打字错误根本不是小小一推：它会换掉整个词元。",
  lab_noise_link: "在探索页中测量您的句子的鲁棒性",
  lab_noise_source:
    "译文与注意力图：本服务上的 {model}（POST /v1/traces）。曲线：本服务的作业（POST /v1/jobs，robustness），每种随机抽取 {seeds} 次；一致程度为与原句译文的 chrF，注意力的变动为交叉注意力各行的 Jensen–Shannon 散度（nat）；色带为 95% 置信区间。",
  lab_noise_told: "强度为 {strength} 时，随机噪声下的一致程度为 {noise}，沿梯度为 {fgsm}；交叉注意力分别变动 {noiseMoved} 和 {fgsmMoved} nat。",
  labSwaps: "互换的字母",
  labSwapAgain: "换一处",
  labAsIs: "原句：“{text}”",
  labMistyped: "“{source}”译成“{text}”",
  labCrossMap: "交叉注意力，第 {layer} 层，第 {head} 头",
  labNoiseQuality: "译文的一致程度（chrF）",
  labNoiseMoved: "交叉注意力的变动（nat）",
  labNoiseStrength: "强度：字母的比例，或嵌入长度的比例",
  labNoise_typing_errors: "打字错误",
  labNoise_fgsm: "沿梯度",
  labNoise_embedding_noise: "随机噪声",
};
