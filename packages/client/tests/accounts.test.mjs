import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";

import { createSessionClient } from "coatcheck-client";

import { ADA, BOB, closeWorld, done, json, openWorld, Server, settled } from "./world.mjs";

const ACCOUNTS = [ADA, BOB].map(({ session_id, id }) => ({ session_id, user_id: id, active: session_id === ADA.session_id }));

let server;
let clients;
let stops;
beforeEach(async () => {
  openWorld();
  server = new Server().answers(json(ADA), json(ADA));
  clients = [1, 2].map(() => createSessionClient({ fetch: server.fetch }));
  stops = clients.map((client) => client.subscribe(() => {}));
  await settled();
});
afterEach(async () => {
  for (const stop of stops) stop();
  await settled();
  closeWorld();
});

test("the accounts of the browser are listed", async () => {
  server.answers(json({ accounts: ACCOUNTS }));
  assert.deepEqual(await clients[0].accounts.list(), ACCOUNTS);
  assert.equal(server.requests.at(-1), "GET /api/session/accounts");
});

test("after a switch every tab knows who is signed in", async () => {
  server.answers(json(BOB), json(BOB), json(BOB));
  await clients[0].accounts.switchTo(BOB.session_id);
  await settled();
  assert.ok(server.requests.includes("POST /api/session/accounts/s-bob/switch"));
  for (const client of clients) assert.equal(client.getSnapshot().session.name, "Bob");
});

test("a switch that is refused changes nothing", async () => {
  server.answers(json({ title: "No such account", status: 404, reason: "account_unknown" }, { status: 404 }));
  await assert.rejects(clients[0].accounts.switchTo("x"));
  assert.equal(clients[0].getSnapshot().session.name, "Ada");
});

test("A1 who acts as somebody is told so, and is not sent to the operator", async () => {
  server.answers(json({ title: "Not possible", status: 403, reason: "impersonation" }, { status: 403 }));
  await assert.rejects(clients[0].devices.revokeOthers(), { kind: "impersonation", message: "Not possible" });
  assert.equal(clients[0].getSnapshot().status, "signed-in");
});

test("of those that wait one is signed out, and this one stays; then all", async () => {
  server.answers(done(), json({ ended: 1 }));
  await clients[0].accounts.signOut(BOB.session_id);
  assert.equal(server.requests.at(-1), "DELETE /api/session/accounts/s-bob");
  assert.equal(clients[0].getSnapshot().status, "signed-in");
  assert.equal(await clients[0].accounts.signOutOfAll(), 1);
  for (const client of clients) assert.equal(client.getSnapshot().status, "signed-out");
});
