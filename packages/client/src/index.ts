/** Who is signed in, for front ends of applications with coatcheck. */
export type { Accounts } from "./accounts.js";
export { createSessionClient } from "./client.js";
export type { SessionClient } from "./contract.js";
export type { CallOptions, Devices } from "./devices.js";
export type { ClientOptions } from "./options.js";
export { type ProblemKind, SessionError } from "./problems.js";
export type { DeviceSession, Me, SessionProblem, SignedInAccount, SignedInUser } from "./schema.js";
export type { SessionState } from "./state.js";
