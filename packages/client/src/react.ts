"use client";

import { createContext, createElement, type ReactElement, type ReactNode, useContext, useMemo, useSyncExternalStore } from "react";
import type { SessionClient } from "./contract.js";
import type { SignedInUser } from "./schema.js";
import type { SessionState } from "./state.js";

interface Provided {
  readonly client: SessionClient<SignedInUser>;
  readonly state: SessionState;
}

const Session = createContext<Provided | null>(null);

/** Asks who is signed in when it is mounted, and tells everything below. Make the client once, outside of components. */
export function SessionProvider({ client, children }: { client: SessionClient; children?: ReactNode }): ReactElement {
  const state = useSyncExternalStore(client.subscribe, client.getSnapshot, client.getServerSnapshot);
  const value = useMemo(() => ({ client, state }), [client, state]);
  return createElement(Session, { value }, children);
}

/** Return who is signed in. With a client made with `identity: "me"` say `useSession<Me>()`. */
export function useSession<User extends SignedInUser = SignedInUser>(): SessionState<User> {
  return useProvided().state as SessionState<User>;
}

/** Return the client, for `signOut`, `signedIn`, `refresh`, `accounts` and `devices`. */
export function useSessionClient(): SessionClient {
  return useProvided().client;
}

/**
 * Shows its children while somebody is signed in, and through an outage while the last known session is: what was typed
 * into a form below survives it. A function is given the session.
 */
export function SignedIn({ children }: { children: ReactNode | ((session: SignedInUser) => ReactNode) }): ReactNode {
  const { session } = useSession();
  if (!session) return null;
  return typeof children === "function" ? children(session) : children;
}

/** Shows its children when nobody is signed in, and neither before that is known nor in an outage. */
export function SignedOut({ children }: { children: ReactNode }): ReactNode {
  return useSession().status === "signed-out" ? children : null;
}

function useProvided(): Provided {
  const provided = useContext(Session);
  if (!provided) throw new Error("useSession, SignedIn and SignedOut need a <SessionProvider client={…}> around them");
  return provided;
}
