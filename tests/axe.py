"""Accessibility faults of a page, found by axe-core (tests/vendor) in the browser that shows it."""

import json
from pathlib import Path

from browser import Page

AXE = Path(__file__).with_name("vendor") / "axe.min.js"

SERIOUS = ("serious", "critical")

RULES_OF_COLOUR = ("color-contrast", "link-in-text-block")
"""The only rules whose result depends on the colour scheme."""

REPEATED = ["tr:nth-child(n+7)", ".heat td:nth-child(n+6):not(.n)", ".heat th:nth-child(n+6):not(.n)"]
"""Further rows and cells of a table have the same markup as those before them. Checking each takes most of the time."""

_FIND = """
axe.run({exclude: %s}, {resultTypes: ["violations"], preload: false, iframes: false%s}).then((result) => JSON.stringify(
  result.violations.flatMap((rule) => rule.nodes.map((node) =>
    [rule.id, rule.impact, node.target.join(" "), node.failureSummary]))))
"""


def serious_faults(page: Page, *rules: str) -> list[str]:
    """Return each serious or critical fault of the shown page. `rules`: only these rules of axe-core, or all."""
    if not page.evaluate("typeof axe === 'object'"):
        page.evaluate(AXE.read_text(encoding="utf-8"))
    only = f", runOnly: {json.dumps(rules)}" if rules else ""
    find = _FIND % (json.dumps([[each] for each in REPEATED]), only)
    answer = page.call("Runtime.evaluate", expression=find, awaitPromise=True, returnByValue=True)["result"]
    found = json.loads(answer["value"])
    return [f"{rule}: {target}: {why}" for rule, impact, target, why in found if impact in SERIOUS]
