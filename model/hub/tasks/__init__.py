"""The registry of tasks: a new one is one file and one line here."""

from model.hub.tasks.answering import QuestionAnswering
from model.hub.tasks.base import Task
from model.hub.tasks.captioning import ImageToText
from model.hub.tasks.classification import TextClassification
from model.hub.tasks.embedding import FeatureExtraction, SentenceSimilarity
from model.hub.tasks.fill_mask import FillMask
from model.hub.tasks.generation import TextGeneration
from model.hub.tasks.image_classification import ImageClassification
from model.hub.tasks.speech import SpeechRecognition
from model.hub.tasks.tokens import TokenClassification
from model.hub.tasks.translation import Summarization, TextToText, Translation
from model.hub.tasks.vision_language import ImageTextToText
from model.hub.tasks.zero_shot import ZeroShotImageClassification

TASKS: dict[str, type[Task]] = {
    task.name: task
    for task in (
        Translation,
        Summarization,
        TextToText,
        TextGeneration,
        FillMask,
        TextClassification,
        TokenClassification,
        QuestionAnswering,
        FeatureExtraction,
        SentenceSimilarity,
        ImageClassification,
        ZeroShotImageClassification,
        ImageToText,
        ImageTextToText,
        SpeechRecognition,
    )
}
