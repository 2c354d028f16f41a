"""One validated settings object, from code, environment variables and a TOML file."""

from coatcheck.configuration.settings import Settings
from coatcheck.configuration.store_options import StoreOptions

__all__ = ["Settings", "StoreOptions"]
