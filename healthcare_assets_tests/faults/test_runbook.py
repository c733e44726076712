"""The runbook has a section for whatever can be told, and each section says what to do and when it is over."""

import re
from collections import Counter

import pytest

from healthcare_assets.definitions import defs
from healthcare_assets.defs.sensors.evaluations import watched_in
from healthcare_assets_tests.faults.runbook import BLOCK, Section, sections

SECTIONS = sections()
LEAVES = [section for heading, section in SECTIONS.items() if heading not in ("Before anything", "Alerts", "Failures")]


def test_each_alert_that_can_be_sent_has_its_section_and_no_other_has() -> None:
    told = Counter(subject for section in SECTIONS.values() for subject in section.subjects)
    assert set(told) == watched_in(defs().get_repository_def()).names
    assert set(told.values()) == {1}


@pytest.mark.parametrize("section", LEAVES, ids=lambda section: section.heading[:60])
def test_a_section_says_what_it_means_what_to_do_and_when_it_is_over(section: Section) -> None:
    parts = [section.text.index(part) for part in ("**Means.**", "**Do.**", "**Over when**")]
    assert parts == sorted(parts)


def test_no_command_stands_outside_of_a_block_of_the_shell() -> None:
    text = "".join(section.text for section in SECTIONS.values())
    assert text.count("```") == 2 * sum(len(section.blocks) for section in SECTIONS.values())


def test_what_sections_refer_to_is_there() -> None:
    prose = " ".join(BLOCK.sub("", "".join(section.text for section in SECTIONS.values())).split())
    referred = set(re.findall(r'"([A-Z][^"]+)"', prose)) - {"Materialize"}
    assert referred
    assert referred <= SECTIONS.keys()
