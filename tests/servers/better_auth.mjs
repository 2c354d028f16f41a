// A real Better Auth server for the tests, told by one argument of JSON: see tests/servers/better_auth.py.

import { createHash } from "node:crypto";
import { createServer } from "node:http";

import { betterAuth } from "better-auth";
import { getMigrations } from "better-auth/db/migration";
import { toNodeHandler } from "better-auth/node";
import { admin, bearer, multiSession, twoFactor } from "better-auth/plugins";
import { Kysely, PostgresDialect, SqliteDialect } from "kysely";
import Database from "libsql";
import pg from "pg";

const options = JSON.parse(process.argv[2]);
const address = `http://127.0.0.1:${options.port}`;

// What tests read and set from outside, below /test.
const counts = { requests: {}, queries: 0 };
let failing = 0;

function dialect() {
	if (options.database.startsWith("postgresql:")) {
		return new PostgresDialect({ pool: new pg.Pool({ connectionString: options.database, max: 10 }) });
	}
	const database = new Database(options.database);
	database.exec("PRAGMA journal_mode = WAL; PRAGMA busy_timeout = 10000; PRAGMA foreign_keys = ON");
	return new SqliteDialect({ database });
}

const type = options.database.startsWith("postgresql:") ? "postgres" : "sqlite";
const db = new Kysely({ dialect: dialect(), log: () => { counts.queries += 1; } });

// Passwords are hashed fast: that they are hashed well is not what is tested here.
const fast = (password) => createHash("sha256").update(password).digest("hex");

const auth = betterAuth({
	appName: "tests",
	baseURL: options.base_url ?? address,
	basePath: options.base_path,
	secret: options.secret,
	trustedOrigins: options.trusted_origins,
	database: { db, type },
	emailAndPassword: {
		enabled: true,
		autoSignIn: true,
		minPasswordLength: 1,
		password: {
			hash: async (password) => fast(password),
			verify: async ({ hash, password }) => hash === fast(password),
		},
	},
	user: {
		additionalFields: {
			role: { type: "string", required: false, defaultValue: "member" },
			tier: { type: "string", required: false },
		},
		changeEmail: { enabled: true, updateEmailWithoutVerification: true },
		deleteUser: { enabled: true },
	},
	session: {
		expiresIn: options.expires_in,
		updateAge: options.update_age,
		freshAge: 0,
		cookieCache: options.cookie_cache ? { enabled: true, maxAge: 300 } : { enabled: false },
	},
	rateLimit: options.rate_limit ? { enabled: true, ...options.rate_limit } : { enabled: false },
	advanced: {
		cookiePrefix: options.cookie_prefix,
		useSecureCookies: options.secure_cookies,
	},
	plugins: [...(options.admin ? [admin()] : []), ...(options.two_factor ? [twoFactor()] : []), ...(options.bearer ? [bearer()] : []), ...(options.multi_session ? [multiSession()] : [])],
	telemetry: { enabled: false },
	logger: { level: "warn" },
});

const { runMigrations } = await getMigrations(auth.options);
await runMigrations();

const handler = toNodeHandler(auth);

function answer(response, status, body) {
	response.writeHead(status, { "content-type": "application/json" });
	response.end(JSON.stringify(body));
}

const controls = {
	"/test/counts": () => counts,
	"/test/reset": () => { counts.requests = {}; counts.queries = 0; return null; },
	"/test/fail": (query) => { failing = Number(query.get("status")); return null; },
};

createServer((request, response) => {
	const url = new URL(request.url, address);
	const control = controls[url.pathname];
	if (control) {
		answer(response, 200, control(url.searchParams));
		return;
	}
	counts.requests[url.pathname] = (counts.requests[url.pathname] ?? 0) + 1;
	if (failing) {
		answer(response, failing, { message: "told to fail" });
		return;
	}
	handler(request, response);
}).listen(options.port, "127.0.0.1");
