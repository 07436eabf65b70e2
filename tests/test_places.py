"""Users, folders and machines that are not those of a desk. `make test-places` runs the smoke job in each place."""

from __future__ import annotations

import getpass
import os
import pwd
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click
import pytest

from metagan.checks import _pipelines
from metagan.errors import UserError
from metagan.parameters import validate
from metagan.places import check_inputs, check_readable, check_writable, name_user

if TYPE_CHECKING:
    from conftest import Project

NOBODY = 54321
"""A user id of which the system knows nothing."""
BARE_USER = (
    "setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups",
    "--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search",  # Python itself may be in root's home
)  # fmt: skip
LIKE_A_USER = ("setpriv", "--bounding-set=-dac_override,-dac_read_search")
"""Root, to whom folders are closed as to anybody."""
NO_HOME = ("env", "-u", "HOME", "-u", "USER", "-u", "LOGNAME")

as_root = pytest.mark.skipif(
    os.getuid() != 0 or shutil.which("setpriv") is None, reason="needs root and setpriv to become another user"
)


def test_a_user_without_a_name_gets_one(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(number: int) -> None:
        raise KeyError(number)

    monkeypatch.setattr(pwd, "getpwuid", unknown)
    for name in ("HOME", "USER", "LOGNAME", "LNAME", "USERNAME"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    name_user()
    assert Path.home() == Path("/")
    assert getpass.getuser() == f"user-{os.getuid()}"


def test_a_user_with_a_name_keeps_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HOME", raising=False)
    name_user()
    assert "HOME" not in os.environ


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """A folder of two class folders."""
    for name in ("one", "two"):
        (tmp_path / "pictures" / name).mkdir(parents=True)
    return tmp_path / "pictures"


def python(*prefix: str, code: str) -> str:
    done = subprocess.run([*prefix, sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


TOLD = """
import sys
from pathlib import Path
from metagan.errors import UserError
from metagan.places import {check}
try:
    {check}(*{arguments!r}, Path({folder!r}))
except UserError as error:
    print(error)
"""


@as_root
def test_a_folder_that_cannot_be_read_is_told(pictures: Path) -> None:
    pictures.chmod(0)
    code = TOLD.format(check="check_readable", arguments=("adapt.images",), folder=str(pictures))
    told = python(*LIKE_A_USER, code=code)
    assert re.fullmatch(
        rf"adapt\.images: {re.escape(str(pictures))} cannot be read \(Permission denied\) by user \S+", told
    )


@as_root
def test_a_folder_of_another_user_is_told(pictures: Path) -> None:
    (pictures / "one").chmod(0o777)
    pictures.chmod(0o777)
    told = python(*BARE_USER, code=TOLD.format(check="check_writable", arguments=(), folder=str(pictures)))
    assert told.startswith(f"{pictures / 'two'}: user ") and "may not write there" in told
    (pictures / "two").chmod(0o777)
    assert python(*BARE_USER, code=TOLD.format(check="check_writable", arguments=(), folder=str(pictures))) == ""


def test_what_these_pipelines_read_is_looked_at(pictures: Path) -> None:
    gone = pictures / "gone"
    tasks = {"source": "image_folder", "image_folder": {"path": str(gone)}}
    parameters = validate({"tasks": tasks, "adapt": {"images": str(gone)}})
    for pipelines in ({"__default__"}, {"tasks"}):
        with pytest.raises(UserError, match=rf"^tasks\.image_folder\.path: {gone} is not a folder"):
            check_inputs(parameters, pipelines)
    with pytest.raises(UserError, match=rf"^adapt\.images: {gone} is not a folder"):
        check_inputs(parameters, {"adapt"})
    check_inputs(parameters, {"report"})
    check_inputs(parameters, set())
    gone.mkdir()
    check_inputs(parameters, {"tasks", "adapt"})
    assert check_readable("adapt.images", pictures) == [gone, pictures / "one", pictures / "two"]
    check_writable(pictures / "none yet")


@pytest.mark.parametrize(
    ("arguments", "pipelines"),
    [
        ([], {"__default__"}),
        (["--pipelines", "tasks,report"], {"tasks", "report"}),
        (["--pipeline", "tasks"], {"tasks"}),
        (["--pipelines", "tasks", "--from-nodes", "build_bank"], set()),
    ],
)
def test_the_pipelines_of_a_command(arguments: list[str], pipelines: set[str]) -> None:
    from kedro.framework.cli.project import run

    assert _pipelines() == set()
    with run.make_context("run", arguments):
        assert click.get_current_context().command is run
        assert _pipelines() == pipelines


@pytest.fixture(scope="module")
def project(copy_project: Callable[[str], Project]) -> Project:
    return copy_project("places")


def smoke(project: Project, *prefix: str, folder: str = ".", workers: int = 1) -> subprocess.CompletedProcess[str]:
    return project.run(*prefix, "kedro", "run", "--env", "smoke", "--params", f"tasks.workers={workers}", folder=folder)


def check_works(done: subprocess.CompletedProcess[str]) -> None:
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr


def check_says_why(done: subprocess.CompletedProcess[str], reason: str) -> None:
    assert done.returncode == 1, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.strip().splitlines()[-1].startswith("Error: ") and reason in done.stderr


@pytest.mark.places
class TestSmokeJob:
    """Each place: it works, or says in one line why not."""

    @as_root
    def test_in_a_container(self, copy_project: Callable[[str], Project]) -> None:
        """A bare user id without home, no locale, no git, temporary files on another file system."""
        project = copy_project("container")
        shutil.rmtree(project.path / ".git")
        for path in (project.path, *project.path.rglob("*")):
            os.chown(path, NOBODY, NOBODY, follow_symlinks=False)
        place = ("LANG=C", "LC_ALL=C", "TMPDIR=/dev/shm")
        check_works(smoke(project, *NO_HOME, *place, *BARE_USER))

    @as_root
    def test_in_the_folder_of_another_user(self, project: Project) -> None:
        check_says_why(smoke(project, *BARE_USER), "may not write there")

    @as_root
    def test_in_a_cramped_place(self, project: Project, tmp_path: Path) -> None:
        """A home that cannot be written, no command of the name git, and a /dev/shm of 1 MiB."""
        home, commands = tmp_path / "home", tmp_path / "commands"
        home.mkdir(mode=0o555)
        commands.mkdir()
        for name in ("env", "sh", "mount", "setpriv", "uname"):
            (commands / name).symlink_to(shutil.which(name) or name)
        mount = "mount -t tmpfs -o size=1m tmpfs /dev/shm"
        if subprocess.run(["unshare", "--mount", "sh", "-c", mount], capture_output=True).returncode:
            pytest.skip("the system lets nobody mount a /dev/shm of 1 MiB")
        place = ("env", f"HOME={home}", f"PATH={Path(sys.executable).parent}:{commands}", *LIKE_A_USER)
        check_works(smoke(project, "unshare", "--mount", "sh", "-c", f'{mount} && exec "$@"', "sh", *place, workers=2))

    def test_in_a_work_tree_with_a_detached_head(self, project: Project) -> None:
        project.git("worktree", "add", "--quiet", "--detach", "beside")
        done = smoke(project, folder="beside")
        check_works(done)
        shutil.rmtree(project.path / "beside")
        project.git("worktree", "prune")

    @pytest.mark.parametrize("version", ["3.12", "3.13"])
    def test_with_another_python(self, project: Project, version: str) -> None:
        """METAGAN_PYTHONS: folders of environments with all packages, between colons."""
        folders = os.environ.get("METAGAN_PYTHONS", "").split(":")
        found = [path for folder in folders if (path := Path(folder) / "bin" / f"python{version}").exists()]
        if not found:
            pytest.skip(f"METAGAN_PYTHONS names no environment of Python {version} with the packages of metagan")
        check_works(project.run(str(found[0]), "-m", "kedro", "run", "--env", "smoke"))
