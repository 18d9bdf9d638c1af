"""Promises of the report: one file that stands alone, failures first with causes and pictures."""

import re
import shlex
from html.parser import HTMLParser
from pathlib import Path

import pytest

from evaluation.explain import causes
from evaluation.report import write_report
from evaluation.report.page import PICTURES
from evaluation.results import RunFolder
from scenarios.store import Store
from tests.evaluation.runs import drive


class Page(HTMLParser):
    """What a browser would load, and the text it would show."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.resources: list[str] = []
        self.tags: list[str] = []
        self.texts: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.resources += [value or "" for name, value in attrs if name in ("src", "href", "srcset", "data")]

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    return drive(tmp_path_factory.mktemp("report") / "run", "constant_velocity", "stop", "Fails")


@pytest.fixture(scope="module")
def page(run: RunFolder) -> str:
    return write_report(run, store=Store(run.path.parent / "store")).read_text()


def test_the_page_loads_nothing_from_anywhere(page: str) -> None:
    parsed = Page(page)
    assert parsed.resources and all(resource.startswith("data:image/png;base64,") for resource in parsed.resources)
    assert "script" not in parsed.tags and "link" not in parsed.tags
    assert not re.search(r"url\(|@import", page)


def test_every_planner_is_ranked_and_every_failure_has_its_cause(run: RunFolder, page: str) -> None:
    text = " ".join(Page(page).texts)
    for planner in ("constant_velocity", "stop", "Fails"):
        assert planner in text
    rows = run.rows()
    bad = rows[(rows["status"] != "ok") | (rows["score"] == 0.0)]
    assert f"of {len(bad)} units" in text
    assert 0 < len(bad) <= PICTURES
    for row in bad.to_dict("records"):
        assert all(cause in text for cause in causes(row))


def test_pictures_are_limited_and_can_be_left_out(run: RunFolder) -> None:
    store, out = Store(run.path.parent / "store"), run.path.parent / "small" / "page.html"
    assert Page(write_report(run, out, store, pictures=2).read_text()).tags.count("img") == 2
    assert Page(write_report(run, out, store, pictures=0).read_text()).tags.count("img") == 0


def test_the_page_stays_small(page: str) -> None:
    assert len(page) < 1_500_000


def test_scenes_that_are_gone_leave_a_sentence_in_place_of_the_picture(run: RunFolder, tmp_path: Path) -> None:
    text = write_report(run, tmp_path / "page.html", Store(tmp_path / "empty")).read_text()
    assert Page(text).tags.count("img") == 0
    assert "No picture:" in text


def test_the_commands_to_reproduce_name_suite_planners_and_traffic(run: RunFolder, page: str) -> None:
    text = "".join(Page(page).texts)
    words = shlex.split(next(line for line in text.splitlines() if line.startswith("drive eval")))
    planners = [words[place + 1] for place, word in enumerate(words) if word == "--planner"]
    assert planners == [planner.name for planner in run.manifest.planners]
    assert words[words.index("--traffic") + 1] == "idm"


def test_the_same_run_gives_the_same_page(run: RunFolder, page: str) -> None:
    assert write_report(run, store=Store(run.path.parent / "store")).read_text() == page
