import type { SessionError } from "./problems.js";
import type { SignedInUser } from "./schema.js";

/**
 * What is known of who is signed in.
 *
 * - `loading`: nothing yet.
 * - `signed-in`, `signed-out`: the server said so.
 * - `unavailable`: nobody can tell. `session` is the last one known, null if there was none: show neither the sign-in
 *   form nor an error in place of the page.
 */
export type SessionState<User extends SignedInUser = SignedInUser> =
  | { readonly status: "loading"; readonly session: null; readonly error: null }
  | { readonly status: "signed-in"; readonly session: User; readonly error: null }
  | { readonly status: "signed-out"; readonly session: null; readonly error: null }
  | { readonly status: "unavailable"; readonly session: User | null; readonly error: SessionError };

export const LOADING = { status: "loading", session: null, error: null } as const;
export const SIGNED_OUT = { status: "signed-out", session: null, error: null } as const;

/** Return the state of a session, null for none. */
export function known<User extends SignedInUser>(session: User | null): SessionState<User> {
  return session ? { status: "signed-in", session, error: null } : SIGNED_OUT;
}

/** Return whose session is known: its public id, null for none, and undefined while that is not known. */
export function identity(state: SessionState): string | null | undefined {
  if (state.session) return state.session.session_id;
  return state.status === "signed-out" ? null : undefined;
}

/** Tell whether two states say the same: then nobody needs to be told of the second. */
export function same(one: SessionState, other: SessionState): boolean {
  return one.error?.message === other.error?.message && JSON.stringify(one) === JSON.stringify(other);
}
