// What `inside.mjs` and `serve.mjs` share: Pyodide with our code in it, and the bindings that Cloudflare's own runtime
// (workerd, by way of miniflare) gives a Worker.
import { readFileSync, statSync } from "node:fs";

import { Miniflare } from "miniflare";
import { loadPyodide } from "pyodide";

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

const plain = (value) => (value instanceof Uint8Array ? { bytes: [...value] } : value);

/** The binding DB, with one request for each batch. */
const batched = (miniflare) => ({
  prepare: (sql) => ({ sql, bind: (...values) => ({ sql, values: values.map(plain) }) }),
  async batch(statements) {
    const body = JSON.stringify([...statements]);
    const response = await miniflare.dispatchFetch("http://worker/", { method: "POST", body });
    const { results, error } = await response.json();
    if (error) throw new Error(error.replace(/^Error: /, ""));
    return results;
  },
  withSession() {},
});

/** Start everything; returns Pyodide, the bindings, and what stops workerd. */
export async function start({ root, src, site, packages, wheels }) {
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
  const bindings = async () => ({
    DB: batched(miniflare),
    OTHER: await miniflare.getD1Database("OTHER"),
    SESSIONS: await miniflare.getKVNamespace("SESSIONS"),
    BUCKET: await miniflare.getR2Bucket("BUCKET"),
  });
  const [env, python] = await Promise.all([bindings(), loadPyodide()]);
  const mount = (path, there) => {
    if (statSync(there).isFile()) return python.FS.writeFile(path, readFileSync(there));
    python.FS.mkdirTree(path);
    python.mountNodeFS(path, there);
  };
  python.FS.mkdirTree("/coatcheck/site");
  mount("/coatcheck/src", src);
  mount("/coatcheck/root/tests", `${root}/tests`);
  mount("/coatcheck/root/examples", `${root}/examples`);
  for (const name of packages) mount(`/coatcheck/site/${name}`, `${site}/${name}`);
  if (wheels) mount("/coatcheck/wheels", wheels);
  await python.runPythonAsync(`
import sys
sys.dont_write_bytecode = True
sys.path[:0] = ["/coatcheck/src", "/coatcheck/root", "/coatcheck/site", "/coatcheck/wheels"]
`);
  return { python, env, stop: () => miniflare.dispose() };
}
