"""What is measured after an import: every stage is run and has its seconds and its peak."""

from __future__ import annotations

import reading

from training.studies.scale_stages import stages


def test_every_stage_has_seconds_and_a_peak_that_never_falls(tmp_path, monkeypatch):
    monkeypatch.setenv("STAR_DATA", str(tmp_path))
    data = reading.dataset()
    data.save(tmp_path / "small")
    found = stages("small", candidates=20)
    assert (found["readers"], found["items"]) == (len(data.interactions), len(data.catalog))
    assert found["interactions"] == len(data.interactions.items)
    assert found["candidates"] == 20 and found["books"] >= 10
    names = ["load", "split", "graph", "attributes", "signals", "rules", "first query", "queries"]
    assert list(found["stages"]) == names
    for median, tenth in found["query"].values():
        assert 0 < median <= tenth
    assert all(row["seconds"] >= 0 for row in found["stages"].values())
    peaks = [row["peak_mib"] for row in found["stages"].values()]
    assert peaks == sorted(peaks) and peaks[0] > 0
