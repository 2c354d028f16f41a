"""For every test: how Hypothesis looks for examples, and the servers that tests can ask for."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

from tests.servers.fixtures import postgresql, postgresql_url, valkey, valkey_url

__all__ = ["postgresql", "postgresql_url", "valkey", "valkey_url"]

# No deadline anywhere: a test says what happens, never how fast this machine is.
settings.register_profile("dev", deadline=None)
# The same examples in every run, so that a failure is about the change it came with.
settings.register_profile(
    "ci",
    deadline=None,
    derandomize=True,
    database=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
# For a long search by hand: HYPOTHESIS_PROFILE=thorough make test
settings.register_profile("thorough", deadline=None, max_examples=5_000)

settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci" if os.environ.get("CI") else "dev"))
