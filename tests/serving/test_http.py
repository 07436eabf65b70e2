"""Registered models behind `mlflow models serve`, asked over HTTP."""

from __future__ import annotations

import asyncio
import base64
import io
import os
import re
import signal
import socket
import subprocess
import sys
import time
import wave
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlflow
import psutil
import pytest
import requests
import torch
import warm
from kedro_client import Asked
from torch import Tensor

from metagan.domains import DOMAINS
from metagan.domains.sound import length
from metagan.domains.spelling import encoded
from metagan.io.registry import Candidate, RegistryDataset
from metagan.serving.adapted_generator import AdaptedGenerator
from metagan.serving.classifier import ServedClassifier
from metagan.serving.meta_model import MetaModel
from metagan.serving.pictures import to_base64
from metagan.training.adapted_generator import draw
from metagan.training.saved import ClassifierHeader, GanHeader, GeneratorHeader, SavedModel

from .conftest import decoded

pytestmark = pytest.mark.slow

MIB = 2**20


WORKER = """
import os
import mlflow, uvicorn
from mlflow.pyfunc.scoring_server import _SERVER_MODEL_PATH
os.environ[_SERVER_MODEL_PATH] = mlflow.artifacts.download_artifacts("models:/{name}@champion")
uvicorn.run("mlflow.pyfunc.scoring_server.app:app", host="127.0.0.1", port={port})
"""
"""What `mlflow models serve` ends up doing, with what it has checked and imported by then."""


@dataclass(frozen=True)
class ScoringServer:
    address: str
    process: subprocess.Popen[bytes] | Asked

    def ask(self, body: Any) -> requests.Response:
        return requests.post(f"{self.address}/invocations", json=body, timeout=60)

    def answers(self) -> bool:
        try:
            return requests.get(f"{self.address}/ping", timeout=5).ok
        except requests.ConnectionError:
            return False

    def memory(self) -> int:
        """The most bytes that its processes have ever held in memory."""
        processes = [self.process.pid, *(child.pid for child in psutil.Process(self.process.pid).children(True))]
        status = "".join(Path(f"/proc/{number}/status").read_text() for number in processes)
        return sum(int(kilobytes) << 10 for kilobytes in re.findall(r"VmHWM:\s+(\d+) kB", status))


@pytest.fixture(scope="module")
def registry(
    experiment: str,
    generator: SavedModel[GeneratorHeader],
    classifier: SavedModel[ClassifierHeader],
    sounding: SavedModel[GeneratorHeader],
    writing: SavedModel[GanHeader],
) -> str:
    """A database in which all are champions."""
    models = {"generator": generator, "classifier": classifier, "sounding": sounding, "writing": writing}
    with mlflow.start_run(experiment_id=experiment):
        for name, model in models.items():
            RegistryDataset().save(Candidate(name, model, 1.0, "nothing", "about", {}, "limits"))
    return mlflow.get_tracking_uri()


