"""Registered models behind `mlflow models serve`, asked over HTTP."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import mlflow
import pytest
import requests
import torch
from torch import Tensor

from metagan.io.registry import Candidate, RegistryDataset
from metagan.serving.classifier import FewShotClassifier
from metagan.serving.pictures import from_base64, to_base64
from metagan.training.adapted_generator import draw

pytestmark = pytest.mark.slow

Ask = Callable[[dict[str, Any]], requests.Response]


@pytest.fixture(scope="module")
def registry(experiment: str, generator: dict[str, Any], classifier: dict[str, Any]) -> str:
    """A database in which both are champions."""
    with mlflow.start_run(experiment_id=experiment):
        for name, payload in (("generator", generator), ("classifier", classifier)):
            RegistryDataset().save(Candidate(name, payload, 1.0, "nothing", "about", {}, "limits"))
    return mlflow.get_tracking_uri()


@pytest.fixture(scope="module")
def serve(registry: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Ask]]:
    """Start the server of a name and wait until it answers."""
    processes = []

    def start(name: str) -> Ask:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = str(free.getsockname()[1])
        log = tmp_path_factory.mktemp(name) / "log"
        environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
        environment |= {"MLFLOW_TRACKING_URI": registry, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
        command = ["mlflow", "models", "serve", "--env-manager", "local", "--model-uri", f"models:/{name}@champion"]
        with open(log, "wb") as file:
            process = subprocess.Popen(
                [*command, "--host", "127.0.0.1", "--port", port, "--workers", "1"],
                cwd=log.parent, env=environment, stdout=file, stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip
        processes.append(process)
        while not answers(f"http://127.0.0.1:{port}/ping"):
            assert process.poll() is None, log.read_text()
            time.sleep(0.2)
        return lambda body: requests.post(f"http://127.0.0.1:{port}/invocations", json=body, timeout=60)

    yield start
    for process in processes:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait()


def answers(address: str) -> bool:
    try:
        return requests.get(address, timeout=5).ok
    except requests.ConnectionError:
        return False


def test_the_generator_answers_with_pictures(serve: Callable[[str], Ask], generator: dict[str, Any]) -> None:
    ask = serve("generator")
    answer = ask({"n": 16, "seed": 1})
    assert answer.status_code == 200, answer.text
    drawn = from_base64("", answer.json(), 16, 1)
    torch.testing.assert_close(drawn, draw(generator, 16, 1), atol=0.5 / 255 + 1e-6, rtol=0)
    assert drawn.std(0).max() > 0
    assert ask({"dataframe_records": [{"n": 16, "seed": 1}]}).json() == {"predictions": answer.json()}
    assert ask({"n": 16, "seed": 2}).json() != answer.json()
    refused = ask({"n": 100_000})
    assert refused.status_code == 400
    assert "n: 100000 is not in 1 to 256" in refused.json()["message"]


def test_the_classifier_answers_with_probabilities(
    serve: Callable[[str], Ask], classifier: dict[str, Any], pictures: Tensor
) -> None:
    files = to_base64(pictures)
    answer = serve("classifier")({"query": files, "support": {"cat": files[:1], "dog": files[1:]}})
    assert answer.status_code == 200, answer.text
    expected = FewShotClassifier(classifier).probabilities(pictures, [pictures[:1], pictures[1:]])
    found = torch.tensor([[row["cat"], row["dog"]] for row in answer.json()])
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(found.sum(1), torch.ones(3))
