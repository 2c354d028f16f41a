"""The side for threads, generated from `_async`; only `_pair` is written by hand."""
