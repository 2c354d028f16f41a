"""Named times to live, so that every cache of an application means the same by the same word."""

from datetime import timedelta

SESSIONS = timedelta(days=7)
"""What belongs to a session, such as a visitor's basket."""

AUTH_TOKENS = timedelta(hours=1)
"""What was learned about a token that somebody else issued."""

QUERY_RESULTS = timedelta(minutes=5)
"""What a costly query returned."""

FEATURE_FLAGS = timedelta(hours=1)
"""Which features are on, and for whom."""

STATIC_CONFIGURATION = timedelta(hours=24)
"""What changes with a deployment only."""
