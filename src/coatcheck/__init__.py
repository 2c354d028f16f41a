"""Server-side sessions: validated from memory, and refused everywhere once revoked. And a cache as coherent."""

from coatcheck import lifetimes
from coatcheck._async.api_tokens import AsyncApiTokens
from coatcheck._async.audit_trail import AsyncAuditTrail
from coatcheck._async.cache import AsyncCache
from coatcheck._async.fleet_numbers import AsyncFleetNumbers
from coatcheck._async.impersonation import AsyncImpersonation
from coatcheck._async.pending_sign_ins import AsyncPendingSignIns
from coatcheck._async.provider_sessions import AsyncProviderSessions
from coatcheck._async.session_search import AsyncSessionSearch
from coatcheck._async.sessions import AsyncSessions
from coatcheck._async.tickets import AsyncTickets
from coatcheck._async.token_pairs import AsyncTokenPairs
from coatcheck._sync.api_tokens import ApiTokens
from coatcheck._sync.audit_trail import AuditTrail
from coatcheck._sync.cache import Cache
from coatcheck._sync.fleet_numbers import FleetNumbers
from coatcheck._sync.impersonation import Impersonation
from coatcheck._sync.pending_sign_ins import PendingSignIns
from coatcheck._sync.provider_sessions import ProviderSessions
from coatcheck._sync.session_search import SessionSearch
from coatcheck._sync.sessions import Sessions
from coatcheck._sync.tickets import Tickets
from coatcheck._sync.token_pairs import TokenPairs
from coatcheck.actors import acting
from coatcheck.configuration import ProviderOptions, ServeOptions, Settings, StoreOptions
from coatcheck.core.answers import Created, NotSignedIn, Rotated
from coatcheck.core.api_tokens import ApiToken, NewApiToken, TokenPair
from coatcheck.core.audit import AuditEntry, AuditPage
from coatcheck.core.cookies import CookieSettings
from coatcheck.core.cross_origin import CrossOriginPolicy
from coatcheck.core.dbsc.settings import DeviceBinding
from coatcheck.core.dpop.settings import DPoP
from coatcheck.core.events import Event
from coatcheck.core.filters import Filter, SessionPage
from coatcheck.core.fleet import FleetReading
from coatcheck.core.form_tokens import FormTokens
from coatcheck.core.imported import ImportedTokens
from coatcheck.core.policy import Policy
from coatcheck.core.session import Session
from coatcheck.core.settings import CacheSettings, ProviderSettings, SharedCacheSettings, ValueSettings
from coatcheck.core.tickets import PendingSignIn, Ticket
from coatcheck.core.tokens import Token, TokenHash
from coatcheck.core.users import User
from coatcheck.errors import (
    CoatcheckError,
    ConfigurationError,
    DataError,
    FormTokenRejected,
    ImpersonationRefused,
    LimitReached,
    SchemaError,
    TransactionRequired,
    Unavailable,
)
from coatcheck.stores.users import UsersTable

__all__ = [
    "ApiToken",
    "ApiTokens",
    "AsyncApiTokens",
    "AsyncAuditTrail",
    "AsyncCache",
    "AsyncFleetNumbers",
    "AsyncImpersonation",
    "AsyncPendingSignIns",
    "AsyncProviderSessions",
    "AsyncSessionSearch",
    "AsyncSessions",
    "AsyncTickets",
    "AsyncTokenPairs",
    "AuditEntry",
    "AuditPage",
    "AuditTrail",
    "Cache",
    "CacheSettings",
    "CoatcheckError",
    "ConfigurationError",
    "CookieSettings",
    "Created",
    "CrossOriginPolicy",
    "DPoP",
    "DataError",
    "DeviceBinding",
    "Event",
    "Filter",
    "FleetNumbers",
    "FleetReading",
    "FormTokenRejected",
    "FormTokens",
    "Impersonation",
    "ImpersonationRefused",
    "ImportedTokens",
    "LimitReached",
    "NewApiToken",
    "NotSignedIn",
    "PendingSignIn",
    "PendingSignIns",
    "Policy",
    "ProviderOptions",
    "ProviderSessions",
    "ProviderSettings",
    "Rotated",
    "SchemaError",
    "ServeOptions",
    "Session",
    "SessionPage",
    "SessionSearch",
    "Sessions",
    "Settings",
    "SharedCacheSettings",
    "StoreOptions",
    "Ticket",
    "Tickets",
    "Token",
    "TokenHash",
    "TokenPair",
    "TokenPairs",
    "TransactionRequired",
    "Unavailable",
    "User",
    "UsersTable",
    "ValueSettings",
    "acting",
    "lifetimes",
]
