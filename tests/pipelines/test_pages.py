"""MLflow's pages in a real browser, as a person sees them without setting anything up, and what a person does there."""

from __future__ import annotations

import json
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest
from mlflow import MlflowClient
from mlflow.entities import Run
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.wait import WebDriverWait

if TYPE_CHECKING:
    from conftest import Project, Running, Server

CHANGES = {
    "smoke": (),
    "smoke evaluate meta_train learning_rate=0.01": ("meta_train.learning_rate=0.01",),
    "smoke evaluate meta_train meta_gradient=fomaml": ("meta_train.meta_gradient=fomaml",),
}
QUIET = ("disable-background-networking", "disable-component-update", "disable-sync", "disable-quic", "no-first-run")
SECONDS = 180  # for a page that a busy machine draws

pytestmark = [pytest.mark.services, pytest.mark.slow]


class Pages:
    """A browser at an MLflow server, whose assistant is closed."""

    def __init__(self, driver: webdriver.Chrome, server: str) -> None:
        self.driver, self._server = driver, server
        self.open("/#/experiments")
        self.driver.execute_script("localStorage.setItem('mlflow.assistant.panelOpen_v1', 'false')")

    def open(self, address: str) -> None:
        self.driver.get(self._server + address)
        self.driver.refresh()  # an address that differs behind the # alone loads nothing

    def shows(self, *texts: str) -> None:
        """Wait until all texts are on the page."""
        for text in texts:
            self.wait_for(lambda text=text: text in self.driver.find_element(By.TAG_NAME, "body").text, text)

    def wait_for(self, condition: Callable[[], object], what: str) -> None:
        WebDriverWait(self.driver, SECONDS, ignored_exceptions=(Exception,)).until(lambda _: condition(), what)

    def find(self, css: str) -> list[WebElement]:
        return self.driver.find_elements(By.CSS_SELECTOR, css)

    def press(self, label: str) -> None:
        """The button with this label, once it is there."""

        def pressed() -> bool:
            (button,) = (button for button in self.find("button") if button.text == label)
            button.click()
            return True

        self.wait_for(pressed, label)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    program, controller = shutil.which("chromium"), shutil.which("chromedriver")
    if program is None or controller is None:
        pytest.skip("a browser is not there: apt-get install chromium chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = program
    own = (f"user-data-dir={tmp_path_factory.mktemp('browser')}", "window-size=1400,1000")
    for option in ("headless", "no-sandbox", "disable-gpu", "disable-dev-shm-usage", *QUIET, *own):
        options.add_argument(f"--{option}")
    driver = webdriver.Chrome(options, webdriver.ChromeService(controller))
    yield driver
    driver.quit()


@pytest.fixture(scope="module")
def server(
    browser: webdriver.Chrome, copy_project: Callable[[str], Project], start_server: Callable[..., Server]
) -> str:
    """Of a project that has done the smoke run, and trained and measured twice more with other parameters."""
    project = copy_project("pages")
    for changes in CHANGES.values():
        extra = ("--pipelines", "meta_train,evaluate", "--params", *changes) if changes else ()
        done = project.run("kedro", "run", "--env", "smoke", *extra)
        assert done.returncode == 0, done.stderr
    return start_server(project, f"sqlite:///{project.path / 'mlflow.db'}", str(project.path / "mlruns")).uri


@pytest.fixture(scope="module")
def pages(browser: webdriver.Chrome, server: str) -> Pages:
    return Pages(browser, server)


@pytest.fixture(scope="module")
def runs(server: str) -> list[Run]:
    client = MlflowClient(server)
    return list(client.search_runs([client.get_experiment_by_name("metagan").experiment_id]))


def test_the_table_names_every_run_and_its_data(pages: Pages) -> None:
    pages.open("/#/experiments/1/runs?workflowType=machine_learning")
    pages.shows(*CHANGES, "digits (")


def test_charts_are_named_by_arm_and_have_lines_for_each_run(pages: Pages) -> None:
    pages.open("/#/experiments/1/runs?compareRunsMode=CHART")
    pages.shows("adapted/coverage", "adapted/density", "adapted/diversity")
    twice = 2 * len(CHANGES)  # the page draws each line a second time, as smoothed
    css = ".lines path"
    pages.wait_for(lambda: len(pages.find(".js-plotly-plot")[0].find_elements(By.CSS_SELECTOR, css)) == twice, "lines")


def test_pictures_are_shown_by_step(pages: Pages) -> None:
    pages.open("/#/experiments/1/runs?compareRunsMode=CHART")
    pages.shows("adapted/coverage")
    section = pages.driver.find_element(By.XPATH, "//*[contains(text(), 'Model metrics')]")
    pages.driver.execute_script("arguments[0].scrollIntoView()", section)
    pages.shows("validation_samples")

    def shown(step: int) -> bool:
        pictures = [picture for picture in pages.find("img") if f"step%2B{step}%2B" in picture.get_attribute("src")]
        return len(pictures) == 3 and all(picture.get_property("naturalWidth") > 100 for picture in pictures)

    pages.wait_for(lambda: shown(0), "pictures before training")
    (slider,) = pages.find("[role=slider]")
    assert (slider.get_attribute("aria-valuemin"), slider.get_attribute("aria-valuemax")) == ("0", "4")
    slider.send_keys(Keys.ARROW_RIGHT, Keys.ARROW_RIGHT)
    pages.wait_for(lambda: shown(4), "pictures after training")


def test_the_comparison_draws_what_differs_on_parallel_coordinates(pages: Pages, runs: list[Run]) -> None:
    pair = [run for run in runs if run.info.run_name != "smoke"]  # of the same pipelines, so of the same parameters
    identifiers = quote(json.dumps([run.info.run_id for run in pair]))
    pages.open(f"/#/compare-runs?runs={identifiers}&experiments={quote(json.dumps(['1']))}")
    pages.shows("Comparing 2 Runs from 1 Experiment", *(run.info.run_name for run in pair))
    chosen = [f"meta_train.{name}" for name in ("learning_rate", "meta_gradient")]
    pages.wait_for(lambda: len(pages.find(".parcoords .axis-title")) == 3, "axes")
    *parameters, metric = (axis.text for axis in pages.find(".parcoords .axis-title"))
    assert parameters == chosen
    assert all(metric in run.data.metrics for run in pair)


@pytest.fixture
def watched(copy_project: Callable[[str], Project], free_port: Callable[[], str]) -> Iterator[tuple[Project, Running]]:
    """A project, and MLflow's pages of it as `make ui` shows them."""
    project, port = copy_project("watched"), free_port()
    ui = project.start(sys.executable, "-m", "metagan.ui", port)
    ui.wait_for("Runs and charts: ")
    yield project, ui
    ui.kill()


def test_a_run_that_a_person_deletes_while_it_works_ends_well(
    browser: webdriver.Chrome, watched: tuple[Project, Running]
) -> None:
    project, ui = watched
    running = project.start("kedro", "run", "--env", "smoke", "--pipelines", "tasks,classifier")
    running.wait_for("Running node: train_classifier")
    running.stop_between_two_accesses(project.path / "mlflow.db")
    try:
        (run,) = project.runs()
        assert run.info.status == "RUNNING"
        pages = Pages(browser, ui.said().partition("Runs and charts: ")[2].partition("/#")[0])
        pages.open("/#/experiments/1/runs?workflowType=machine_learning")
        pages.shows("smoke classifier tasks")
        row = "[aria-label^='Press Space to toggle row selection']"
        pages.wait_for(lambda: browser.execute_script("arguments[0].click()", *pages.find(row)) or True, "its box")
        pages.press("Delete")
        pages.press("Delete selected")
        pages.wait_for(lambda: project.runs() == [], "the deletion")
        pages.wait_for(lambda: not pages.find(row), "a table without it")
    finally:
        running.process.send_signal(signal.SIGCONT)
        ended = running.process.wait()
    assert ended == 0, running.said()
    assert "Traceback" not in running.said() + ui.said()
    assert running.said().count(f"({run.info.run_id}) was deleted: what it should be told is lost") == 1
    assert (project.path / "data/06_models/classifier.pt").exists()
    assert project.client.get_run(run.info.run_id).info.lifecycle_stage == "deleted"
