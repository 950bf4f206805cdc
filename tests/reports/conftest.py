# SPDX-License-Identifier: GPL-2.0-only
"""Results folders and pages that several report tests read; made once."""

from pathlib import Path

import pytest

import reports
from reports import svg
from reports.html import Markup
from tests.reports import synthetic
from tests.reports.parse import Page


@pytest.fixture(scope="session")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A results folder of a made-up run."""
    return synthetic.results().save(tmp_path_factory.mktemp("results") / "run")


@pytest.fixture(scope="session")
def sweep_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A results folder of a made-up sweep of more than 10,000 rows."""
    return synthetic.results(sweep=True).save(tmp_path_factory.mktemp("results") / "sweep")


@pytest.fixture
def empty_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put an empty drawing in place of each figure: for tests that look at the rest of the page."""
    monkeypatch.setattr(
        svg, "inline", lambda figure, name, *words, **more: Markup(f'<svg role="img" aria-label="{name}"></svg>')
    )


@pytest.fixture(scope="session")
def run_page(run_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of the run."""
    return reports.build(run_folder, tmp_path_factory.mktemp("pages") / "run.html")


@pytest.fixture(scope="session")
def sweep_page(sweep_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of the sweep."""
    return reports.build(sweep_folder, tmp_path_factory.mktemp("pages") / "sweep.html")


@pytest.fixture(scope="session")
def run(run_page: Path) -> Page:
    """The page of the run, parsed."""
    return Page(run_page)


@pytest.fixture(scope="session")
def sweep(sweep_page: Path) -> Page:
    """The page of the sweep, parsed."""
    return Page(sweep_page)
