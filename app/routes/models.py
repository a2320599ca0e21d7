"""The models that are served."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends
from starlette.responses import Response

from app.callers import admitted
from app.services import Services, services
from app.wire import to_json

router = APIRouter(prefix="/v1/models", tags=["models"], dependencies=[Depends(admitted)])

# Sentences to begin with, by source language; the first moves a participle, so that its alignment is no diagonal.
EXAMPLES = {
    "de": [
        "Ich habe gestern ein interessantes Buch gelesen.",
        "Wo ist der Bahnhof?",
        "Wenn es morgen regnet, bleiben wir zu Hause.",
        "Das Haus, in dem sie wohnt, ist sehr alt.",
    ],
}


def described(name: str, facts: dict[str, Any]) -> dict[str, Any]:
    """A model as the contract shows it: its name, what it says of itself, and inputs to begin with."""
    return {"name": name, **facts, "examples": EXAMPLES.get((facts.get("languages") or {}).get("source", ""), [])}


@router.get("", summary="All models")
async def list_models(own: Annotated[Services, Depends(services)]) -> Response:
    """Each with its name, task, sites, languages, licence and example inputs."""
    body = {"models": [described(name, facts) for name, facts in own.facts.items()]}
    return Response(to_json(body), media_type="application/json")


@router.get("/{model}", summary="One model")
async def get_model(model: str, own: Annotated[Services, Depends(services)]) -> Response:
    """Its name, task, sites, languages, licence and example inputs."""
    name, _ = own.model(model)
    return Response(to_json(described(name, own.facts[name])), media_type="application/json")
