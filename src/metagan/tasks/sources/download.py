"""Downloads that survive a broken connection."""

from __future__ import annotations

import http.client
import os
import time
import urllib.error
import urllib.request
from pathlib import Path

from tqdm import tqdm

from metagan.errors import UserError

ATTEMPTS = 5
CHUNK = 1 << 16


def download(url: str, path: Path, pause: float = 1.0) -> None:
    """Fetch `url` into `path` with a progress bar; a broken download goes on where it stopped, also in the next run.

    Tries again after `pause`, 2 `pause`, 4 `pause` ... seconds. Raises UserError when no attempt completes.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.part")
    for attempt in range(ATTEMPTS):
        try:
            _fetch(url, part)
        except (OSError, http.client.HTTPException) as error:
            status = error.code if isinstance(error, urllib.error.HTTPError) else None
            too_long = status == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE
            if too_long:
                part.unlink(missing_ok=True)
            if attempt + 1 == ATTEMPTS or (status and status < 500 and not too_long):
                raise UserError(f"could not download {url}: {error}") from error
            time.sleep(pause * 2**attempt)
        else:
            os.replace(part, path)
            return


def _fetch(url: str, part: Path) -> None:
    """Bring `part` up to the length that the server tells; ask only for what is missing."""
    have = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    with urllib.request.urlopen(request, timeout=30) as answer:
        if answer.status != http.HTTPStatus.PARTIAL_CONTENT:
            have = 0
        length = answer.headers["Content-Length"]
        total = have + int(length) if length else None
        with (
            open(part, "ab" if have else "wb") as file,
            tqdm(desc=Path(url).name, total=total, initial=have, unit="B", unit_scale=True) as bar,
        ):
            while chunk := answer.read(CHUNK):
                file.write(chunk)
                bar.update(len(chunk))
            file.flush()
            os.fsync(file.fileno())
    if total is not None and part.stat().st_size < total:
        raise ConnectionError(f"the connection broke off after {part.stat().st_size} of {total} bytes")
