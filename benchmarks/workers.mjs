// What D1 and KV take in workerd, on this machine and without a network: node benchmarks/workers.mjs
// Means of 300 calls each, one after the other, in microseconds, measured by the calling Worker.
import { Miniflare } from "miniflare";

const script = `
  const CALLS = 300;
  // The clock of a Worker stands still between its calls and has milliseconds: only the sum says something.
  const mean = async (call) => {
    const began = Date.now();
    for (let at = 0; at < CALLS; at++) await call(at);
    return Math.round(((Date.now() - began) / CALLS) * 1000);
  };
  export default {
    async fetch(_, { DB, KV }) {
      await DB.prepare("CREATE TABLE t (id TEXT PRIMARY KEY, data TEXT) STRICT, WITHOUT ROWID").run();
      await DB.prepare("CREATE TABLE log (position INTEGER PRIMARY KEY AUTOINCREMENT, subject TEXT)").run();
      const read = DB.prepare("SELECT data FROM t WHERE id = ?");
      const poll = DB.prepare("SELECT * FROM log WHERE position >= ?");
      const data = "x".repeat(400);
      return Response.json({
        "D1: one row written": await mean((at) =>
          DB.prepare("INSERT INTO t VALUES (?, ?)").bind("k" + at, data).run(),
        ),
        "D1: one row read": await mean((at) => read.bind("k" + at).all()),
        "D1: the log polled and one row read, in one batch": await mean((at) =>
          DB.batch([poll.bind(1), read.bind("k" + at)]),
        ),
        "KV: one key written": await mean((at) => KV.put("k" + at, data, { expirationTtl: 60 })),
        "KV: one key read": await mean((at) => KV.get("k" + at)),
        "KV: one missing key read": await mean((at) => KV.get("none" + at)),
      });
    },
  };
`;

const miniflare = new Miniflare({
  modules: true,
  script,
  d1Databases: ["DB"],
  kvNamespaces: ["KV"],
  compatibilityDate: "2026-04-01",
  host: "127.0.0.1",
  port: 0,
  cf: false,
  telemetry: { enabled: false },
});
console.table(await (await miniflare.dispatchFetch("http://worker/")).json());
await miniflare.dispose();
