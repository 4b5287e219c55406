"""The application: which path is answered by what, and its description by OpenAPI.

Reads  a release and the file of tokens, per request; writes nothing.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Query
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp

from dagster_project.declarations.sharing import Sharing
from dagster_project.door import answers, features, values
from dagster_project.door.guard import Guard
from dagster_project.door.limits import Limits
from dagster_project.door.parameters import Asked, ItemAsked, ItemsAsked, ValuesAsked
from dagster_project.door.standing import NoRelease, ReleaseInForce
from dagster_project.door.visit import Visit

PER_MINUTE = 300
PROBLEMS = {
    400: "Ein Parameter ist unbekannt oder hat nicht die beschriebene Form",
    401: "Ohne gültiges Token gibt es hier nichts",
    404: "Das gibt es hier nicht",
    405: "Hier kann nur gelesen werden",
    409: "Inzwischen ist eine andere Veröffentlichung in Kraft",
    414: "Die Anfrage ist zu lang",
    429: "Zu viele Anfragen",
    503: "Es ist noch keine Veröffentlichung da",
}
RESPONSES: dict[int | str, dict[str, Any]] = {
    304: {"description": "Unverändert seit der Antwort, deren ETag mitgeschickt wurde"},
    **{status: {"description": text, "model": answers.Problem} for status, text in PROBLEMS.items()},
}


def application(
    current: Path, sharing: Sharing, tokens: Path, *, per_minute: int = PER_MINUTE, address: str = ""
) -> ASGIApp:
    """The door to the release that the link `current` leads to.

    `address` is where callers find it, for links in answers; else what they called it. `per_minute` requests of each
    caller are answered: of a recipient with a token, or of an address without one.
    """
    app = FastAPI(
        title="Sozialraummonitoring",
        version="1",
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        responses=RESPONSES,
    )
    in_force = ReleaseInForce(current)

    def visit(request: Request) -> Visit:
        return Visit.begin(request, in_force.standing(), address)

    _add_routes(app, visit)
    app.add_exception_handler(RequestValidationError, _wrong_parameter)
    app.add_exception_handler(HTTPException, _problem)
    app.add_exception_handler(NoRelease, lambda *_: _told(503, "Es ist noch keine Veröffentlichung da."))
    app.add_exception_handler(Exception, lambda *_: _told(500, "Das ist unser Fehler; er steht im Protokoll."))
    return Guard(app, sharing, tokens, Limits(per_minute))


def _add_routes(app: FastAPI, visit: Callable[[Request], Visit]) -> None:
    here = Annotated[Visit, Depends(visit)]
    nothing = Annotated[Asked, Query()]

    @app.get("/", response_model=answers.Landing, summary="Was es hier gibt")
    def landing(visit: here, _: nothing) -> Response:
        return visit.answer(features.landing(visit).model_dump())

    @app.get("/api", include_in_schema=False)
    def description(visit: here, _: nothing) -> Response:
        return visit.answer(_description(app, visit.address), Description)

    @app.get("/conformance", response_model=answers.Conformance, summary="Erfüllte Konformitätsklassen")
    def conformance(visit: here, _: nothing) -> Response:
        return visit.answer(features.conformance().model_dump())

    @app.get("/collections", response_model=answers.Collections, summary="Ebenen")
    def collections(visit: here, _: nothing) -> Response:
        return visit.answer(features.collections(visit).model_dump())

    @app.get("/collections/{level}", response_model=answers.Collection, summary="Eine Ebene")
    def collection(visit: here, level: str, _: nothing) -> Response:
        return visit.answer(features.collection(visit, level).model_dump())

    @app.get(
        "/collections/{level}/items",
        response_model=answers.FeatureCollection,
        response_class=answers.GeoJson,
        summary="Gebiete einer Ebene mit ihren Werten",
    )
    def items(visit: here, level: str, asked: Annotated[ItemsAsked, Query()]) -> Response:
        return visit.answer(features.items(visit, level, asked), answers.GeoJson)

    @app.get(
        "/collections/{level}/items/{area:path}",
        response_model=answers.Feature,
        response_class=answers.GeoJson,
        summary="Ein Gebiet mit seinen Werten",
    )
    def item(visit: here, level: str, area: str, asked: Annotated[ItemAsked, Query()]) -> Response:
        return visit.answer(features.item(visit, level, area, asked.period), answers.GeoJson)

    @app.get(
        "/values",
        response_model=answers.Values,
        responses={200: {"content": {"text/csv": {"schema": {"type": "string"}}}}},
        summary="Werte der Indikatoren",
    )
    def all_values(visit: here, asked: Annotated[ValuesAsked, Query()]) -> Response:
        if asked.f == "json":
            return visit.answer(values.answer(visit, asked))
        text, headers = values.answer_csv(visit, asked)
        answer = visit.answer(text, Csv)
        answer.headers.update(headers)
        return answer

    @app.get("/indicators", response_model=answers.Indicators, summary="Was die Indikatoren bedeuten")
    def indicators(visit: here, _: nothing) -> Response:
        return visit.answer(values.indicators(visit))


class Csv(Response):
    media_type = "text/csv"


class Description(JSONResponse):
    media_type = features.OPENAPI


def _description(app: FastAPI, address: str) -> dict[str, Any]:
    """OpenAPI 3.1. What FastAPI would answer with 422 is 400 here; a token is possible, not always needed."""
    described = get_openapi(title=app.title, version=app.version, routes=app.routes, servers=[{"url": address}])
    for operation in (operation for path in described["paths"].values() for operation in path.values()):
        operation["responses"].pop("422", None)
        operation["security"] = [{}, {"token": []}]
        for status in map(str, PROBLEMS):
            content = operation["responses"][status]["content"]
            operation["responses"][status]["content"] = {"application/json": next(iter(content.values()))}
    schemas = described["components"]["schemas"]
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    described["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
    return described


def _wrong_parameter(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    names = sorted({str(found["loc"][-1]) for found in error.errors()})
    return _told(400, f"Unbekannt oder nicht in der beschriebenen Form: {', '.join(names)[:500]}")


def _problem(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.status_code == 304:
        return Response(status_code=304, headers=error.headers)
    return _told(error.status_code, error.detail)


def _told(status: int, text: str) -> Response:
    return JSONResponse({"code": str(status), "description": text}, status)
