import type { Accounts } from "./accounts.js";
import type { Devices } from "./devices.js";
import type { SignedInUser } from "./schema.js";
import type { SessionState } from "./state.js";

/** Who is signed in, kept current while somebody listens. */
export interface SessionClient<User extends SignedInUser = SignedInUser> {
  /** Return what is known: the same object until it changes. */
  getSnapshot(): SessionState<User>;
  /** Return what is known before the first request, on a server and while its page is hydrated. */
  getServerSnapshot(): SessionState<User>;
  /** Call a function after each change. The first to listen starts the first request; with the last one to stop all ends. */
  subscribe(listener: () => void): () => void;
  /** Ask the server now; with a request under way that one is waited for. It never rejects: an outage is a state. */
  refresh(): Promise<SessionState<User>>;
  /** Say that a sign-in of the application's own has succeeded: asks who it is, here and in every other tab. */
  signedIn(): Promise<SessionState<User>>;
  /**
   * End this session everywhere; every tab is told. Also fine when nobody is signed in.
   *
   * @throws {SessionError} It could not be ended, and the state stays as it was.
   */
  signOut(): Promise<void>;
  /** The accounts that are signed in in this browser. */
  readonly accounts: Accounts;
  /** The user's sessions on all their devices. */
  readonly devices: Devices;
}
