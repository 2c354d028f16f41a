"""What the machines of several stores have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING

from coatcheck.testing.machine import SessionsMachine

if TYPE_CHECKING:
    from coatcheck.stores.protocol import Store


class SharedStore(SessionsMachine):
    """Workers that share one store, as a site's sessions and its administrators' do; goes before another machine."""

    def __init__(self) -> None:
        super().__init__()
        self.shared = super().make_store()

    def make_store(self) -> Store:
        return self.shared

    def teardown(self) -> None:
        super().teardown()
        self.shared.close()
