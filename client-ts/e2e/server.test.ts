/** The client against the real server: what it says is what the server means, and nothing is lost or doubled. */

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { WebSocket } from "ws";
import { createClient, type Client, type ClientOptions, type Doc, type ResetEvent } from "../src/index.js";
import { Proxy, RealServer, seeded, until } from "./server.js";

const server = new RealServer();
const clients: Client[] = [];
const open = (url = server.url, more: Partial<ClientOptions> = {}): Client => {
  const client = createClient({ url, WebSocket, ...more });
  clients.push(client);
  return client;
};
before(() => server.start());
after(async () => {
  for (const client of clients) client.close();
  await server.stop();
});

test("two write, and see each other's text, names and cursors", async () => {
  const [ana, ben] = [open(server.url, { name: "Ana" }), open(server.url, { name: "Ben" })];
  const a = await ana.open("greeting", { create: { kind: "text", content: "hello 😀" } }).ready();
  const b = await ben.open("greeting").ready();
  assert.equal(b.text, "hello 😀");
  a.insert(8, "!");
  b.replace(0, 5, "Hi");
  await Promise.all([a.flushed(), b.flushed()]);
  await until(() => a.text === b.text && a.version === b.version, "both have both");
  assert.equal(a.text, "Hi 😀!");
  assert.equal(await server.content("greeting"), "Hi 😀!");
  a.presence.set({ cursors: [[3, 5]], typing: true });
  await until(() => b.peers[0]?.cursors[0]?.head === 5, "the cursor is shown");
  assert.equal(b.peers[0]?.user.name, "Ana");
  assert.equal(b.people, 2);
  b.insert(0, "😀");
  assert.deepEqual(b.peers[0]?.cursors, [{ anchor: 5, head: 7 }]);
  await b.flushed();
  await until(() => a.text === b.text, "the last one too");
  a.undo();
  await a.flushed();
  await until(() => a.text === b.text, "undone for both");
  assert.equal(a.text, "😀Hi 😀");
  let left = 0;
  b.on("left", () => left++);
  a.close();
  await until(() => left === 1 && b.people === 1, "one has left");
});

test("a document that is not there, and ids that are none, are said to be so", async () => {
  const client = open();
  await assert.rejects(client.open("nowhere").ready(), { code: "unknown_document" });
  await assert.rejects(client.open("no spaces").ready(), { code: "bad_document_id" });
  for (const id of ["constructor", "toString", "a.b_c~d:e-f"]) assert.equal((await client.open(id, { create: true }).ready()).text, "");
});

test("ten thousand lines, a megabyte, and every sort of character", async () => {
  const [one, two] = [open(), open()];
  const doc = await one.open("large", { create: true }).ready();
  const lines = Array.from({ length: 10_000 }, (_, line) => `line ${line} שלום e\u0301 👩‍👩‍👧 \0 \u202e`).join("\n");
  doc.insert(0, lines);
  doc.insert(0, "\ud83d lone");
  await doc.flushed();
  doc.insert(doc.text.length, "x".repeat(1 << 20));
  await doc.flushed();
  const other = await two.open("large").ready();
  assert.equal(other.text, doc.text);
  assert.ok(doc.text.startsWith("\ufffd lone"));
  for (let key = 0; key < 200; key++) doc.insert((key * 7919) % doc.text.length, "😀");
  await doc.flushed();
  await until(() => other.version === doc.version, "caught up");
  assert.equal(other.text, doc.text);
  assert.equal(await server.content("large"), doc.text);
});

