// Written by tools/write_client_types.py from the OpenAPI document: change that, and run `make generate`.

/** What can be asked for, below the place where the router is mounted. */
export type Operation =
  | "DELETE /session/accounts/{id}"
  | "DELETE /sessions/{id}"
  | "GET /me"
  | "GET /session"
  | "GET /session/accounts"
  | "GET /sessions"
  | "POST /session/accounts/sign-out"
  | "POST /session/accounts/{id}/switch"
  | "POST /sessions/revoke-all"
  | "POST /sessions/revoke-others"
  | "POST /sign-out";

/** One of the user's sessions: the device or browser that holds it. */
export interface DeviceSession {
  /** The session's public id: no credential, safe to list and to log. */
  id: string;
  /** A readable guess at the device, from what its browser says of itself; or who acts as the user. */
  device: string;
  /** The address the session was last noted at; null for that of somebody who acts as the user. */
  ip: string | null;
  /** When the session began; ISO 8601 in UTC. */
  created_at: string;
  /** When it was last used, up to some minutes ago; ISO 8601 in UTC. */
  last_seen_at: string;
  /** When it ends if it is not used again; ISO 8601 in UTC. */
  expires_at: string;
  /** Whether this request was made with it. */
  current: boolean;
}

/** The user's sessions, newest first. */
export interface DeviceSessions {
  /** The live sessions, newest first, at most `limit` of them. */
  sessions: DeviceSession[];
}

/** How many sessions have ended. */
export interface EndedSessions {
  /** How many sessions have ended. */
  ended: number;
}

/** A parameter that is not possible. */
export interface InvalidParameter {
  /** Where it stands: path or query. */
  in: string;
  /** Its name. */
  name: string;
  /** What is wrong with it. */
  detail: string;
}

/** Who is signed in, with all that is known of them and may be shown. */
export interface Me {
  /** The user's id. */
  id: string;
  /** The user's address, when a users table, loader or provider tells it. */
  email: string | null;
  /** Their display name, when a users table, loader or provider tells it. */
  name: string | null;
  /** Their role, when a users table, loader or provider tells it. */
  role: string | null;
  /** The session's public id: no credential, safe to list and to log. */
  session_id: string;
  /** When the session ends if it is not used again: seconds since the epoch in UTC, as `exp` in a JWT (RFC 7519). Using the session moves it, up to the end of the session's lifetime. */
  exp: number;
  /** Whether the address is proved to be theirs; null: nobody says. */
  email_verified: boolean | null;
  /** Their labels, such as a tier. */
  labels: string[];
  /** When they registered; ISO 8601 in UTC. */
  created_at: string | null;
  /** When they last changed; ISO 8601 in UTC. */
  updated_at: string | null;
  /** What else the application shows of them: always the same names, null for what nobody says. */
  attributes: Record<string, unknown>;
}

/** Problem details (RFC 9457). */
export interface SessionProblem {
  /** Always about:blank: the status says what it is. */
  type: string;
  /** What is wrong. */
  title: string;
  /** The HTTP status. */
  status: number;
  /** What is wrong with this request, and how to fix it. */
  detail?: string | null;
  /** A fixed word for programs. */
  reason?: string | null;
  /** How many seconds ago the user may have signed in. */
  max_age?: number | null;
  /** Each parameter that is not possible. */
  errors?: InvalidParameter[] | null;
}

/** One of the accounts that are signed in in this browser. */
export interface SignedInAccount {
  /** The session's public id: no credential, safe to list and to log. */
  session_id: string;
  /** The user's id. */
  user_id: string;
  /** Their display name, when a users table or loader tells it. */
  name: string | null;
  /** Their address, when a users table or loader tells it. */
  email: string | null;
  /** Whether requests are made as this user; at most one is. */
  active: boolean;
}

/** The accounts of this browser, the active one first. */
export interface SignedInAccounts {
  /** The accounts; none when nobody is signed in. */
  accounts: SignedInAccount[];
}

/** Who is signed in, and until when. */
export interface SignedInUser {
  /** The user's id. */
  id: string;
  /** The user's address, when a users table, loader or provider tells it. */
  email: string | null;
  /** Their display name, when a users table, loader or provider tells it. */
  name: string | null;
  /** Their role, when a users table, loader or provider tells it. */
  role: string | null;
  /** The session's public id: no credential, safe to list and to log. */
  session_id: string;
  /** When the session ends if it is not used again: seconds since the epoch in UTC, as `exp` in a JWT (RFC 7519). Using the session moves it, up to the end of the session's lifetime. */
  exp: number;
}
