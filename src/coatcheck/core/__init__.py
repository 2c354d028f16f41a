"""The pure part: decisions about tokens, records, policy, cookies and caches, without I/O and without a clock."""
