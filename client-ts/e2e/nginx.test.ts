/** Behind the real nginx with TLS, by the site that `deploy/` ships: restarted under load, nothing is lost or doubled. */

import assert from "node:assert/strict";
import { get } from "node:https";
import { after, before, test } from "node:test";
import { WebSocket } from "ws";
import { createClient, type Client, type Doc } from "../src/index.js";
import { Nginx } from "./nginx.js";
import { RealServer, seeded, until } from "./server.js";

const server = new RealServer();
let nginx: Nginx;
const clients: Client[] = [];

before(async () => {
  await server.start();
  nginx = new Nginx(server.port);
  await nginx.start();
});
after(async () => {
  for (const client of clients) client.close();
  await nginx.stop();
  await server.stop();
});

/** A client whose sockets trust the certificate of this test's nginx. */
const open = (random: () => number): Client => {
  const { ca } = nginx;
  class Trusting extends WebSocket {
    constructor(url: string, protocol: string) {
      super(url, protocol, { ca });
    }
  }
  const client = createClient({ url: nginx.url, WebSocket: Trusting, random });
  clients.push(client);
  return client;
};

test("nginx restarted twice while four people write: every edit is there exactly once", async () => {
  const seed = Number(process.env["SEED"] ?? Date.now() % 100_000);
  console.log(`SEED=${seed}`);
  const random = seeded(seed);
  const docs: Doc[] = await Promise.all([0, 1, 2, 3].map(() => open(() => random() * 0.1).open("proxied", { create: true }).ready()));
  const typed: string[] = [];
  let writing = true;
  const writer = (async () => {
    while (writing) {
      const doc = docs[Math.floor(random() * docs.length)]!;
      const token = String.fromCodePoint(0x4e00 + typed.length);
      typed.push(token);
      doc.insert(Math.floor(random() * (doc.text.length + 1)), token);
      await new Promise((resolve) => setTimeout(resolve, random() * 4));
    }
  })();
  const acknowledged = () => Math.max(...docs.map(({ version }) => version));
  for (let restart = 0; restart < 2; restart++) {
    const before = acknowledged();
    await until(() => acknowledged() > before + 50, "edits flow through nginx");
    await nginx.kill();
    await nginx.start();
  }
  const after = acknowledged();
  await until(() => acknowledged() > after + 50, "edits flow again");
  writing = false;
  await writer;
  await Promise.all(docs.map((doc) => doc.flushed()));
  const head = acknowledged();
  await until(() => docs.every(({ version }) => version >= head), "all are at the newest version");
  const text = docs[0]!.text;
  for (const doc of docs) assert.equal(doc.text, text);
  assert.equal(await server.content("proxied"), text);
  assert.deepEqual([...text].sort(), [...typed].sort());
});

test("pages and the catch-up endpoint come through it too", async () => {
  const status = await new Promise((resolve, reject) => {
    get(`${nginx.url}/v1/docs/proxied/revisions?limit=1`, { ca: nginx.ca, agent: false }, (answer) => {
      answer.resume();
      resolve(answer.statusCode);
    }).on("error", reject);
  });
  assert.equal(status, 200);
});
