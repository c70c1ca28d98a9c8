"""The settings on the method page match the code: default, bounds, choices."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import pytest

from backend.__main__ import main
from backend.bench.costs import SD15_LATENTS, SD15_TEXT, Costs, job_costs, pass_costs, sd15_unet
from backend.bench.counting import operations
from backend.job_folder.declared import declarations, parse_assignment
from backend.job_folder.families import FAMILIES, resolve, typed_values
from backend.job_folder.settings import Settings
from install.models.catalogue import read_catalogue
from tests.documents import ROOT, code_spans, rows

METHOD, README = ROOT / "docs" / "method.md", ROOT / "README.md"
KNOWN = declarations(Settings)
NAMES = list(KNOWN)


def table(columns: int) -> dict[str, list[str]]:
    """The rows with this many columns whose first cell is only `code`, by that code."""
    found = [row for row in rows(METHOD) if len(row) == columns and re.fullmatch("`[^`]+`", row[0])]
    return {row[0].strip("`"): row[1:] for row in found}


def test_every_setting_has_its_row_as_it_is_declared():
    wanted = {one.name: [one.default_text, one.range_text, one.description] for one in KNOWN.values()}
    assert table(4) == wanted, "\n".join(f"| `{name}` | {' | '.join(row)} |" for name, row in wanted.items())


@pytest.mark.parametrize("one", KNOWN.values(), ids=list(KNOWN))
def test_a_declaration_is_complete_and_allows_its_own_default(one):
    assert one.typed(one.default) == one.default and one.label and one.group
    assert one.description[0].isupper() or one.description.split()[0] in one.choices
    assert not one.description.endswith(".") and len(one.description) < 120
    numbers = one.kind in ("int", "int | None", "float", "tuple[float, ...]")
    assert bool(one.bounds) == numbers, "numbers need bounds"


def test_the_command_line_lists_them_all(capsys):
    assert main(["settings"]) == 0
    said = capsys.readouterr().out
    for one in KNOWN.values():
        assert f"  {one.name} = {one.default_text}  ({one.range_text})" in said and one.description in said
    assert main(["settings", "--json"]) == 0
    assert [row["name"] for row in json.loads(capsys.readouterr().out)] == list(KNOWN)


def test_every_family_has_its_row():
    papers = {name for name, row in table(2).items() if "arXiv:" in row[0]}
    assert table(2).keys() - papers == set(FAMILIES)


@pytest.mark.slow
def test_the_costs_are_those_that_the_bench_counts():
    """A catalogue model's row is checked with its own settings."""
    known = {}

    def costs_of(settings: Settings) -> Costs:
        key = (settings.method, settings.guidance_blocks)
        if key not in known:
            known[key] = pass_costs(sd15_unet(), SD15_LATENTS, SD15_TEXT, settings, operations)
        return known[key]

    def whole(*assignments: str, shipped: Mapping[str, Any] = MappingProxyType({})) -> float:
        settings = resolve(shipped, dict(map(parse_assignment, assignments)))
        return job_costs(settings, costs_of(settings)).whole

    costs = costs_of(resolve({}, {"family": "paper"}))
    found = [row for row in rows(METHOD) if len(row) == 2 and re.fullmatch(r"[\d,.]+", row[1])]
    said = {row[0]: float(row[1].replace(",", "")) for row in found}
    lcm = read_catalogue().models["realistic-lcm"].settings
    counted = {
        "a plain step (with a negative prompt or none)": costs.pair / costs.single,
        "a guided step": job_costs(resolve({}, {"family": "paper"}), costs).guided_step,
        "a guided step that reuses a gradient": costs.pair / costs.single,
        "reading the motion, once a shot": costs.reading / costs.single,
        "a clip with `family=paper`": whole("family=paper"),
        "the same without guidance": whole("family=paper", "motion_strength=0"),
        "the same with `reuse_negative=3`": whole("family=paper", "reuse_negative=3"),
        "`sampler=dpm++2m`, 25 steps, 12 guided": whole("sampler=dpm++2m", "steps=25", "guided_steps=12"),
        "`realistic-lcm`: 8 steps, 4 guided, `cfg_scale=1.5`": whole(shipped=lcm),
        "the same with `cfg_scale=1`, without a negative prompt": whole("cfg_scale=1", shipped=lcm),
        "a clip with `family=inversion`": whole("family=inversion"),
    }
    assert said == {what: round(passes, 1 if passes < 20 else 0) for what, passes in counted.items()}


def test_settings_that_the_pages_write_are_settings():
    for page in (METHOD, README):
        for span in code_spans(page):
            words = span.removeprefix("--set ").split()
            if words and all("=" in word and word.partition("=")[0] in [*NAMES, "family"] for word in words):
                typed_values(dict(map(parse_assignment, words)))
