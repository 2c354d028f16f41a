"""Whether a page looks right, narrow and wide, light and dark."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Page

SIZES = {360: 740, 1280: 800}


def faults_of(page: Page, axe: str) -> dict[str, object]:
    """Return what is wrong with a page in each of its looks; an empty dictionary if nothing is."""
    page.evaluate(axe)
    found: dict[str, object] = {}
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme="light" if scheme == "light" else "dark")
        for width, height in SIZES.items():
            page.set_viewport_size({"width": width, "height": height})
            # Frames hold a page of their own that is looked at by itself.
            violations = page.evaluate(
                "axe.run({iframes: false}).then(results => results.violations.map("
                "one => [one.id, one.help, one.nodes.map(node => node.html)]))"
            )
            if violations:
                found[f"{scheme} at {width}"] = violations
            wide = page.evaluate("document.documentElement.scrollWidth")
            if wide > width:
                found[f"width at {width}"] = wide
    return found
