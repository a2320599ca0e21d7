"""automatic-speech-recognition by Whisper: an encoder that hears 30 s, a decoder that is told language and task."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from torch import Tensor

from heedmap.model.contract import Axis, Parameters, Prediction, taken
from heedmap.model.errors import CheckpointError, ParameterError
from heedmap.model.hub.axes.audio import spectrogram_axis, spectrogram_seconds
from heedmap.model.hub.loaded import Loaded
from heedmap.model.hub.tasks.base import Item, collate
from heedmap.model.hub.tasks.recordings import no_language
from heedmap.model.hub.tasks.transcription import Samples, TranscriptionTask
from heedmap.model.hub.tasks.transformers_generate import end_tokens, start_tokens
from heedmap.model.watch import Stop

UNKNOWN = -1  # in the place of a language that is still to be heard


class Whisper(TranscriptionTask):
    """What Whisper's decoder writes of up to 30 s (Radford et al. 2022).

    It begins with its start token, the language (heard, unless it is named), the task and, unless seconds are asked
    for, a token that says so. With `return_timestamps` there are chunks, by the seconds that the decoder writes. One
    pass over the 30 s writes everything: a recording is not listened to again from where a chunk ended.
    """

    def __init__(self, loaded: Loaded) -> None:
        """Raises:
        CheckpointError: there is no feature extractor or no tokenizer, or the extractor is another model's.
        """
        super().__init__(loaded)
        self.longest = int(loaded.config.max_target_positions)
        self.seconds = spectrogram_seconds(loaded.config, self.extractor)
        frames = 2 * int(loaded.config.max_source_positions)
        extracted = int(self.extractor.nb_max_frames)
        if extracted != frames:
            raise CheckpointError(
                f"the feature extractor makes {extracted} frames of {self.extractor.chunk_length} s, "
                f"and the encoder hears {frames}"
            )
        settings = loaded.model.generation_config
        self.silent = getattr(settings, "no_timestamps_token_id", None)
        multilingual = getattr(settings, "is_multilingual", True) is not False
        self.languages: dict[str, int] = dict(getattr(settings, "lang_to_id", None) or {}) if multilingual else {}

    def takes(self) -> dict[str, dict[str, Any]]:
        """How to decode; the language where there are several, and seconds where it writes them."""
        parameters = super().takes()
        if self.languages:
            parameters |= taken(language=getattr(self.loaded.model.generation_config, "language", None))
            parameters["language"]["choices"] = sorted(name.strip("<|>") for name in self.languages)
        if self.silent is not None:
            parameters |= taken("return_timestamps")
            parameters["return_timestamps"]["choices"] = [False, True]
        return parameters

    def features(self, samples: Samples) -> tuple[dict[str, Tensor], Axis]:
        """The spectrogram, filled up to 30 s."""
        axis = spectrogram_axis(self.loaded.config, self.extractor, len(samples))
        extracted = self.extractor(samples, sampling_rate=self.rate, return_tensors="pt")
        return {"input_features": extracted["input_features"]}, axis

    def start(self, parameters: Parameters) -> list[int]:
        """Start token, language, task, and whether seconds are to be left out.

        Raises:
            ParameterError: there is no such language, or the model cannot tell such seconds.
        """
        if isinstance(parameters.return_timestamps, str):
            raise ParameterError(
                f"this model tells the seconds of what it writes in one go: true, not {parameters.return_timestamps!r}",
                field="parameters.return_timestamps",
            )
        settings = self.loaded.model.generation_config
        forced = dict(getattr(settings, "forced_decoder_ids", None) or [])  # what older checkpoints have: place, token
        start = start_tokens(self.loaded.model)[:1]
        if self.languages:
            tasks = getattr(settings, "task_to_id", None) or {}
            task = tasks.get(getattr(settings, "task", None) or "transcribe", forced.get(2))
            start += [self._language(parameters.language), *([] if task is None else [int(task)])]
        else:
            no_language(parameters)
            start += [int(token) for _, token in sorted(forced.items()) if token not in (None, self.silent)]
        if parameters.return_timestamps and self.silent is None:
            raise ParameterError("this model tells no seconds: leave it out", field="parameters.return_timestamps")
        return start if parameters.return_timestamps or self.silent is None else [*start, int(self.silent)]

    def predict(self, items: Sequence[Item], cancelled: Stop) -> list[Prediction]:
        """Find out the languages, then write."""
        unknown = [index for index, item in enumerate(items) if UNKNOWN in item.facts["start"]]
        spoken = dict(zip(unknown, self._spoken([items[index] for index in unknown]), strict=True))
        ready = []
        for index, item in enumerate(items):
            start = [spoken[index] if token == UNKNOWN else token for token in item.facts["start"]]
            language = next((name for name, number in self.languages.items() if number in start[1:2]), None)
            settings = {
                "return_timestamps": bool(item.request.parameters.return_timestamps),
                "force_unique_generate_call": True,  # which also returns every token that the decoder wrote
                "language": language,  # or `generate` would listen for it once more
                "eos_token_id": end_tokens(self.loaded.model)[0],  # Whisper's rules for seconds want one number
            }
            ready.append(item.with_(facts={**item.facts, "start": start, "settings": settings}))
        return super().predict(ready, cancelled)

    def marked(self, target: Axis) -> Axis:
        """Seconds are no text."""
        seconds = [self._seconds(number) is not None for number in target.ids]
        return replace(
            target,
            spans=[(0, 0) if second else span for second, span in zip(seconds, target.spans, strict=True)],
            special=[second or special for second, special in zip(seconds, target.special, strict=True)],
        )

    def chunks(self, ids: Sequence[int]) -> list[dict[str, Any]]:
        """What stands between two seconds; the end of the last is None where the decoder wrote none."""
        chunks: list[dict[str, Any]] = []
        start: float | None = None
        tokens: list[int] = []
        for number in ids:
            second = self._seconds(number)
            if second is None:
                tokens.append(number)
                continue
            if tokens:
                chunks.append({"timestamp": [start, second], "text": self._text(tokens)})
                tokens = []
            start = second
        if text := self._text(tokens):
            chunks.append({"timestamp": [start, None], "text": text})
        return chunks

    def _text(self, ids: list[int]) -> str:
        return str(self.loaded.tokenizer.decode(ids, skip_special_tokens=True)) if ids else ""

    def _seconds(self, token: int) -> float | None:
        """The moment that a token stands for, if it is of that kind."""
        if self.silent is None or token <= self.silent:
            return None
        step = self.extractor.chunk_length / self.loaded.config.max_source_positions
        return float(round((token - self.silent - 1) * step, 2))

    def _language(self, language: str | None) -> int:
        """The token of a language: by name, code or token; that of the checkpoint's own, or UNKNOWN."""
        from transformers.models.whisper.tokenization_whisper import TO_LANGUAGE_CODE

        language = language if language is not None else getattr(self.loaded.model.generation_config, "language", None)
        if language is None:
            return UNKNOWN
        code = language.lower().strip("<|>")
        token = self.languages.get(f"<|{TO_LANGUAGE_CODE.get(code, code)}|>")
        if token is None:
            names = ", ".join(sorted(name.strip("<|>") for name in self.languages))
            raise ParameterError(
                f"this model knows no language {language!r}; it knows {names}", field="parameters.language"
            )
        return int(token)

    def _spoken(self, items: Sequence[Item]) -> list[int]:
        """The languages of recordings, as the model hears them."""
        if not items:
            return []
        features = collate(items, self.loaded)["input_features"]
        return [int(token) for token in self.loaded.model.detect_language(input_features=features)]
