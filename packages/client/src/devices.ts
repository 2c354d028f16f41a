import type { Details } from "./requests.js";
import type { DeviceSession, DeviceSessions, EndedSessions, Operation } from "./schema.js";

/** What a call can be given besides. */
export interface CallOptions {
  /** Ends the call early. */
  signal?: AbortSignal | undefined;
}

/**
 * The user's sessions: one for each device or browser.
 *
 * Each call rejects with a `SessionError`. Those that end sessions may do so with `recent-auth-required`: ask for the
 * password again, and call again.
 */
export interface Devices {
  /** List the live sessions, newest first, at most `limit` of them (1 to 200; 50 if left out). */
  list(options?: CallOptions & { limit?: number }): Promise<DeviceSession[]>;
  /** End one session by its public id. If it is this one, that is a sign-out. */
  revoke(id: string, options?: CallOptions): Promise<void>;
  /** End all sessions but this one; returns how many ended. */
  revokeOthers(options?: CallOptions): Promise<number>;
  /** End all sessions, this one too: "sign out everywhere"; returns how many ended. */
  revokeAll(options?: CallOptions): Promise<number>;
}

type Call = (operation: Operation, details?: Details) => Promise<unknown>;

/** Return the calls; `ended` hears of a session that has ended by its id, of all of them without one. */
export function devicesOf(call: Call, ended: (id?: string) => void): Devices {
  const count = async (operation: Operation, { signal }: CallOptions = {}): Promise<number> =>
    ((await call(operation, { signal })) as EndedSessions).ended;
  return {
    async list({ limit, signal } = {}) {
      const query = limit === undefined ? "" : `limit=${limit}`;
      return ((await call("GET /sessions", { query, signal })) as DeviceSessions).sessions;
    },
    async revoke(id, { signal } = {}) {
      await call("DELETE /sessions/{id}", { id, signal });
      ended(id);
    },
    revokeOthers: (options) => count("POST /sessions/revoke-others", options),
    async revokeAll(options) {
      const number = await count("POST /sessions/revoke-all", options);
      ended();
      return number;
    },
  };
}
