"""Packages of others: by version and content, under licences that let this one be used."""

import re
from importlib.metadata import Distribution, distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent
# As the packages that ptycho needs to run write them: identifiers of SPDX, names of classifiers, or a line of text.
LICENCES = {
    *("0BSD", "Apache-2.0", "Apache-2.0 WITH LLVM-exception", "BSD-2-Clause", "BSD-3-Clause", "BSL-1.0", "CC0-1.0"),
    *("MIT", "MIT-CMU", "MPL-2.0", "PSF-2.0", "Zlib"),
    *("Apache Software License", "BSD License", "MIT License", "Python Software Foundation License"),
}

_GPL = "License :: OSI Approved :: GNU General Public License v3 (GPLv3)"


def _needed(name: str, extras: tuple[str, ...] = ()) -> dict[str, Distribution]:
    """The distributions that one needs, with itself."""
    found: dict[str, Distribution] = {}
    waiting = [(name, extras)]
    while waiting:
        name, extras = waiting.pop()
        if canonicalize_name(name) in found and not extras:
            continue
        one = found[canonicalize_name(name)] = distribution(name)
        for text in one.requires or ():
            needs = Requirement(text)
            if needs.marker is None or any(needs.marker.evaluate({"extra": extra}) for extra in ("", *extras)):
                waiting.append((needs.name, tuple(needs.extras)))
    return found


def _licences(one: Distribution) -> set[str]:
    """As its metadata state it first: an expression, classifiers, or a text that begins with the name."""
    metadata = one.metadata
    names = [line.rpartition(" :: ")[2] for line in metadata.get_all("Classifier") or () if line.startswith("License")]
    stated = metadata.get("License-Expression") or " AND ".join(names) or (metadata.get("License") or "").split("\n")[0]
    return {part.strip("() ") for part in re.split(r" AND | OR ", stated)}


def test_every_package_that_runs_here_has_a_licence_without_conditions_on_its_users() -> None:
    """All that ptycho needs, directly or not; none is under the GPL."""
    needed = _needed("ptycho")
    assert len(needed) > 30
    assert {name: _licences(one) - LICENCES for name, one in needed.items() if _licences(one) - LICENCES} == {}


@pytest.mark.parametrize(
    "line", ["License-Expression: MIT AND GPL-3.0-only", f"Classifier: {_GPL}", "License: GPLv3", "License: "]
)
def test_another_licence_is_seen(line: str, tmp_path: Path) -> None:
    """Wherever it is stated, and that none is."""
    (tmp_path / "METADATA").write_text(f"Metadata-Version: 2.4\nName: other\nVersion: 1\n{line}\n")
    assert _licences(Distribution.at(tmp_path)) - LICENCES


def test_every_package_of_the_environment_has_hashes() -> None:
    """So pip takes no other file than those that were published with this version."""
    entries = re.split(r"\n(?=\S)", (ROOT / "constraints.txt").read_text().strip())
    pinned = {}
    for entry in entries:
        found = re.match(r"([\w.\-]+)==([\w.+!\-]+)(?: ;[^\\]*)?((?: \\\n    --hash=sha256:[0-9a-f]{64})+)$", entry)
        assert found is not None, entry[:80]
        pinned[canonicalize_name(found[1])] = found[2]
    needed = _needed("ptycho", ("dev",))
    assert set(needed) - {"ptycho"} <= set(pinned)
