"""The registry of tasks: a new one is one file and one line here."""

from heedmap.model.hub.tasks.base import Task
from heedmap.model.hub.tasks.feature_extraction import FeatureExtraction, SentenceSimilarity
from heedmap.model.hub.tasks.fill_mask import FillMask
from heedmap.model.hub.tasks.image_classification import ImageClassification
from heedmap.model.hub.tasks.image_text_to_text import ImageTextToText
from heedmap.model.hub.tasks.image_to_text import ImageToText
from heedmap.model.hub.tasks.question_answering import QuestionAnswering
from heedmap.model.hub.tasks.speech_recognition import SpeechRecognition
from heedmap.model.hub.tasks.text_classification import TextClassification
from heedmap.model.hub.tasks.text_generation import TextGeneration
from heedmap.model.hub.tasks.token_classification import TokenClassification
from heedmap.model.hub.tasks.translation import Summarization, TextToText, Translation
from heedmap.model.hub.tasks.zero_shot_image_classification import ZeroShotImageClassification

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
