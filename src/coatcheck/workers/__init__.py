"""Cloudflare Workers: a `fetch` handler with sessions, for a function of yours or any ASGI application.

>>> worker = SessionWorker(lambda env: AsyncSessions(AsyncD1Store(env.DB)), answer)
>>> class Default(WorkerEntrypoint):
...     async def fetch(self, request):
...         return await worker.fetch(request, self.env, self.ctx)
"""

from coatcheck.asgi import DeviceBindingRequired, RecentAuthRequired, RequestContext, SignInRequired, safe_next
from coatcheck.bindings import D1, KV, SERVICE, binding_of
from coatcheck.workers.fetching import Fetch
from coatcheck.workers.messages import Request, Response
from coatcheck.workers.values import AsyncKVValues
from coatcheck.workers.worker import ASGIWorker, SessionWorker

__all__ = [
    "D1",
    "KV",
    "SERVICE",
    "ASGIWorker",
    "AsyncKVValues",
    "DeviceBindingRequired",
    "Fetch",
    "RecentAuthRequired",
    "Request",
    "RequestContext",
    "Response",
    "SessionWorker",
    "SignInRequired",
    "binding_of",
    "safe_next",
]
