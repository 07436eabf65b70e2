"""What MLflow's scoring server lets in: bodies of bounded size, few at work at a time, a bounded number waiting."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from http import HTTPStatus
from typing import Any, ClassVar

import fastapi
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE, TEMPORARILY_UNAVAILABLE
from mlflow.pyfunc.scoring_server import _SERVER_MODEL_PATH
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from metagan.errors import UserError
from metagan.serving.fields import check_fields
from metagan.serving.limits import MOST_AT_WORK, MOST_BYTES, MOST_BYTES_HELD, MOST_REQUESTS

TOO_LARGE = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
BUSY = HTTPStatus.SERVICE_UNAVAILABLE


class RefusedError(Exception):
    """Says why a request is not let in."""

    def __init__(self, status: HTTPStatus, message: str) -> None:
        super().__init__(message)
        self.status = status

    def response(self) -> Response:
        """In the form of MLflow's errors."""
        code = TEMPORARILY_UNAVAILABLE if self.status == BUSY else INVALID_PARAMETER_VALUE
        told = MlflowException(str(self), code).serialize_as_json()
        headers = {"Retry-After": "1"} if self.status == BUSY else None
        return Response(told, self.status, headers, "application/json")


class Door:
    """ASGI middleware. A body is read in full before its request takes one of the few places at work, so that a slow
    sender keeps nobody waiting. It may have no other fields than the model's."""

    def __init__(self, app: ASGIApp, fields: Sequence[str]) -> None:
        self.app, self.fields = app, fields
        self.requests = self.bytes = 0
        self.at_work = asyncio.Semaphore(MOST_AT_WORK)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand the request on, or answer why not."""
        if scope["type"] != "http" or scope["method"] != "POST":
            return await self.app(scope, receive, send)
        try:
            with suppress(ClientDisconnect), self._room(int(dict(scope["headers"]).get(b"content-length", MOST_BYTES))):
                body = await _read(receive)
                async with self.at_work:
                    self._check_fields(body)
                    await self.app(scope, _replayed(body, receive), send)
        except RefusedError as refused:
            await refused.response()(scope, receive, send)

    def _check_fields(self, body: bytes) -> None:
        try:
            check_fields(body, self.fields)
        except UserError as error:
            raise RefusedError(HTTPStatus.BAD_REQUEST, str(error)) from None

    @contextmanager
    def _room(self, size: int) -> Iterator[None]:
        """For one more request and its body."""
        _check_size(size)
        if self.requests == MOST_REQUESTS:
            raise RefusedError(BUSY, f"requests: {MOST_REQUESTS} are here already; try again in a second")
        if self.bytes + size > MOST_BYTES_HELD:
            raise RefusedError(BUSY, f"bytes: {self.bytes} of other requests are here; try again in a second")
        self.requests, self.bytes = self.requests + 1, self.bytes + size
        try:
            yield
        finally:
            self.requests, self.bytes = self.requests - 1, self.bytes - size


def _check_size(size: int) -> None:
    if size > MOST_BYTES:
        raise RefusedError(TOO_LARGE, f"bytes: a body of {size} or more is larger than the {MOST_BYTES} of a request")


async def _read(receive: Receive) -> bytes:
    body, more = bytearray(), True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        body += message.get("body", b"")
        _check_size(len(body))
        more = message.get("more_body", False)
    return bytes(body)


def _replayed(body: bytes, receive: Receive) -> Receive:
    """The whole body as one message, then what follows."""
    messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def next_message() -> Message:
        return messages.pop() if messages else await receive()

    return next_message


def guard_server(fields: Sequence[str]) -> None:
    """In the process of MLflow's scoring server, which is about to make its application, put the door before it, for
    requests of these fields.

    MLflow has no setting for a middleware; it calls FastAPI once, after it has loaded the model.
    """
    if _SERVER_MODEL_PATH not in os.environ:
        return
    Guarded.fields = tuple(fields)
    fastapi.FastAPI = Guarded  # type: ignore[misc]


class Guarded(fastapi.FastAPI):
    """An application behind the door."""

    fields: ClassVar[tuple[str, ...]] = ()

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings, middleware=[Middleware(Door, fields=self.fields)])
