from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from metagan.errors import UserError
from metagan.tasks.sources.download import ATTEMPTS, download

CONTENT = np.random.default_rng(0).bytes(300_000)


class Handler(BaseHTTPRequestHandler):
    """Serves `content`, breaking off after `break_after` bytes; answers Range only if `ranges`."""

    content = CONTENT
    break_after = len(CONTENT)
    ranges = True
    statuses: tuple[int, ...] = ()
    asked: list[str | None]

    def do_GET(self) -> None:
        asked = self.headers["Range"]
        self.asked.append(asked)
        if len(self.asked) <= len(self.statuses):
            return self.send_error(self.statuses[len(self.asked) - 1])
        first = int(re.fullmatch(r"bytes=(\d+)-", asked).group(1)) if asked and self.ranges else 0
        if first and first >= len(self.content):
            return self.send_error(416)
        self.send_response(206 if first else 200)
        self.send_header("Content-Length", str(len(self.content) - first))
        self.end_headers()
        self.wfile.write(self.content[first : first + self.break_after])
        return None

    def log_message(self, *arguments: object) -> None:
        pass


@contextmanager
def serving(**behaviour: object) -> Iterator[tuple[str, list[str | None]]]:
    asked: list[str | None] = []
    handler = type("Handler", (Handler,), {**behaviour, "asked": asked})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/file.zip", asked
        finally:
            server.shutdown()
            thread.join()


def test_a_whole_file_arrives_under_its_name_with_a_progress_bar(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with serving() as (url, asked):
        download(url, tmp_path / "deep" / "file.zip")
    assert (tmp_path / "deep" / "file.zip").read_bytes() == CONTENT
    assert [entry.name for entry in (tmp_path / "deep").iterdir()] == ["file.zip"] and asked == [None]
    assert "file.zip" in capsys.readouterr().err


def test_a_broken_download_goes_on_where_it_stopped(tmp_path: Path) -> None:
    with serving(break_after=100_000) as (url, asked):
        download(url, tmp_path / "file.zip", pause=0)
    assert (tmp_path / "file.zip").read_bytes() == CONTENT
    assert asked == [None, "bytes=100000-", "bytes=200000-"]


def test_a_later_run_goes_on_with_what_an_earlier_one_left(tmp_path: Path) -> None:
    (tmp_path / "file.zip.part").write_bytes(CONTENT[:123])
    with serving() as (url, asked):
        download(url, tmp_path / "file.zip", pause=0)
    assert (tmp_path / "file.zip").read_bytes() == CONTENT and asked == ["bytes=123-"]


def test_a_server_without_range_is_asked_for_the_whole_file_again(tmp_path: Path) -> None:
    (tmp_path / "file.zip.part").write_bytes(b"x" * 1000)
    with serving(ranges=False) as (url, asked):
        download(url, tmp_path / "file.zip", pause=0)
    assert (tmp_path / "file.zip").read_bytes() == CONTENT and len(asked) == 1


def test_a_part_longer_than_the_file_is_thrown_away(tmp_path: Path) -> None:
    (tmp_path / "file.zip.part").write_bytes(b"x" * (len(CONTENT) + 1))
    with serving() as (url, asked):
        download(url, tmp_path / "file.zip", pause=0)
    assert (tmp_path / "file.zip").read_bytes() == CONTENT and len(asked) == 2


def test_a_busy_server_is_asked_again(tmp_path: Path) -> None:
    with serving(statuses=(503, 500)) as (url, asked):
        download(url, tmp_path / "file.zip", pause=0)
    assert (tmp_path / "file.zip").read_bytes() == CONTENT and len(asked) == 3


def test_a_connection_that_always_breaks_is_given_up_with_one_clear_line(tmp_path: Path) -> None:
    with (
        serving(ranges=False, break_after=1000) as (url, asked),
        pytest.raises(UserError, match=r"could not download http.*: .*1000 of 300000 bytes") as caught,
    ):
        download(url, tmp_path / "file.zip", pause=0)
    assert len(asked) == ATTEMPTS and "\n" not in str(caught.value) and not (tmp_path / "file.zip").exists()


def test_a_missing_file_is_not_asked_for_again(tmp_path: Path) -> None:
    with serving(statuses=(404,)) as (url, asked), pytest.raises(UserError, match="404"):
        download(url, tmp_path / "file.zip", pause=0)
    assert len(asked) == 1


def test_no_server_at_all_is_a_connection_error(tmp_path: Path) -> None:
    with serving() as (url, _):
        pass
    with pytest.raises(UserError, match="could not download"):
        download(url, tmp_path / "file.zip", pause=0)
