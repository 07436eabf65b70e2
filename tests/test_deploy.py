"""What can be said of deploy/ and the Makefile without Docker: form, versions, secrets, and who can reach what."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from mlflow.cli import cli as mlflow

from metagan import ui
from metagan.ui import HOST

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "deploy/compose.yml").read_text(encoding="utf-8")


@pytest.fixture
def services() -> dict[str, Any]:
    return yaml.safe_load(TEXT)["services"]


def test_services_and_volumes_that_are_named_are_there(services: dict[str, Any]) -> None:
    for service in services.values():
        assert ("image" in service) != ("build" in service)
        assert set(service.get("depends_on", [])) <= services.keys()
        for volume in service.get("volumes", []):
            assert volume.split(":")[0] in yaml.safe_load(TEXT)["volumes"]


def test_only_the_server_has_a_port_and_on_loopback(services: dict[str, Any]) -> None:
    ports = {name: service["ports"] for name, service in services.items() if "ports" in service}
    assert ports == {"server": ["${BIND:-127.0.0.1}:${PORT:-5000}:5000"]}
    assert "BIND=127.0.0.1\n" in (ROOT / "deploy/.env.example").read_text(encoding="utf-8")


def test_secrets_come_from_a_file_that_git_ignores(services: dict[str, Any]) -> None:
    example = (ROOT / "deploy/.env.example").read_text(encoding="utf-8")
    given = dict(re.findall(r"^(\w+)=(.*)$", example, re.MULTILINE))
    assert set(re.findall(r"\$\{(\w+)", TEXT)) == given.keys()
    secrets = {name for name, value in given.items() if not value}
    assert secrets == {"POSTGRES_PASSWORD", "S3_ACCESS_KEY", "S3_SECRET_KEY"}
    assert set(re.findall(r"\$\{(\w+):\?", TEXT)) == secrets, "without them nothing may start"
    for service in services.values():
        for name, value in service.get("environment", {}).items():
            assert "${" in value or not re.search("KEY|PASSWORD|SECRET", name)
    subprocess.run(["git", "check-ignore", "--quiet", "deploy/.env"], cwd=ROOT, check=True)


def test_the_server_is_the_version_that_is_tested(services: dict[str, Any]) -> None:
    recipe = services["server"]["build"]["dockerfile_inline"]
    versions = dict(re.findall(r"(\S+)==(\S+)", recipe)) | {"mlflow": re.search(r"mlflow:v(\S+)", recipe)[1]}  # type: ignore[index]
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines()
    assert versions.keys() == {"mlflow", "psycopg2-binary", "boto3"}
    assert {f"{name}=={version}" for name, version in versions.items()} <= set(lock)


def test_mlflow_knows_the_options(services: dict[str, Any]) -> None:
    program, command, *options = services["server"]["command"].split()
    assert (program, command) == ("mlflow", "server")
    mlflow.commands["server"].make_context("server", options)  # raises for an unknown one


def test_pages_are_for_this_machine_alone() -> None:
    done = subprocess.run(["make", "--dry-run", "viz"], cwd=ROOT, check=True, capture_output=True, text=True)
    assert " --host 127.0.0.1" in done.stdout
    assert HOST == "127.0.0.1"
    assert '"--host", HOST' in Path(ui.__file__).read_text(encoding="utf-8")
