"""Typed values as JSON bytes: what both tiers of the cache keep, and what it hands out again."""

from coatcheck.values.codec import Codec, codec_for

__all__ = ["Codec", "codec_for"]
