"""A console for administrators: who is signed in, and how to end it; drawn on the server, and usable without a script.

>>> app = Starlette(routes=console_routes(Console(sessions, ConsoleOptions(operators=["ada:scrypt:…"]))))

`coatcheck serve` has it where the settings name operators. It needs Starlette, and no template engine.
"""

from coatcheck.configuration.console_options import ConsoleOptions
from coatcheck.console.mounting import console_routes
from coatcheck.console.routes import Console

__all__ = ["Console", "ConsoleOptions", "console_routes"]
