"""What a running site says of itself: whether browsers may come back to it without encryption (rule H3)."""

from __future__ import annotations

import ssl
from http.client import HTTPException, HTTPSConnection
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from coatcheck.core.refusals import refuse
from coatcheck.describe.web import transport_security_line
from coatcheck.errors import Unavailable

if TYPE_CHECKING:
    from coatcheck.describe import Line

_SECONDS: Final = 10


def transport_security(url: str) -> Line:
    """Return what a site's answer says of its protection, from one request for its address.

    Redirects are not followed: the answer itself has to say it (ASVS 3.4.1).

    Raises:
        ConfigurationError: The address is none of a site that is encrypted.
        Unavailable: The site did not answer, or nobody can tell that it is the site.
    """
    parts = urlsplit(url)
    if parts.scheme != "https" or not parts.hostname or parts.username is not None:
        refuse("site", url, "use its address, such as 'https://shop.example.org/'")
    connection = HTTPSConnection(parts.hostname, parts.port, timeout=_SECONDS, context=ssl.create_default_context())
    try:
        connection.request("GET", parts.path or "/", headers={"User-Agent": "coatcheck check"})
        said = connection.getresponse().headers.get("Strict-Transport-Security")
    except (OSError, HTTPException) as error:
        msg = f"{parts.netloc} did not answer: {type(error).__name__}: {error}"
        raise Unavailable(msg) from error
    finally:
        connection.close()
    return transport_security_line(said)
