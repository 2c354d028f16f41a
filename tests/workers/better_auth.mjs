// Better Auth itself, as a Worker beside ours would run it: its own handler, on workerd's D1.
import { betterAuth } from "better-auth";
import { getMigrations } from "better-auth/db/migration";

// Passwords are kept as they are: that they are hashed well is not what is tested here.
const password = { hash: async (given) => given, verify: async ({ hash, password: given }) => hash === given };

/** Return what answers requests, and what tells each query since it was last asked. */
export function betterAuthOn(open) {
  const queries = [];
  let handler;
  const made = async () => {
    const database = await open();
    const counting = {
      prepare: (sql) => (queries.push(sql), database.prepare(sql)),
      batch: (statements) => database.batch(statements),
      exec: (sql) => database.exec(sql),
    };
    const auth = betterAuth({
      baseURL: "https://auth.example",
      secret: "nT2pX0u9aQe7Lr4sVb6yHc1kWd8mZf3g",
      database: counting,
      emailAndPassword: { enabled: true, password },
      rateLimit: { enabled: false },
      telemetry: { enabled: false },
      logger: { level: "error" },
    });
    await (await getMigrations(auth.options)).runMigrations();
    return auth.handler;
  };
  return {
    async handle(request) {
      const { method, url, headers } = request;
      if (new URL(url).pathname.startsWith("/hang/")) return new Promise(() => {});
      handler ??= made();
      const body = ["GET", "HEAD"].includes(method) ? undefined : await request.arrayBuffer();
      return (await handler)(new Request(url, { method, headers: [...headers], body }));
    },
    queries: () => JSON.stringify(queries.splice(0)),
  };
}
