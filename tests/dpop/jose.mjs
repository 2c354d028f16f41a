// Another implementation of JOSE makes proofs: for each request on a line of its own, one with a key of its own.

import { createHash, randomUUID } from "node:crypto";
import { createInterface } from "node:readline";
import { calculateJwkThumbprint, exportJWK, generateKeyPair, SignJWT } from "jose";

for await (const line of createInterface({ input: process.stdin })) {
  const { alg, method, url, token } = JSON.parse(line);
  const { publicKey, privateKey } = await generateKeyPair(alg);
  const jwk = await exportJWK(publicKey);
  const ath = createHash("sha256").update(token).digest("base64url");
  const proof = await new SignJWT({ htm: method, htu: url, ath })
    .setProtectedHeader({ typ: "dpop+jwt", alg, jwk })
    .setIssuedAt()
    .setJti(randomUUID())
    .sign(privateKey);
  console.log(JSON.stringify({ proof, thumbprint: await calculateJwkThumbprint(jwk) }));
}
