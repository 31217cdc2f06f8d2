"""constraints.txt pins, with hashes, all that the project and what it installs ask for."""

from __future__ import annotations

import re
import subprocess
import tomllib
from importlib.metadata import PackageNotFoundError, requires

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from star import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
TEXT = (ROOT / "constraints.txt").read_text("utf-8")


def pins() -> dict[str, tuple[Requirement, list[str]]]:
    """Name → the pinned requirement and its hashes."""
    made = {}
    for line in TEXT.replace("\\\n", " ").splitlines():
        if line.strip() and not line.startswith("#"):
            pinned, *hashes = line.split(" --hash=")
            requirement = Requirement(pinned.strip())
            name = canonicalize_name(requirement.name)
            assert name not in made, f"{name} is pinned twice"
            made[name] = requirement, [one.strip() for one in hashes]
    return made


def asked() -> list[str]:
    project = PROJECT["project"]
    extras = [line for lines in project["optional-dependencies"].values() for line in lines]
    return [*PROJECT["build-system"]["requires"], *project["dependencies"], *extras]


def left_out() -> set[str]:
    """What the head of the file says is left out."""
    found = re.search(r"^# Left out on purpose, [^:]+: (.+)$", TEXT, re.MULTILINE)
    assert found, "the head of constraints.txt no longer says what is left out"
    return set(found[1].split())


@pytest.mark.parametrize("line", asked())
def test_what_pyproject_asks_for_is_pinned(line: str) -> None:
    requirement = Requirement(line)
    pinned, _ = pins()[canonicalize_name(requirement.name)]
    version = pinned.specifier.__str__().removeprefix("==")
    assert requirement.specifier.contains(version), f"pyproject.toml says {line}; run make lock"


def test_every_pin_is_one_version_with_hashes() -> None:
    for name, (pinned, hashes) in pins().items():
        assert [one.operator for one in pinned.specifier] == ["=="], name
        assert hashes and all(re.fullmatch(r"sha256:[0-9a-f]{64}", one) for one in hashes), name
        assert len(set(hashes)) == len(hashes), f"{name} has a hash twice"


def test_what_the_pinned_packages_ask_for_is_pinned_too() -> None:
    """pip is told not to follow dependencies, so a gap would be found only when something fails to import."""
    made, seen = pins(), 0
    for name, (pinned, _) in made.items():
        try:
            needed = requires(name) or []
        except PackageNotFoundError:  # meant for another Python or platform
            assert pinned.marker is not None and not pinned.marker.evaluate(), f"{name} is not installed"
            continue
        for line in needed:
            requirement = Requirement(line)
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                other = canonicalize_name(requirement.name)
                assert other in made or (name == "torch" and other in left_out()), f"{name} needs {line}"
                seen += 1
    assert seen > 100


def test_only_a_cuda_build_is_left_out_and_nothing_is_both() -> None:
    assert left_out() and not left_out() & pins().keys()
    assert all(re.match(r"cuda-|nvidia-|triton$", name) for name in left_out())


def test_setup_installs_by_hash() -> None:
    """The recipe of `make setup` checks the hashes of everything in the file, and builds with nothing else."""
    recipe = subprocess.run(
        ["make", "--dry-run", "--always-make", "setup"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    assert "--no-deps --require-hashes --requirement constraints.txt" in recipe
    assert "--no-deps --no-build-isolation --editable ." in recipe


def test_the_cpu_build_of_torch_is_the_same_version_and_accepted() -> None:
    text = (ROOT / "constraints-cpu.txt").read_text("utf-8")
    torch, hashes = pins()["torch"]
    assert re.findall(r"^torch(==\S+)\+cpu ", text, re.MULTILINE) == [str(torch.specifier)]
    own = re.findall(r"--hash=(sha256:[0-9a-f]{64})", text)
    assert own and set(own) < set(hashes), "run make lock"
