import type { CallOptions } from "./devices.js";
import type { Details } from "./requests.js";
import type { EndedSessions, Operation, SignedInAccount, SignedInAccounts } from "./schema.js";

/** The accounts that are signed in in this browser. Each call rejects with a `SessionError`. */
export interface Accounts {
  /** List them, the active one first. */
  list(options?: CallOptions): Promise<SignedInAccount[]>;
  /** Go on as another one, by the public id of its session; resolves when this page, and every other tab, is told. */
  switchTo(sessionId: string, options?: CallOptions): Promise<void>;
  /** Sign out of one. If it is the active one, nobody is signed in until a switch. */
  signOut(sessionId: string, options?: CallOptions): Promise<void>;
  /** Sign out of all; returns how many there were. */
  signOutOfAll(options?: CallOptions): Promise<number>;
}

type Call = (operation: Operation, details?: Details) => Promise<unknown>;

/** Return the calls; `switched` hears that somebody else is signed in, `ended` of a session that is over, or of all. */
export function accountsOf(call: Call, switched: () => Promise<unknown>, ended: (id?: string) => void): Accounts {
  return {
    list: async ({ signal } = {}) => ((await call("GET /session/accounts", { signal })) as SignedInAccounts).accounts,
    async switchTo(id, { signal } = {}) {
      await call("POST /session/accounts/{id}/switch", { id, signal });
      await switched();
    },
    async signOut(id, { signal } = {}) {
      await call("DELETE /session/accounts/{id}", { id, signal });
      ended(id);
    },
    async signOutOfAll({ signal } = {}) {
      const { ended: number } = (await call("POST /session/accounts/sign-out", { signal })) as EndedSessions;
      ended();
      return number;
    },
  };
}
