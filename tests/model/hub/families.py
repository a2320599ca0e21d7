"""Every family that Heedmap promises to serve, and those of them that a part of the tests is about."""

from tests.model.hub.families_mixed import MIXED
from tests.model.hub.families_speech import SPEECH
from tests.model.hub.families_text import TEXT
from tests.model.hub.families_vision import VISION
from tests.model.hub.family import Family

FAMILIES = [*TEXT, *VISION, *SPEECH, *MIXED]
BY_NAME: dict[str, Family] = {family.name: family for family in FAMILIES}
