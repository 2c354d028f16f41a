"""Writes the side for threads from the asyncio side; with --check, says whether it is current.

Each rule replaces one word or phrase. A rule that never fires is an error, so that the list stays true.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

SOURCE = Path(__file__).parent.parent / "src" / "coatcheck"

FILES = {
    "_async/access_tokens.py": "_sync/access_tokens.py",
    "_async/api_tokens.py": "_sync/api_tokens.py",
    "_async/devices.py": "_sync/devices.py",
    "_async/audit_trail.py": "_sync/audit_trail.py",
    "_async/cache.py": "_sync/cache.py",
    "_async/cached_calls.py": "_sync/cached_calls.py",
    "_async/cached_reads.py": "_sync/cached_reads.py",
    "_async/impersonation.py": "_sync/impersonation.py",
    "_async/waiting.py": "_sync/waiting.py",
    "_async/kindred.py": "_sync/kindred.py",
    "_async/counted_answers.py": "_sync/counted_answers.py",
    "_async/fleet_numbers.py": "_sync/fleet_numbers.py",
    "_async/leases.py": "_sync/leases.py",
    "_async/log_reader.py": "_sync/log_reader.py",
    "_async/namespace.py": "_sync/namespace.py",
    "_async/new_devices.py": "_sync/new_devices.py",
    "_async/pending_sign_ins.py": "_sync/pending_sign_ins.py",
    "_async/proofs.py": "_sync/proofs.py",
    "_async/opened.py": "_sync/opened.py",
    "_async/provider_base.py": "_sync/provider_base.py",
    "_async/provider_reads.py": "_sync/provider_reads.py",
    "_async/provider_sessions.py": "_sync/provider_sessions.py",
    "_async/reading_ahead.py": "_sync/reading_ahead.py",
    "_async/tiers.py": "_sync/tiers.py",
    "_async/validating.py": "_sync/validating.py",
    "_async/values.py": "_sync/values.py",
    "_async/follower.py": "_sync/follower.py",
    "_async/tickets.py": "_sync/tickets.py",
    "_async/token_pairs.py": "_sync/token_pairs.py",
    "_async/touches.py": "_sync/touches.py",
    "_async/session_base.py": "_sync/session_base.py",
    "_async/session_reads.py": "_sync/session_reads.py",
    "_async/session_endings.py": "_sync/session_endings.py",
    "_async/session_search.py": "_sync/session_search.py",
    "_async/sessions.py": "_sync/sessions.py",
    "_async/sealed_slots.py": "_sync/sealed_slots.py",
    "_async/shared_tier.py": "_sync/shared_tier.py",
    "django/async_engine.py": "django/engine.py",
    "django/async_request_context.py": "django/request_context.py",
    "caches/async_protocol.py": "caches/protocol.py",
    "caches/valkey/async_cache.py": "caches/valkey/cache.py",
    "providers/appwrite/async_appwrite.py": "providers/appwrite/appwrite.py",
    "providers/introspection/async_introspection.py": "providers/introspection/introspection.py",
    "providers/logout_tokens/async_keys.py": "providers/logout_tokens/keys.py",
    "providers/logout_tokens/async_tokens.py": "providers/logout_tokens/tokens.py",
    "providers/async_protocol.py": "providers/protocol.py",
    "providers/better_auth/async_http.py": "providers/better_auth/http.py",
    "providers/async_exchange.py": "providers/exchange.py",
    "providers/async_sockets.py": "providers/sockets.py",
    "providers/async_upstream.py": "providers/upstream.py",
    "providers/better_auth/async_access.py": "providers/better_auth/access.py",
    "providers/better_auth/async_database.py": "providers/better_auth/database.py",
    "providers/better_auth/async_postgresql.py": "providers/better_auth/postgresql.py",
    "providers/better_auth/async_sqlite.py": "providers/better_auth/sqlite.py",
    "providers/better_auth/async_triggers.py": "providers/better_auth/triggers.py",
    "stores/async_protocol.py": "stores/protocol.py",
    "stores/postgresql/async_callers.py": "stores/postgresql/callers.py",
    "stores/postgresql/async_connections.py": "stores/postgresql/connections.py",
    "stores/postgresql/async_listener.py": "stores/postgresql/listener.py",
    "stores/postgresql/async_replica.py": "stores/postgresql/replica.py",
    "stores/postgresql/async_store.py": "stores/postgresql/store.py",
    "stores/sqlite/async_store.py": "stores/sqlite/store.py",
    "stores/valkey/async_base.py": "stores/valkey/base.py",
    "stores/valkey/async_changes.py": "stores/valkey/changes.py",
    "stores/valkey/async_endings.py": "stores/valkey/endings.py",
    "stores/valkey/async_listener.py": "stores/valkey/listener.py",
    "stores/valkey/async_readings.py": "stores/valkey/readings.py",
    "stores/valkey/async_store.py": "stores/valkey/store.py",
    "stores/valkey/async_trail.py": "stores/valkey/trail.py",
    "web/async_asking.py": "web/asking.py",
    "web/async_accounts.py": "web/accounts.py",
    "web/async_acting.py": "web/acting.py",
    "web/async_waiting_cookie.py": "web/waiting_cookie.py",
    "web/async_authority.py": "web/authority.py",
    "web/async_bearer.py": "web/bearer.py",
    "web/async_device_endpoints.py": "web/device_endpoints.py",
    "web/async_context.py": "web/context.py",
    "web/async_login_flows.py": "web/login_flows.py",
    "web/async_proof_gate.py": "web/proof_gate.py",
    "web/async_request_session.py": "web/request_session.py",
    "web/async_second_factor.py": "web/second_factor.py",
    "testing/async_faulty.py": "testing/faulty.py",
    "testing/async_memory.py": "testing/memory.py",
    "testing/_async_memory/__init__.py": "testing/_memory/__init__.py",
    "testing/_async_memory/base.py": "testing/_memory/base.py",
    "testing/_async_memory/changes.py": "testing/_memory/changes.py",
    "testing/_async_memory/endings.py": "testing/_memory/endings.py",
    "testing/_async_memory/trail.py": "testing/_memory/trail.py",
    "testing/async_memory_cache.py": "testing/memory_cache.py",
    "testing/async_cache_conformance.py": "testing/cache_conformance.py",
    "testing/async_conformance.py": "testing/conformance.py",
    "testing/_async_suite/__init__.py": "testing/_suite/__init__.py",
    "testing/_async_suite/common.py": "testing/_suite/common.py",
    "testing/_async_suite/acting.py": "testing/_suite/acting.py",
    "testing/_async_suite/rows.py": "testing/_suite/rows.py",
    "testing/_async_suite/changes.py": "testing/_suite/changes.py",
    "testing/_async_suite/devices.py": "testing/_suite/devices.py",
    "testing/_async_suite/endings.py": "testing/_suite/endings.py",
    "testing/_async_suite/kinds.py": "testing/_suite/kinds.py",
    "testing/_async_suite/limits.py": "testing/_suite/limits.py",
    "testing/_async_suite/log.py": "testing/_suite/log.py",
    "testing/_async_suite/auditing.py": "testing/_suite/auditing.py",
    "testing/_async_suite/numbers.py": "testing/_suite/numbers.py",
    "testing/_async_suite/retiring.py": "testing/_suite/retiring.py",
    "testing/_async_suite/searching.py": "testing/_suite/searching.py",
    "testing/_async_suite/spending.py": "testing/_suite/spending.py",
}

RULES = [
    (r"async with ", "with "),
    (r"async def ", "def "),
    (r"await ", ""),
    (r"\bAwaitable\[([^\[\]]+(?:\[[^\[\]]+\])?)\]", r"\1"),
    (r"\bAwaitable, ", ""),
    (r"\b__aenter__\b", "__enter__"),
    (r"\b__aexit__\b", "__exit__"),
    (r"\baclose\b", "close"),
    (r"\bAsync(\w+)", r"\1"),
    (r"\b_async\.", "_sync."),
    (r"\basync_protocol\b", "protocol"),
    (r"\b_async_threads\b", "_threads"),
    (r"\b_async_wire\b", "_wire"),
    (r"\b_async_clients\b", "_clients"),
    (r"\b_async_pair\b", "_pair"),
    (r"\b_async_(memory|suite)\b", r"_\1"),
    (r"\basync_together\b", "together"),
    (r"\basync_sleep\b", "sleep"),
    (r"\basync_(acting|asking|authority|context|devices_of|device_answer|leave|waiting_cookie)\b", r"\1"),
    (r"\basync_(proofs_of|proof_gate)\b", r"\1"),
    (r"\basync for ", "for "),
    (r"\baiter_bytes\b", "iter_bytes"),
    (r"\basync_(run|run_inside|callers|connections|listener|replica|upstream)\b", r"\1"),
    (r"\basync_(access|database|exchange|postgresql|sockets|sqlite|triggers)\b", r"\1"),
    (r"\basync_(base|changes|endings|readings|trail)\b", r"\1"),
    (r"\basync_(run|run_inside|callers|connections|listener|replica|upstream|introspection|keys|tokens)\b", r"\1"),
    (r"\bASYNC = True", "ASYNC = False"),
    (r"\basync_(store|cache)_from_url\b", r"\1_from_url"),
    (r"\basync_(engine|entry|open_sessions)\b", r"\1"),
    (
        r"\ba(load|exists|create|save|cycle_key|delete|clear_expired|current|first|get|renew|look_again|settle|login|logout)\b",
        r"\1",
    ),
    (r"\b_a(read|recheck|take_over|end_of|end|insert|leave|change_user|update|get_session)\b", r"_\1"),
    (r"\bfor asyncio\b", "for threads"),
    (r"(The one|Those|That) for threads (is|are) generated( from it)?\.", "Generated from the asyncio side."),
]

HEADER = "# Generated from {source} by tools/generate_sync.py: edit that, run `make generate`.\n"
LONGEST_LINE = 120


def converted(text: str, used: set[str]) -> str:
    """Return the text with every rule applied."""
    for pattern, replacement in RULES:
        text, count = re.subn(pattern, replacement, text)
        if count:
            used.add(pattern)
    return text


def header_of(source: str) -> str:
    """Return the first lines of a generated file."""
    line = HEADER.format(source=source)
    return line if len(line) <= LONGEST_LINE else line.replace(": edit", ":\n# edit")


def formatted(text: str, target: Path) -> str:
    """Return the text as the formatter leaves it."""
    command = [sys.executable, "-m", "ruff"]
    path = str(target)
    fixed = subprocess.run(
        [*command, "check", "--select", "I", "--fix", "--quiet", "--stdin-filename", path, "-"],
        input=text,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    return subprocess.run(
        [*command, "format", "--stdin-filename", path, "-"],
        input=fixed,
        capture_output=True,
        text=True,
        check=True,
    ).stdout


def main() -> int:
    """Write or check all files; returns the exit code."""
    check = "--check" in sys.argv[1:]
    used: set[str] = set()
    stale = []
    for source, target in FILES.items():
        text = header_of(source) + converted((SOURCE / source).read_text(), used)
        text = formatted(text, SOURCE / target)
        path = SOURCE / target
        if path.exists() and path.read_text() == text:
            continue
        stale.append(target)
        if not check:
            path.write_text(text)
    unused = [pattern for pattern, _ in RULES if pattern not in used]
    for pattern in unused:
        print(f"the rule {pattern!r} never fires: remove it")
    for target in stale:
        print(f"{target} {'is not current: run `make generate`' if check else 'written'}")
    return 1 if unused or (check and stale) else 0


if __name__ == "__main__":
    sys.exit(main())
