/** How the server hands out the app: which paths are its, and with which headers. */

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { brotliDecompressSync, gunzipSync } from "node:zlib";
import { request, type IncomingMessage } from "node:http";
import { RealServer } from "./server.js";

const server = new RealServer();
before(() => server.start());
after(() => server.stop());

/** An answer as it is on the wire, with nothing unpacked. */
const get = (path: string, headers: Record<string, string> = {}, method = "GET"): Promise<IncomingMessage & { body: Buffer }> =>
  new Promise((resolve, reject) => {
    const asked = request(`${server.url}${path}`, { method, headers }, (answer) => {
      const pieces: Buffer[] = [];
      answer.on("data", (piece) => pieces.push(piece));
      answer.on("end", () => resolve(Object.assign(answer, { body: Buffer.concat(pieces) })));
    });
    asked.on("error", reject).end();
  });

const page = async (): Promise<string> => (await get("/")).body.toString();

test("the page is at / and at every document's address, and allows nothing but itself", async () => {
  const nonces = new Set<string>();
  for (const path of ["/", "/d/notes", "/d/notes/", "/d/%D7%A9", "/d/v1"]) {
    const answer = await get(path);
    assert.equal(answer.statusCode, 200, path);
    assert.equal(answer.headers["content-type"], "text/html; charset=utf-8");
    assert.equal(answer.headers["cache-control"], "no-cache");
    assert.equal(answer.headers["x-content-type-options"], "nosniff");
    const policy = String(answer.headers["content-security-policy"]);
    for (const rule of ["default-src 'none'", "script-src 'self'", "frame-ancestors 'none'", "require-trusted-types-for 'script'"]) assert.ok(policy.includes(rule), rule);
    assert.ok(!policy.includes("unsafe"), policy);
    const [, nonce] = /'nonce-([^']+)'/.exec(policy)!;
    assert.ok(answer.body.includes(nonce!) && !answer.body.includes("NONCE"), "the page has its nonce");
    nonces.add(nonce!);
    assert.ok(!/<script(?![^>]* src=)/.test(answer.body.toString()), "no script is inline");
  }
  assert.equal(nonces.size, 5, "each answer has its own");
  const head = await get("/", {}, "HEAD");
  assert.deepEqual([head.statusCode, head.body.length], [200, 0]);
});

test("files come in the smallest form that is taken, and are kept for ever under names that change with them", async () => {
  const [, script] = /src="(\/assets\/[^"]+\.js)"/.exec(await page())!;
  const plain = await get(script!);
  assert.equal(plain.headers["content-encoding"], undefined);
  assert.equal(plain.headers["cache-control"], "public, max-age=31536000, immutable");
  assert.equal(plain.headers["content-type"], "text/javascript; charset=utf-8");
  assert.equal(plain.headers.vary, "Accept-Encoding");
  for (const [accept, coding, unpack] of [["gzip, br", "br", brotliDecompressSync], ["gzip", "gzip", gunzipSync]] as const) {
    const packed = await get(script!, { "accept-encoding": accept });
    assert.equal(packed.headers["content-encoding"], coding);
    assert.ok(packed.body.length < plain.body.length / 2);
    assert.ok(unpack(packed.body).equals(plain.body), `${coding} is the same`);
  }
  const again = await get(script!, { "if-none-match": String(plain.headers.etag) });
  assert.deepEqual([again.statusCode, again.body.length], [304, 0]);
  assert.equal((await get("/worker.js")).headers["cache-control"], "no-cache");
});

test("the app takes no path of the protocol's, and what is nowhere is said as ever", async () => {
  for (const path of ["/v1", "/v1/docs/none", "/v1/nothing", "/nothing", "/d", "/d/", "/d/a/b", "/assets/none.js", "/index.html", "/worker.js.br", "/../Cargo.toml", "/assets/..%2findex.html"]) {
    const answer = await get(path);
    assert.equal(answer.statusCode, 404, path);
    assert.ok(JSON.parse(answer.body.toString()).error.code, path);
  }
  const wrong = await get("/d/notes", {}, "POST");
  assert.deepEqual([wrong.statusCode, wrong.headers.allow], [405, "GET, HEAD"]);
});
