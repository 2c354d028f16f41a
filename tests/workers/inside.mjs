// Runs tests in Pyodide, with the bindings that Cloudflare's own runtime (workerd, by way of miniflare) gives a Worker.
//
//   node inside.mjs '{"src": …, "root": …, "site": …, "packages": [...], "tests": [...]}'
//
// Each result is one line of JSON behind "RESULT " on stdout.
import { readFileSync, statSync } from "node:fs";

import { Miniflare } from "miniflare";
import { loadPyodide } from "pyodide";

const order = JSON.parse(process.argv[2]);

// A Worker beside the tests, which runs a whole batch: miniflare's proxies ask workerd for each `prepare` and `bind`,
// which takes longer than all the rest.
const script = `
  export default {
    async fetch(request, env) {
      const value = (each) => (each && each.bytes ? new Uint8Array(each.bytes) : each);
      const statement = ({ sql, values }) => {
        const prepared = env.DB.prepare(sql);
        return values ? prepared.bind(...values.map(value)) : prepared;
      };
      try {
        return Response.json({ results: await env.DB.batch((await request.json()).map(statement)) });
      } catch (error) {
        return Response.json({ error: String(error) });
      }
    },
  };
`;

const miniflare = new Miniflare({
  modules: true,
  script,
  d1Databases: ["DB", "OTHER"],
  kvNamespaces: ["SESSIONS"],
  r2Buckets: ["BUCKET"],
  compatibilityDate: "2026-04-01",
  host: "127.0.0.1",
  port: 0,
  cf: false, // nothing is fetched from anywhere
  telemetry: { enabled: false },
});

const plain = (value) => (value instanceof Uint8Array ? { bytes: [...value] } : value);

/** The binding DB, with one request for each batch. */
const database = {
  prepare: (sql) => ({ sql, bind: (...values) => ({ sql, values: values.map(plain) }) }),
  async batch(statements) {
    const response = await miniflare.dispatchFetch("http://worker/", {
      method: "POST",
      body: JSON.stringify([...statements]),
    });
    const { results, error } = await response.json();
    if (error) throw new Error(error.replace(/^Error: /, ""));
    return results;
  },
  withSession() {},
};

const bindings = async () => ({
  DB: database,
  OTHER: await miniflare.getD1Database("OTHER"),
  SESSIONS: await miniflare.getKVNamespace("SESSIONS"),
  BUCKET: await miniflare.getR2Bucket("BUCKET"),
});

const [env, python] = await Promise.all([bindings(), loadPyodide()]);
let status = 1;
try {
  const mount = (path, there) => {
    if (statSync(there).isFile()) return python.FS.writeFile(path, readFileSync(there));
    python.FS.mkdirTree(path);
    python.mountNodeFS(path, there);
  };
  python.FS.mkdirTree("/coatcheck/site");
  mount("/coatcheck/src", order.src);
  mount("/coatcheck/root/tests", `${order.root}/tests`);
  mount("/coatcheck/root/examples", `${order.root}/examples`);
  for (const name of order.packages) mount(`/coatcheck/site/${name}`, `${order.site}/${name}`);
  python.globals.set("env", env);
  python.globals.set("order", process.argv[2]);
  status = await python.runPythonAsync(`
import sys
sys.dont_write_bytecode = True
sys.path[:0] = ["/coatcheck/src", "/coatcheck/root", "/coatcheck/site"]
from tests.workers.inside import runner
await runner.main(env, order)
`);
} catch (error) {
  console.error(String(error));
} finally {
  await miniflare.dispose();
}
process.exit(status);
