"""An encoder-decoder that reads no words: patches of a picture, or frames of a recording.

The stacks are `EncoderDecoder`'s. What the encoder reads is projected instead of looked up: a picture's patches as in
Dosovitskiy et al. 2021, with positions of rows and columns; frames of a spectrogram through two small convolutions, as
in Radford et al. 2023.
"""

from typing import Annotated, Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from pydantic import BaseModel, ConfigDict, Field, PositiveInt
from torch import Tensor, nn

from heedmap.model.attention.editor import Editor
from heedmap.model.attention.multihead import AttentionRecorder
from heedmap.model.attention.positions import sinusoidal
from heedmap.model.native.dropout import dropout
from heedmap.model.native.transformer import EncoderDecoder, StacksConfig
from heedmap.model.shapes import Hidden, Lengths, Memory

CHANNELS = 3  # red, green, blue


class PatchInput(BaseModel):
    """A square picture in square patches, row by row: features are a patch's pixels, from -1 to 1."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["patches"] = "patches"
    side: PositiveInt = 96  # pixels of the picture
    patch: PositiveInt = 8  # pixels of a patch

    @property
    def size(self) -> int:
        """The features of a patch."""
        return CHANNELS * self.patch**2

    @property
    def grid(self) -> int:
        """Patches in a row, and rows."""
        return self.side // self.patch


class FrameInput(BaseModel):
    """Frames of a recording, one after the other: features are the logarithms of their mel bands."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["frames"] = "frames"
    bands: PositiveInt = 80
    longest: PositiveInt = 3000  # frames
    stride: Literal[1, 2, 4] = 4  # frames to a place of the encoder

    @property
    def size(self) -> int:
        """The features of a frame."""
        return self.bands


class FeatureTransformerConfig(StacksConfig):
    """The shape of an encoder-decoder that reads features; `languages` are what it writes, each opened by its token."""

    architecture: Literal["feature-transformer"] = "feature-transformer"
    task: Literal["image-to-text", "automatic-speech-recognition"]
    input: Annotated[PatchInput | FrameInput, Field(discriminator="kind")]
    languages: tuple[str, ...] = Field(("en",), min_length=1)


class Patches(nn.Module):
    """Patches (B K E) to what the encoder reads (B K M): half of a position tells the row, half the column."""

    def __init__(self, config: PatchInput, width: int) -> None:
        super().__init__()
        self.up, self.down = nn.Linear(config.size, width), nn.Linear(width, width)
        along = sinusoidal(torch.arange(config.grid), width // 2)  # N M/2
        rows, columns = (along.repeat_interleave(config.grid, 0), along.repeat(config.grid, 1))
        self.register_buffer("positions", torch.cat([rows, columns], dim=1), persistent=False)
        self.positions: Tensor

    def places(self, lengths: Lengths) -> Lengths:
        """A patch is a place."""
        return lengths

    def forward(self, features: Float[Tensor, "B K E"], _lengths: Lengths) -> Hidden:
        hidden: Tensor = self.down(F.gelu(self.up(features)))
        return hidden + self.positions


class Frames(nn.Module):
    """Frames (B T E) to what the encoder reads (B K M): two convolutions, K = T / stride, rounded up."""

    def __init__(self, config: FrameInput, width: int) -> None:
        super().__init__()
        first, second = {1: (1, 1), 2: (1, 2), 4: (2, 2)}[config.stride]
        self.first = nn.Conv1d(config.bands, width, 3, stride=first, padding=1)
        self.second = nn.Conv1d(width, width, 3, stride=second, padding=1)
        self.strides = first, second
        places = torch.arange(-(-config.longest // config.stride))
        self.register_buffer("positions", sinusoidal(places, width), persistent=False)
        self.positions: Tensor

    def places(self, lengths: Lengths) -> Lengths:
        """How many places so many frames become."""
        for stride in self.strides:
            lengths = (lengths + stride - 1) // stride
        return lengths

    def forward(self, features: Float[Tensor, "B T E"], lengths: Lengths) -> Hidden:
        hidden = F.gelu(self.first(features.mT))
        # What lies behind a recording is to the second convolution what lies behind the longest one: nothing.
        ends = (lengths + self.strides[0] - 1) // self.strides[0]
        hidden = hidden * (torch.arange(hidden.shape[2], device=ends.device) < ends[:, None])[:, None]
        hidden = F.gelu(self.second(hidden)).mT
        return hidden + self.positions[: hidden.shape[1]]


class FeatureTransformer(EncoderDecoder):
    """The encoder-decoder of features (B T E), padded with zeros on the right to the longest of `lengths`."""

    config: FeatureTransformerConfig

    def __init__(self, config: FeatureTransformerConfig) -> None:
        super().__init__(config)
        what = config.input
        self.input = Patches(what, config.width) if isinstance(what, PatchInput) else Frames(what, config.width)

    def places(self, lengths: Lengths) -> Lengths:
        """How many of the encoder's hidden states sources of these lengths have."""
        return self.input.places(lengths)

    def read(self, features: Float[Tensor, "B T E"], lengths: Lengths) -> Hidden:
        """What the encoder's first layer reads of features (B K M)."""
        hidden: Tensor = self.input(features, lengths)
        return dropout(hidden, self.config.dropout, self.training)

    def encode(
        self,
        source: Float[Tensor, "B T E"],
        lengths: Lengths,
        recorder: AttentionRecorder | None = None,
        editor: Editor | None = None,
        embeddings: Hidden | None = None,
    ) -> Memory:
        """Features (B T E) to hidden states (B K M); `embeddings` (B K M) stand in the place of what `read` makes."""
        hidden = self.read(source, lengths) if embeddings is None else embeddings
        return self.encode_hidden(hidden, self.places(lengths), recorder, editor)


def patches(pixels: Float[Tensor, "B C S S"], size: int) -> Float[Tensor, "B K E"]:
    """A picture's patches, row by row, each as its channels, rows and columns of pixels in one."""
    return F.unfold(pixels, size, stride=size).mT


def opening(language: str) -> str:
    """The token that opens what is written in a language."""
    return f"<{language}>"
