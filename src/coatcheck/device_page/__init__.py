"""A page on which people see where they are signed in, and sign out what they do not know.

>>> app = Starlette(routes=[*device_routes(DevicePage(path="/devices", confirm_path="/confirm"))])

It needs Starlette, and no template engine. `coatcheck.fastapi.device_router` is the same for FastAPI.
"""

from coatcheck.device_page.documents import Layout
from coatcheck.device_page.routes import DevicePage, device_routes

__all__ = ["DevicePage", "Layout", "device_routes"]
