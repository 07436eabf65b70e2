"""The smoke run against a real MLflow server that keeps runs in PostgreSQL and artefacts in an S3 bucket."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import mlflow
import psycopg2
import pytest
import torch
from mlflow import MlflowClient
from mlflow.entities import Run

if TYPE_CHECKING:
    from conftest import Project, Server

BUCKET = "metagan"
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "key of the test", "AWS_SECRET_ACCESS_KEY": "secret of the test"}
KEPT = {  # a few of each kind, and the file of the project that each must equal
    "report.html": "data/08_reporting/report.html",
    "pictures/samples.png": "data/08_reporting/samples.png",
    "pictures/contact_sheet.png": "data/08_reporting/contact_sheet.png",
    "checkpoints/meta_model.pt": "data/06_models/meta_model.pt",
    "checkpoints/classifier.pt": "data/06_models/classifier.pt",
}

pytestmark = pytest.mark.services


@pytest.fixture(scope="module")
def database(free_port: Callable[[], str]) -> Iterator[str]:
    """Where an empty database of a PostgreSQL server of our own is; root has the user postgres run it."""
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_ctl"))
    if not versions:
        pytest.skip("PostgreSQL is not there: apt-get install postgresql")
    owner: dict[str, Any] = {"user": "postgres", "group": "postgres", "extra_groups": []} if os.geteuid() == 0 else {}
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        if owner:
            shutil.chown(folder, owner["user"], owner["group"])

        def control(*arguments: str) -> None:
            subprocess.run([versions[-1], "--pgdata=data", "--silent", *arguments], check=True, cwd=folder, **owner)

        control("init", "--options=--username=metagan --auth=trust --no-sync")
        control("start", "--log=log", f"--options=-p {port} -h 127.0.0.1 -k ''")
        yield f"metagan@127.0.0.1:{port}/postgres"
        control("stop", "--mode=immediate")


@pytest.fixture(scope="module")
def bucket(s3: str) -> Any:
    """An empty bucket behind HTTP."""
    names = ("aws_access_key_id", "aws_secret_access_key")
    credentials = dict(zip(names, CREDENTIALS.values(), strict=True))
    resource = boto3.resource("s3", endpoint_url=s3, region_name="us-east-1", **credentials)
    return resource.create_bucket(Bucket=BUCKET)


@pytest.fixture(scope="module")
def server(
    copy_project: Callable[[str], Project], start_server: Callable[..., Server], database: str, s3: str
) -> Server:
    stores = (f"postgresql+psycopg2://{database}", f"s3://{BUCKET}/artefacts")
    return start_server(copy_project("server"), *stores, MLFLOW_S3_ENDPOINT_URL=s3, **CREDENTIALS)


@pytest.fixture(scope="module")
def project(copy_project: Callable[[str], Project]) -> Project:
    """A copy in which conf/remote has the parameters of conf/smoke."""
    project = copy_project("client")
    shutil.copy(project.path / "conf/smoke/parameters.yml", project.path / "conf/remote")
    return project


@pytest.fixture(scope="module")
def finished(project: Project, server: Server, bucket: Any) -> Run:
    """The smoke run, told nothing but the address of the server."""
    running = project.start("kedro", "run", "--env", "remote", MLFLOW_TRACKING_URI=server.uri)
    assert running.process.wait() == 0, running.said()
    client = MlflowClient(server.uri)
    (run,) = client.search_runs([client.get_experiment_by_name("metagan").experiment_id])
    return run


def test_the_run_is_in_the_database(finished: Run, database: str) -> None:
    assert finished.info.status == "FINISHED"
    assert "adapted/fjd" in finished.data.metrics
    with psycopg2.connect(f"postgresql://{database}") as connection, connection.cursor() as cursor:
        cursor.execute("select run_uuid, name, status from runs")
        assert cursor.fetchall() == [(finished.info.run_id, "remote", "FINISHED")]


def test_pictures_and_checkpoints_come_back_from_the_bucket_by_way_of_the_server(
    finished: Run, project: Project, server: Server, bucket: Any, tmp_path: Path
) -> None:
    assert finished.info.artifact_uri.startswith("mlflow-artifacts:/")
    folder = finished.info.artifact_uri.removeprefix("mlflow-artifacts:/")
    client = MlflowClient(server.uri)
    for name, path in KEPT.items():
        expected = (project.path / path).read_bytes()
        assert Path(client.download_artifacts(finished.info.run_id, name, str(tmp_path))).read_bytes() == expected
        assert bucket.Object(f"artefacts/{folder}/{name}").get()["Body"].read() == expected


def test_pictures_are_there_by_step(finished: Run, server: Server) -> None:
    names = [Path(file.path).name for file in MlflowClient(server.uri).list_artifacts(finished.info.run_id, "images")]
    steps = {re.search(r"step\W(\d+)", name)[1] for name in names if name.endswith(".png")}  # type: ignore[index]
    assert steps == {"0", "2", "4"}


def test_its_champions_are_registered_and_load(finished: Run, server: Server, request: pytest.FixtureRequest) -> None:
    client = MlflowClient(server.uri)
    champions = {model.name: model.aliases["champion"] for model in client.search_registered_models()}
    assert champions == {"metagan-digits-16-meta-model": "1", "metagan-digits-16-classifier": "1"}
    request.addfinalizer(partial(mlflow.set_tracking_uri, mlflow.get_tracking_uri()))
    mlflow.set_tracking_uri(server.uri)
    model = mlflow.pyfunc.load_model("models:/metagan-digits-16-meta-model@champion").unwrap_python_model()
    assert model.adapt(torch.rand(4, 1, 16, 16), steps=1, seed=0).draw(3, seed=1).shape == (3, 1, 16, 16)


def test_nothing_is_kept_on_the_side(finished: Run, project: Project) -> None:
    assert not (project.path / "mlflow.db").exists()
    assert [path for path in (project.path / "mlruns").rglob("*") if path.is_file()] == []


def test_with_the_address_alone_any_environment_goes_to_the_server(
    finished: Run, project: Project, server: Server
) -> None:
    running = project.start("kedro", "run", "--env", "smoke", "--pipelines", "report", MLFLOW_TRACKING_URI=server.uri)
    assert running.process.wait() == 0, running.said()
    latest = MlflowClient(server.uri).search_runs([finished.info.experiment_id], max_results=1)[0]
    assert (latest.info.run_name, latest.info.status) == ("smoke report", "FINISHED")
