// A real OAuth 2.0 and OpenID Connect server, as tests/servers/oidc_provider.py configures it.
// Paths under /-/ are ours: what was asked how often, and whether it shall fail.

import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { Provider } from "oidc-provider";

const { port, clients, lifetime } = JSON.parse(readFileSync(process.argv[2], "utf8"));

const API = "https://api.example.com";

const provider = new Provider(`http://127.0.0.1:${port}`, {
  clients,
  cookies: { keys: ["not a secret: it keeps test users apart"] },
  claims: { openid: ["sub"], email: ["email"] },
  extraTokenClaims: (ctx, token) =>
    token.accountId ? { username: token.accountId, email: `${token.accountId}@example.com` } : undefined,
  features: {
    backchannelLogout: { enabled: true },
    clientCredentials: { enabled: true },
    devInteractions: { enabled: true },
    introspection: { enabled: true },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => API,
      getResourceServerInfo: () => ({ scope: "orders:read", audience: API, accessTokenFormat: "opaque" }),
      useGrantedResource: () => true,
    },
    revocation: { enabled: true, allowedPolicy: () => true },
    rpInitiatedLogout: { enabled: true },
  },
  // Its own refuses to go to loopback addresses, and waits for two and a half seconds: not enough for a loaded machine.
  fetch: (url, { dispatcher, signal, ...options }) => fetch(url, { ...options, signal: AbortSignal.timeout(60_000) }),
  findAccount: (ctx, id) => ({ accountId: id, claims: () => ({ sub: id, email: `${id}@example.com` }) }),
  issueRefreshToken: async (ctx, client) => client.grantTypeAllowed("refresh_token"),
  scopes: ["openid", "offline_access", "orders:read"],
  ttl: { AccessToken: lifetime, ClientCredentials: lifetime, Grant: 86400, Session: 86400, IdToken: 3600, Interaction: 3600, RefreshToken: 86400 },
});

const asked = {};
let failing = 0;

provider.on("backchannel.error", (ctx, error) => console.log("backchannel.error", error.message));
provider.on("server_error", (ctx, error) => console.log("server_error", error));

const answer = provider.callback();

createServer((request, response) => {
  const { pathname, searchParams } = new URL(request.url, "http://127.0.0.1");
  if (pathname === "/-/asked") {
    response.end(JSON.stringify(asked));
  } else if (pathname === "/-/fail") {
    failing = Number(searchParams.get("status"));
    response.end();
  } else {
    asked[pathname] = (asked[pathname] ?? 0) + 1;
    if (failing) {
      response.statusCode = failing;
      response.end("oops");
    } else {
      answer(request, response);
    }
  }
}).listen(port, "127.0.0.1");
