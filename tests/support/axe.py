"""axe-core in a page: what keeps people with a screen reader, a keyboard or weak eyes out."""

from collections.abc import Sequence
from pathlib import Path

import axe_playwright_python
from playwright.sync_api import Page

SCRIPT = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text()
CONTRAST = ["color-contrast"]  # all that another colour scheme changes
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
RUN = """async (rules) => {
  for (const details of document.querySelectorAll('details')) details.open = true;
  const found = await axe.run(document, {runOnly: rules, resultTypes: ['violations']});
  return found.violations.flatMap((rule) => rule.nodes.map(
    (node) => `${rule.id}: ${node.html.slice(0, 200)} ${node.failureSummary}`));
}"""


def violations(tab: Page, rules: Sequence[str] = RULES) -> list[str]:
    """What axe finds on the page as it stands, with everything folded out.

    rules  tags of rules, or one rule by its name
    """
    tab.evaluate(SCRIPT)
    found: list[str] = tab.evaluate(RUN, rules)
    return found
