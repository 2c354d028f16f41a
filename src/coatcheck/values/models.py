"""Values of the types that Pydantic knows: models, its dataclasses, and whatever contains one."""

from __future__ import annotations

from functools import partial
from typing import Any

import pydantic

from coatcheck.errors import ConfigurationError
from coatcheck.values.checked import CheckedCodec
from coatcheck.values.frozen import deeply_frozen


def pydantic_codec(type_: Any) -> CheckedCodec:
    """Return the codec of a type; fields are written under their own names, for those are what all versions read.

    Raises:
        ConfigurationError: Pydantic does not know it.
    """
    try:
        adapter = pydantic.TypeAdapter[Any](type_)
    except (pydantic.errors.PydanticUserError, TypeError, NameError) as error:
        msg = f"Pydantic does not know it ({type(error).__name__})"
        raise ConfigurationError(msg) from None
    if "import_string" in str(adapter.core_schema):
        msg = "ImportString would import what the data names"
        raise ConfigurationError(msg)
    write = partial(adapter.dump_json, by_alias=False, round_trip=True, warnings="none")
    read = partial(adapter.validate_json, by_alias=False, by_name=True)
    return CheckedCodec(type_, write=write, read=read, shareable=deeply_frozen(type_))
