import type { Connection } from "./requests.js";
import type { SignedInUser } from "./schema.js";

/** How a client is made. */
export interface ClientOptions<User extends SignedInUser = SignedInUser> {
  /** Where `session_router()` or `identity_router()` is mounted: a path of this site, or an address. "/api" if left out. */
  url?: string;
  /** Which route tells who is signed in: `session`, which is thin, or `me`, with all that is known of them. */
  identity?: "session" | "me";
  /** After how many milliseconds without an answer the server counts as unavailable: 10,000 if left out. */
  timeoutMs?: number;
  /** How many milliseconds have to pass until a look at the page asks again: 5,000 if left out. */
  throttleMs?: number;
  /** Who is signed in, if the page knows already because a server has rendered it: null for nobody. */
  initialSession?: User | null;
  /** What makes the requests: the browser's `fetch` if left out. */
  fetch?: typeof fetch;
}

/**
 * Return where and how the server is asked.
 *
 * @throws {TypeError} An option is not possible.
 */
export function connectionOf(options: Omit<ClientOptions, "initialSession">): Connection {
  const { url = "/api", timeoutMs = 10_000, throttleMs = 0, identity = "session" } = options;
  if (!/^(\/(?!\/)|https?:\/\/)/.test(url) || /[?#]/.test(url)) {
    // A path that depends on the page would be another one on the next.
    refuse("url", url, 'use a path from the root of the site, as "/api", or "https://host/path"');
  }
  if (!(timeoutMs > 0)) refuse("timeoutMs", timeoutMs, "use more than zero milliseconds, as 10_000");
  if (!(throttleMs >= 0)) refuse("throttleMs", throttleMs, "use zero milliseconds or more, as 5_000");
  if (!["session", "me"].includes(identity)) refuse("identity", identity, 'use "session" or "me"');
  // Looked up for each request: something may have put its own in place since. Some browsers insist on its `this`.
  const fetching = options.fetch ?? ((...request: Parameters<typeof fetch>) => globalThis.fetch(...request));
  return { url: url.replace(/\/+$/, ""), fetch: fetching, timeoutMs };
}

function refuse(option: string, value: unknown, fix: string): never {
  throw new TypeError(`${option}: ${JSON.stringify(value)} is not possible: ${fix}`);
}
