"""The models that are served."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends
from starlette.responses import Response

from heedmap.app.errors import NotFound, raises
from heedmap.app.http.answers import ModelDescription, ModelList
from heedmap.app.http.callers import admitted
from heedmap.app.http.completions import card
from heedmap.app.http.services import Services, services
from heedmap.app.render.encoding import as_json
from heedmap.app.render.wire import to_json

router = APIRouter(prefix="/v1/models", tags=["models"], dependencies=[Depends(admitted)])

# Sentences to begin with, by source language. The first moves a participle, or a phrase of time, so that its alignment
# is no diagonal; the last of the Chinese ones is in traditional characters.
EXAMPLES = {
    "de": [
        "Ich habe gestern ein interessantes Buch gelesen.",
        "Wo ist der Bahnhof?",
        "Wenn es morgen regnet, bleiben wir zu Hause.",
        "Das Haus, in dem sie wohnt, ist sehr alt.",
    ],
    "zh": [
        "我昨天读了一本很有意思的书。",
        "车站在哪里？",
        "如果明天下雨，我们就待在家里。",
        "她住的房子很舊。",
    ],
}


def described(services: Services, name: str) -> dict[str, Any]:
    """A model as the contract shows it: what it is, what it says of itself, and inputs to begin with.

    Files among the inputs are base64, as requests have them.
    """
    description = services.models.describe(name)
    examples = EXAMPLES.get((description.get("languages") or {}).get("source", ""), [])
    return {**description, "examples": as_json(description.get("examples", examples))}


@router.get("", summary="All models", response_model=ModelList)
async def list_models(services: Annotated[Services, Depends(services)]) -> Response:
    """Each with its name, state (loaded, loading, unloaded, failed), task, sites, licence and example inputs."""
    listed = {"object": "list", "data": [card(name, services.started) for name in services.models]}
    body = {"models": [described(services, name) for name in services.models], **listed}
    return Response(to_json(body), media_type="application/json")


@router.get("/{model:path}", summary="One model", response_model=ModelDescription)
@raises(NotFound)
async def get_model(model: str, services: Annotated[Services, Depends(services)]) -> Response:
    """Its name, state (loaded, loading, unloaded, failed), task, sites, licence, example inputs, and card."""
    name = services.models.name(model)
    about = {**described(services, name), **card(name, services.started), "card": await services.models.card(name)}
    return Response(to_json(about), media_type="application/json")
