"""The outbox, with a server that the test makes come and go."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock
from mlflow.exceptions import MlflowException, RestException
from requests import ConnectionError, HTTPError, Response

from metagan.io.outbox import Message, Outbox, is_away

SERVER = "http://127.0.0.1:9"


class Server(Outbox):
    """Takes messages while it is there."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, SERVER)
        self.here, self.told, self.refuses = True, [], []

    def _post(self, message: Message) -> None:
        if not self.here:
            raise MlflowException("API request failed with exception: connection refused")
        if message.get("call") in self.refuses:
            raise RestException({"error_code": "INVALID_PARAMETER_VALUE", "message": "no such run"})
        if "file" in message:
            message = {**message, "content": Path(message["file"]).read_text()}
        self.told.append(message)

    def numbers(self) -> list[int]:
        return [message["body"] for message in self.told]


@pytest.fixture
def server(tmp_path: Path) -> Server:
    return Server(tmp_path)


def number(value: int) -> Message:
    return {"call": "LogMetric", "body": value}


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_nothing_is_left_behind_when_the_server_is_there(server: Server, tmp_path: Path) -> None:
    (tmp_path / "table.csv").write_text("content")
    server.send(number(1))
    server.send_file(tmp_path / "table.csv", "mlflow-artifacts:/1/run", None)
    assert server.told[0] == number(1)
    assert server.told[1]["content"] == "content"
    assert files(server.folder) == []


def test_what_it_missed_comes_in_order_when_it_is_back(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("metagan.io.outbox.SECONDS_BETWEEN_ATTEMPTS", 0)
    monkeypatch.setattr("metagan.io.outbox.SHARE_OF_ATTEMPTS", float("inf"))
    for value in range(3):
        server.send(number(value))
    server.here = False
    for value in range(3, 6):
        server.send(number(value))
    assert server.numbers() == [0, 1, 2]
    assert [json.loads(line)["body"] for line in server.queue.read_text().strip().splitlines()] == [3, 4, 5]
    server.here = True
    server.send(number(6))
    assert server.numbers() == list(range(7))
    assert files(server.folder) == []


def test_attempts_that_take_long_are_rare(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr("metagan.io.outbox.monotonic", lambda: now[0])

    def slow(_: Message) -> None:
        now[0] += 30
        raise MlflowException("timed out")

    monkeypatch.setattr(server, "_post", slow)
    for value in range(100):
        server.send(number(value))
        now[0] += 10
    assert now[0] == 100 * 10 + 30 * 4


def test_an_absent_server_is_not_asked_at_every_message(server: Server) -> None:
    server.here = False
    server.send(number(0))
    server.here = True
    server.send(number(1))
    assert server.told == []
    assert server.deliver()
    assert server.numbers() == [0, 1]
    server.send(number(2))
    assert server.numbers() == [0, 1, 2]


def test_a_file_is_kept_as_it_was(server: Server, tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text("first")
    server.here = False
    server.send_file(path, "mlflow-artifacts:/1/run", "pictures")
    path.write_text("second")
    server.here = True
    server.deliver()
    assert [message["content"] for message in server.told] == ["first"]
    assert files(server.folder) == []


def test_a_later_process_sends_what_a_dead_one_kept_and_leaves_a_living_one_alone(server: Server) -> None:
    server.folder.mkdir()
    dead, living = server.folder / "1@here.jsonl", server.folder / "4194305@there.jsonl"
    for queue, value in ((dead, 1), (living, 2)):
        queue.write_text(json.dumps(number(value)) + "\n")
    with FileLock(living.with_suffix(".lock")):
        server.send(number(3))
        assert server.numbers() == [1, 3]
        assert {file for file in files(server.folder) if file.suffix == ".jsonl"} == {living}
    server.send(number(4))
    assert server.numbers() == [1, 3, 2, 4]
    assert files(server.folder) == []


def test_two_machines_with_the_same_process_id_send_everything_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machines = []
    for host in ("one", "two"):
        monkeypatch.setattr("socket.gethostname", lambda host=host: host)
        machines.append(Server(tmp_path))
        machines[-1].here = False
        machines[-1].send(number(len(machines)))
    one, two = machines
    one.here = two.here = True
    assert one.deliver()
    assert two.deliver()
    assert (one.numbers(), two.numbers()) == ([1], [2])
    assert files(one.folder) == []


def test_a_refused_message_is_told_and_does_not_stop_the_others(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    server.refuses = ["SetTag"]
    server.send({"call": "SetTag", "body": 0})
    server.send(number(1))
    assert server.numbers() == [1]
    assert [record.message for record in caplog.records] == [
        f"the MLflow server at {SERVER} refuses a message: INVALID_PARAMETER_VALUE: no such run"
    ]


def test_a_message_that_a_full_disk_cut_off_is_told_and_does_not_stop_the_others(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    server.here = False
    server.send(number(1))
    with open(server.queue, "a", encoding="utf-8") as file:
        file.write('\n{"call": "LogMet')
    server.send(number(2))
    server.here = True
    assert server.deliver()
    assert server.numbers() == [1, 2]
    assert f'{server.queue}: a line is damaged and is not sent: {{"call": "LogMet' in caplog.text


def test_the_run_says_what_happens(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    server.here = False
    for value in range(3):
        server.send(number(value))
    server.deliver_at_the_end()
    server.here = True
    server.deliver_at_the_end()
    assert [record.message for record in caplog.records] == [
        f"the MLflow server at {SERVER} does not answer; kept for it in {server.folder}: "
        "API request failed with exception: connection refused",
        f"the MLflow server at {SERVER} did not come back: 3 messages are kept in {server.folder}, and the next run "
        "sends them",
        f"the MLflow server at {SERVER} answers again",
    ]


def answer(status: int) -> Response:
    response = Response()
    response.status_code = status
    return response


@pytest.mark.parametrize(
    ("error", "away"),
    [
        (ConnectionError(), True),
        (HTTPError(response=answer(503)), True),
        (HTTPError(response=answer(401)), True),
        (HTTPError(response=answer(403)), False),
        (RestException({"error_code": "RESOURCE_EXHAUSTED", "message": "too many requests"}), True),
        (MlflowException("API request failed with exception"), True),
        (RestException({"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "no run"}), False),
    ],
)
def test_a_refusal_is_no_absence(error: Any, away: bool) -> None:
    assert is_away(error) is away
