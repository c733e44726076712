"""The runbook as it is written: its sections, the commands in them, and the sentences that they begin with."""

import re
from dataclasses import dataclass

from healthcare_assets.environments import PROJECT_ROOT

PATH = PROJECT_ROOT / "docs" / "runbook.md"
BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_SUBJECT = re.compile(r"`(\w+: \w+)`")


@dataclass(frozen=True, kw_only=True)
class Section:
    heading: str
    text: str

    @property
    def blocks(self) -> list[str]:
        """The commands, a text a block."""
        return BLOCK.findall(self.text)

    @property
    def subjects(self) -> list[str]:
        """The alerts that the section is about."""
        return _SUBJECT.findall(self.heading)

    @property
    def sentences(self) -> list[str]:
        """What is said when it happens; `…` stands for what the moment fills in."""
        return [line.removeprefix("> ") for line in self.text.splitlines() if line.startswith("> ")]

    def tells_of(self, said: str) -> bool:
        """Whether one of its sentences is in what was said."""
        text = " ".join(said.split())
        return any(re.search(re.escape(sentence).replace("…", ".*?"), text) for sentence in self.sentences)


def sections(document: str = "") -> dict[str, Section]:
    """By heading, those of the second and the third level."""
    parts = re.split(r"^###? (.+)$", document or PATH.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {
        heading: Section(heading=heading, text=text) for heading, text in zip(parts[1::2], parts[2::2], strict=True)
    }
