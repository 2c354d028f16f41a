"""Addresses are compared in one form: what means the same is the same, and nothing else is."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from coatcheck.core.dpop.addresses import normal_address, normal_path

SAME = "https://api.example/a/b~c"


@pytest.mark.parametrize(
    "other",
    [
        "HTTPS://API.example/a/b~c",
        "https://api.example:443/a/b~c",
        "https://api.example/a/b%7Ec",
        "https://api.example/a/b%7ec",
        "https://api.example/%61/b~c?query=1#fragment",
        "https://api.example/x/../a/./b~c",
    ],
)
def test_J8_what_means_the_same_address_is_the_same(other: str) -> None:
    assert normal_address(other) == SAME


@pytest.mark.parametrize(
    "other",
    [
        "http://api.example/a/b~c",
        "https://api.example:8443/a/b~c",
        "https://api.example.evil/a/b~c",
        "https://evil@api.example/a/b~c",
        "https://api.example/a/B~c",
        "https://api.example/a%2Fb~c",
        "https://api.example/a/b~c/",
        "https://api.example//a/b~c",
        "/a/b~c",
        "api.example/a/b~c",
        "ftp://api.example/a/b~c",
        "https:///a/b~c",
        "https://api.example/a/b~c\n",
        "https://api.example/a/b~ć",
        "",
    ],
)
def test_J8_what_means_another_address_is_another(other: str) -> None:
    assert normal_address(other) != SAME


def test_an_empty_path_is_the_root() -> None:
    assert normal_address("https://api.example") == normal_address("https://api.example/?a=1") == "https://api.example/"
    assert normal_address("http://[2001:DB8::1]:80") == "http://[2001:db8::1]/"
    assert normal_path("/a/..") == normal_path("/a/b/../..") == normal_path("/..") == "/"


@given(st.text())
@example("https://" + "/" * 5000)
@example("https://api.example" + "/.." * 1000)
def test_the_normal_form_is_its_own(text: str) -> None:
    """And nothing that a client can send is an error."""
    normal = normal_address(text)
    assert normal is None or normal_address(normal) == normal
