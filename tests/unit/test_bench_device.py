"""`bench device`, tried with its tiny model, and what it reports when something is wrong."""

import json
from functools import partial

import pytest

from backend.__main__ import main
from backend.backbones.animatediff.memory_needs import ModelShape, TakeNeeds
from backend.bench.device.model import Shape, short_take
from backend.bench.device.report import Report
from backend.memory.policy import POLICIES


@pytest.mark.slow
def test_every_section_has_its_figures(monkeypatch, capsys, tmp_path):
    for section in ("continuing", "repeating"):
        short = partial(short_take, steps=4, guided_steps=2)
        monkeypatch.setattr(f"backend.bench.device.{section}.short_take", short)
    monkeypatch.setattr("backend.bench.device.repeating.TURNS", 1)
    monkeypatch.setattr("backend.bench.device.policies.ROUNDS", 1)
    assert main(["bench", "device", "--tiny", "--json", "--out", str(tmp_path / "figures.jsonl")]) == 0
    rows = json.loads(capsys.readouterr().out)
    by_section = {}
    for row in rows:
        by_section.setdefault(row["section"], []).append(row)
    assert list(by_section) == [
        *("environment", "vectors", "policies", "resume", "deterministic", "decoding", "diffusers", "seeds")
    ]
    assert not any("error" in row or "skipped" in row for row in rows)
    policies = by_section["policies"]
    assert {row["policy"] for row in policies} == {"fast", "balanced", "thrifty"}
    exact = [row for row in policies if row["precision"] == "float32"]
    assert all(row["gradient_cosine"] > 0.9999 and row["guided_step_s"] > row["plain_step_s"] / 2 for row in exact)
    assert all(row["predicted_gb"] > row["plain_predicted_gb"] > 0 for row in policies)
    assert [row["policy"] for row in policies if row["auto_takes_it"]] == ["fast", "fast"]  # in each precision
    off, on = by_section["deterministic"]
    assert on["repeats_exactly"] and 0.2 < on["guided_pass_share"] < 20 and off["guided_pass_share"] is None
    takes = [row for row in by_section["resume"] if row["what"].startswith("a take")]
    assert len(takes) == 4 and all(row["steps_kept"] == 2 and row["same_bits_continued"] for row in takes)
    assert [json.loads(line) for line in (tmp_path / "figures.jsonl").read_text().splitlines()] == rows


@pytest.mark.slow
def test_memory_is_held_against_what_the_product_predicts(monkeypatch, capsys):
    """Without fused attention its matrices count, and `auto` chooses a policy that fits."""

    def rows(fused: bool) -> dict[str, dict]:
        monkeypatch.setattr("backend.backbones.animatediff.backbone.has_fused_attention", lambda *_: fused)
        assert main(["bench", "device", "--tiny", "--json", "--only", "policies"]) == 0
        return {row["policy"]: row for row in json.loads(capsys.readouterr().out) if row["precision"] == "float32"}

    def needs(fused: bool, name: str) -> int:
        shape = ModelShape(width=32, number_bytes=4, latent_scale=8, movable_bytes=0, heads=4, fused=fused)
        return TakeNeeds(shape, Shape.tiny().clip, 1).sampling(POLICIES[name])

    between = (needs(True, "fast") + needs(False, "fast")) / 2
    monkeypatch.setattr("backend.bench.device.policies.free_bytes", lambda _: int(1.2 * between))
    monkeypatch.setattr("backend.bench.device.policies.timed", lambda *_: (1.0, None))  # how long is not asked here
    fused, apart = rows(True), rows(False)
    for name, row in apart.items():
        assert row["attention_fused"] is False and fused[name]["attention_fused"] is True
        assert row["predicted_gb"] == pytest.approx(needs(False, name) / 1e9, rel=1e-3)
        assert row["predicted_gb"] > fused[name]["predicted_gb"]
    assert fused["fast"]["auto_takes_it"] and not apart["fast"]["auto_takes_it"]


def test_only_some_sections(capsys):
    assert main(["bench", "device", "--tiny", "--only", "environment"]) == 0
    assert capsys.readouterr().out.strip().startswith("| environment | device |")


def test_an_unknown_section_is_named(capsys):
    assert main(["bench", "device", "--tiny", "--only", "environment,speeed"]) == 1
    assert "no section 'speeed'" in capsys.readouterr().err


@pytest.mark.parametrize(
    "figures, failed", [({"finite": True}, False), ({"finite": False}, True), ({"tf32": False}, False)]
)
def test_a_broken_promise_is_a_failure(figures, failed):
    report = Report(60)
    report.add("policies", **figures)
    assert report.failed == failed


def test_a_section_that_fails_is_a_row_and_the_next_continues():
    report = Report(60)

    def broken(_):
        raise RuntimeError("no kernel | for this")

    report.attempt("policies", broken)
    report.attempt("seeds", lambda report: report.add("seeds", together=1, seconds=0.123456))
    assert report.failed
    assert "RuntimeError: no kernel \\| for this" in report.table()
    assert "| | 1 | 0.1235 |" in report.table()


def test_no_section_begins_after_its_time(capsys):
    assert main(["bench", "device", "--minutes", "0", "--only", "environment"]) == 0
    assert "no time left" in capsys.readouterr().out