test("the server agrees about the content when it is asked", async () => {
  const doc = await open().open("checked", { create: { kind: "text", content: "é😀" } }).ready();
  const socket = new WebSocket(`${server.url.replace("http", "ws")}/v1/connect`, "variorum.v1");
  const said: { type: string; version?: number }[] = [];
  socket.on("message", (data) => said.push(JSON.parse(String(data))));
  await new Promise((resolve) => socket.on("open", resolve));
  const { crc32 } = await import("../src/crc32.js");
  socket.send(JSON.stringify({ type: "hello", protocol: 1, client: "A".repeat(22) }));
  socket.send(JSON.stringify({ type: "open", doc: "checked" }));
  socket.send(JSON.stringify({ type: "check", doc: "checked", version: doc.version, sum: crc32(doc.text) }));
  await until(() => said.some(({ type }) => type === "checked" || type === "diverged"), "an answer");
  assert.ok(said.some(({ type }) => type === "checked"));
  socket.close();
});

/** Lets writers type for as long as `going` says, each character once. */
const write = async (docs: Doc[], random: () => number, going: () => boolean): Promise<string[]> => {
  const typed: string[] = [];
  while (going()) {
    const doc = docs[Math.floor(random() * docs.length)]!;
    const token = String.fromCodePoint((random() < 0.3 ? 0x20000 : 0x4e00) + typed.length);
    typed.push(token);
    doc.insert(Math.floor(random() * (doc.text.length + 1)), token);
    if (random() < 0.5) await new Promise((resolve) => setTimeout(resolve, random() * 8));
  }
  return typed;
};

const exactlyOnce = async (docs: Doc[], typed: string[], resets: ResetEvent[]): Promise<void> => {
  await Promise.all(docs.map((doc) => doc.flushed()));
  const head = Math.max(...docs.map(({ version }) => version));
  await until(() => docs.every(({ version }) => version >= head), "all are at the newest version");
  const [{ text }] = docs as [Doc];
  for (const doc of docs) assert.equal(doc.text, text);
  assert.equal(await server.content(docs[0]!.id), text);
  assert.deepEqual(resets, []);
  const found = [...text].sort();
  assert.deepEqual(found, [...typed].sort());
};

/** Writers in the storm: each waits for its own connection, so that more of them take less time for as many cuts. */
const WRITERS = 8;
const seed = Number(process.env["SEED"] ?? Math.floor(Math.random() * 2 ** 31));

test(`500 cuts, stalls and half-closes: every edit is there exactly once (seed ${seed})`, async () => {
  const random = seeded(seed);
  const proxy = new Proxy(server, random);
  await proxy.start();
  const resets: ResetEvent[] = [];
  const docs = await Promise.all(
    Array.from({ length: WRITERS }, () => {
      const client = open(proxy.url, { random: () => random() * 0.05 });
      const doc = client.open("stormy", { create: true });
      doc.on("reset", (reset) => resets.push(reset));
      return doc.ready();
    }),
  );
  proxy.wild = true;
  for (const client of clients.slice(-WRITERS)) client.connect();
  const wanted = Number(process.env["CUTS"] ?? 500);
  // Those connected before it was wild are cut by a restart.
  await server.kill();
  await server.start();
  const typed = await write(docs, random, () => proxy.cuts < wanted);
  proxy.wild = false;
  assert.ok(proxy.cuts >= wanted);
  await exactlyOnce(docs, typed, resets);
  for (const client of clients.slice(-WRITERS)) client.close();
  await proxy.stop();
});

test(`the server killed again and again while people write: every edit is there exactly once (seed ${seed})`, async () => {
  const random = seeded(seed);
  const resets: ResetEvent[] = [];
  const docs = await Promise.all(
    [0, 1, 2].map(() => {
      const doc = open(server.url, { random: () => random() * 0.1 }).open("killed", { create: true });
      doc.on("reset", (reset) => resets.push(reset));
      return doc.ready();
    }),
  );
  let killing = true;
  const writing = write(docs, random, () => killing);
  for (let kill = 0; kill < 8; kill++) {
    await new Promise((resolve) => setTimeout(resolve, 100 + random() * 150));
    await server.kill(kill % 3 === 2 ? "SIGTERM" : "SIGKILL");
    await server.start();
  }
  killing = false;
  await exactlyOnce(docs, await writing, resets);
});
