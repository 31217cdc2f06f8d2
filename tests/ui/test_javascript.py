"""The linter of the page's scripts: each rule finds its example, and our scripts pass.

The linter comes with the development tools (`make setup`) and needs no Node; `make check` runs it over assets/js.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from star import ROOT

OXLINT = shutil.which("oxlint", path=str(Path(sys.executable).parent)) or shutil.which("oxlint")
pytestmark = pytest.mark.skipif(OXLINT is None, reason="oxlint is not installed (make setup installs it)")


def lint(path: Path) -> subprocess.CompletedProcess[str]:
    command = [str(OXLINT), "--deny-warnings", "--config", str(ROOT / ".oxlintrc.json"), str(path)]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=60)


@pytest.mark.parametrize(
    ("script", "rule"),
    [
        ("missing();", "no-undef"),
        ("(() => { const left = 1; })();", "no-unused-vars"),
        ("document.body.innerHTML = location.hash;", "no-restricted-properties"),
        ("document.body.outerHTML = location.hash;", "no-restricted-properties"),
        ("document.body.insertAdjacentHTML('beforeend', location.hash);", "no-restricted-properties"),
        ("document.createRange().createContextualFragment(location.hash);", "no-restricted-properties"),
        ("document.write(location.hash);", "no-restricted-properties"),
        ("eval(location.hash);", "no-eval"),
        ("location.href = 'javascript:0';", "no-script-url"),
    ],
)
def test_rules_find_it(script: str, rule: str, tmp_path: Path) -> None:
    (tmp_path / "bad.js").write_text(script, "utf-8")
    found = lint(tmp_path / "bad.js")
    assert found.returncode == 1 and rule in found.stdout, found.stdout + found.stderr


def test_what_the_page_offers_its_scripts_is_known(tmp_path: Path) -> None:
    (tmp_path / "good.js").write_text("STAR.drawn = new vis.DataSet([document.title]);", "utf-8")
    assert lint(tmp_path / "good.js").returncode == 0


def test_our_scripts_keep_the_rules() -> None:
    found = lint(ROOT / "assets" / "js")
    assert found.returncode == 0, found.stdout
