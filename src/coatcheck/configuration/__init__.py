"""One validated settings object, from code, environment variables and a TOML file."""

from coatcheck.configuration.console_options import ConsoleOptions
from coatcheck.configuration.provider_options import ProviderOptions
from coatcheck.configuration.serve_options import ServeOptions
from coatcheck.configuration.settings import Settings
from coatcheck.configuration.store_options import StoreOptions

__all__ = ["ConsoleOptions", "ProviderOptions", "ServeOptions", "Settings", "StoreOptions"]