@pytest.fixture(scope="module")
def serve(registry: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], ScoringServer]]:
    """The server of a name, once it answers: of the generator as from the command line, of the others the worker."""
    servers: dict[str, ScoringServer] = {}

    def start(name: str) -> ScoringServer:
        if name in servers:
            return servers[name]
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = str(free.getsockname()[1])
        log = tmp_path_factory.mktemp(name) / "log"
        environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
        environment |= {"MLFLOW_TRACKING_URI": registry, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
        process: subprocess.Popen[bytes] | Asked
        if name == "generator":
            model = f"models:/{name}@champion"
            command = ["mlflow", "models", "serve", "--env-manager", "local", "--model-uri", model]
            with open(log, "w", encoding="utf-8") as file:
                process = subprocess.Popen(
                    [*command, "--host", "127.0.0.1", "--port", port, "--workers", "1"],
                    cwd=log.parent, env=environment, stdout=file, stderr=subprocess.STDOUT, start_new_session=True,
                )  # fmt: skip
        else:
            process = warm.start(("python", "-c", WORKER.format(name=name, port=port)), log.parent, environment, log)
        servers[name] = ScoringServer(f"http://127.0.0.1:{port}", process)
        while not servers[name].answers():
            assert process.poll() is None, log.read_text()
            time.sleep(0.2)
        return servers[name]

    yield start
    for server in servers.values():
        os.killpg(server.process.pid, signal.SIGTERM)
        server.process.wait()


def test_the_generator_answers_with_pictures(
    serve: Callable[[str], ScoringServer], generator: SavedModel[GeneratorHeader]
) -> None:
    ask = serve("generator").ask
    answer = ask({"n": 16, "seed": 1})
    assert answer.status_code == 200, answer.text
    drawn = decoded(answer.json())
    torch.testing.assert_close(drawn, draw(generator, 16, 1), atol=0.5 / 255 + 1e-6, rtol=0)
    assert drawn.std(0).max() > 0
    assert ask({"dataframe_records": [{"n": 16, "seed": 1}]}).json() == {"predictions": answer.json()}
    assert ask({"n": 16, "seed": 2}).json() != answer.json()
    refused = ask({"n": 100_000})
    assert refused.status_code == 400
    assert "n: 100000 is not in 1 to 256" in refused.json()["message"]
    refused = ask({"dataframe_records": [{"n": 1}] * 65})
    assert refused.status_code == 400
    assert "rows: 65 are more than the 64 of a request" in refused.json()["message"]


def test_a_generator_of_speech_answers_with_wav_files(
    serve: Callable[[str], ScoringServer], sounding: SavedModel[GeneratorHeader]
) -> None:
    ask = serve("sounding").ask
    answer = ask({"n": 3, "seed": 4, "temperature": 2})
    assert answer.status_code == 200, answer.text
    assert answer.json() == list(AdaptedGenerator(sounding).answer(3, 4, 2.0)) != ask({"n": 3, "seed": 4}).json()
    with wave.open(io.BytesIO(base64.b64decode(answer.json()[0]))) as file:
        assert file.getframerate() == 8000 and file.getnframes() == length(16)


def test_a_meta_model_of_text_is_adapted_to_lines_and_answers_with_lines(
    serve: Callable[[str], ScoringServer], writing: SavedModel[GanHeader]
) -> None:
    ask = serve("writing").ask
    row = {"lines": ["Mar\u00fcba", "kitolu", "\u041d\u0435\u0441\u043e\u0440\u0430"], "n": 5, "seed": 1, "steps": 2}
    answer = ask(row)
    assert answer.status_code == 200, answer.text
    support = DOMAINS["text"].to_tensor(encoded(["maru\u0308ba", "kitolu", "nesora"]))
    assert answer.json() == list(MetaModel(writing).adapt(support, 2, 1).answer(5, 1))
    assert ask({"dataframe_records": [row]}).json() == {"predictions": answer.json()}
    refused = ask(row | {"lines": ["kitolu", "a line that is far too long"]})
    assert refused.status_code == 400
    assert "lines: number 1 cannot be read as a line (longer than 16 characters)" in refused.json()["message"]


@pytest.mark.parametrize("name", ["generator", "sounding"])
@pytest.mark.parametrize(
    ("row", "told"),
    [
        ({"n": 0}, "n: 0 is not in 1 to 256"),
        ({"n": 1_000_000}, "n: 1000000 is not in 1 to 256"),
        ({"n": "two"}, "column n. Can not safely convert str to int64"),
        ({"n": 2.5}, "column n. Can not safely convert float64 to int64"),
        ({"n": None}, "column n. Can not safely convert object to int64"),
        ({"n": 1, "seed": -1}, "seed: -1 is not in 0 to"),
        ({"n": 1, "temperature": 0}, "temperature: 0 is not in 0.01 to 10"),
        ({"n": 1, "temperature": "hot"}, "temperature: 'hot' is no number"),
        ({"n": 1, "temprature": 2}, "'temprature' is no field of a request, but n, seed, temperature"),
    ],
)
def test_what_cannot_be_asked_for_is_refused(
    serve: Callable[[str], ScoringServer], name: str, row: dict[str, Any], told: str
) -> None:
    for body in (row, {"dataframe_records": [row]}) if isinstance(row["n"], int) else (row,):
        refused = serve(name).ask(body)
        assert refused.status_code == 400
        assert told in refused.json()["message"]
    assert serve(name).ask({"n": 1}).status_code == 200


def test_the_classifier_answers_with_probabilities(
    serve: Callable[[str], ScoringServer], classifier: SavedModel[ClassifierHeader], pictures: Tensor
) -> None:
    files = to_base64(pictures)
    answer = serve("classifier").ask({"query": files, "support": {"cat": files[:1], "dog": files[1:]}})
    assert answer.status_code == 200, answer.text
    expected = ServedClassifier(classifier).probabilities(pictures, [pictures[:1], pictures[1:]])
    found = torch.tensor([[row["cat"], row["dog"]] for row in answer.json()])
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(found.sum(1), torch.ones(3))


def hundred_megabytes() -> Iterator[bytes]:
    for _ in range(100):
        yield bytes(10**6)


@pytest.mark.parametrize("of_known_size", [True, False])
def test_a_body_of_100_megabytes_is_refused_and_not_kept(
    serve: Callable[[str], ScoringServer], of_known_size: bool
) -> None:
    server = serve("generator")
    before = server.memory()
    body = bytes(10**8) if of_known_size else hundred_megabytes()
    headers = {"Content-Type": "application/json"}
    refused = requests.post(f"{server.address}/invocations", data=body, headers=headers, timeout=60)
    assert refused.status_code == 413
    assert refused.json()["message"].startswith("bytes: a body of ")
    assert "\n" not in refused.json()["message"]
    assert server.memory() - before < 50 * MIB
    assert server.ask({"n": 1}).status_code == 200


async def answered(address: str, count: int, body: bytes) -> Counter[int]:
    """The codes of `count` requests that are all sent before any answer is read."""
    host, port = address.removeprefix("http://").split(":")
    head = f"POST /invocations HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n"
    request = f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body

    async def send() -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection(host, port)
        writer.write(request)
        return reader, writer

    async def code(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> int:
        head = await reader.readuntil(b"\r\n\r\n")
        writer.close()
        return int(head.split(None, 2)[1])

    connections = await asyncio.gather(*(send() for _ in range(count)))
    return Counter(await asyncio.gather(*(code(*connection) for connection in connections)))


@pytest.mark.fault_injection
@pytest.mark.parametrize(("count", "size"), [(1000, 20), (60, 4 * MIB)])
def test_many_requests_at_once_leave_the_server_up(
    serve: Callable[[str], ScoringServer], count: int, size: int
) -> None:
    """Some are answered, the others are told to come again."""
    server = serve("generator")
    before = server.memory()
    body = b'{"n": 1, "seed": 7}'.ljust(size)
    codes = asyncio.run(asyncio.wait_for(answered(server.address, count, body), 120))
    assert set(codes) == {200, 503} and codes.total() == count
    assert server.memory() - before < 300 * MIB
    assert server.ask({"n": 1}).status_code == 200
