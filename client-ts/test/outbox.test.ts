/** The outbox over reloads, crashes and several tabs, in an IndexedDB made for tests. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { IDBFactory, IDBKeyRange, IDBObjectStore } from "fake-indexeddb";
import { browserOutbox } from "../src/browser-outbox.js";
import { createClient, type BrowserStorage } from "../src/index.js";
import type { OpenedMessage } from "../src/protocol.js";
import { FakeClock, FakeNet, settled } from "./fakes.js";

Object.assign(globalThis, { IDBKeyRange });

/** Locks as a browser keeps them, and a way to crash a tab. */
class FakeLocks {
  readonly held = new Map<string, () => void>();
  readonly #queue: { name: string; run: () => void }[] = [];

  request = (async (name: string, options: { ifAvailable?: boolean; signal?: AbortSignal }, run: (lock: object | null) => unknown) => {
    if (this.held.has(name)) {
      if (options.ifAvailable) return void run(null);
      await new Promise<void>((resolve, reject) => {
        this.#queue.push({ name, run: resolve });
        options.signal?.addEventListener("abort", () => reject(options.signal!.reason));
      });
    }
    let crash = () => {};
    const crashed = new Promise<void>((resolve) => (crash = resolve));
    this.held.set(name, crash);
    await Promise.race([run({ name }), crashed]);
    this.held.delete(name);
    const next = this.#queue.findIndex((each) => each.name === name);
    if (next >= 0) this.#queue.splice(next, 1)[0]!.run();
  }) as unknown as LockManager["request"];
}

class FakeSession {
  readonly #items = new Map<string, string>();
  getItem = (key: string) => this.#items.get(key) ?? null;
  setItem = (key: string, value: string) => void this.#items.set(key, value);
}

const browser = () => ({ indexedDB: new IDBFactory(), locks: new FakeLocks() });

const opened = (more: Partial<OpenedMessage> = {}): OpenedMessage => ({
  type: "opened",
  doc: "notes",
  kind: "text",
  epoch: "e",
  version: 1,
  chain: "c1",
  access: "write",
  taken: null,
  ...(more.revisions ? {} : { content: "ab" }),
  ...more,
});

const tab = (storage: BrowserStorage, account = "") => {
  const clock = new FakeClock();
  const net = new FakeNet();
  const client = createClient({ url: "ws://localhost", WebSocket: net.WebSocket, clock, random: () => 0.5, storage, account });
  const errors: string[] = [];
  client.on("error", ({ code }) => errors.push(code));
  const doc = client.open("notes");
  doc.on("error", ({ code }) => errors.push(code));
  return { clock, net, client, doc, errors };
};

const online = async (net: FakeNet, message = opened()) => {
  await settled();
  const hello = net.last.welcome();
  await settled();
  const open = net.last.take("open");
  net.last.says(message);
  await settled();
  return { id: hello["client"] as string, person: hello["person"] as string, open };
};

test("an edit is kept before it is on the wire, and forgotten once it is durable", async () => {
  const storage = browser();
  const { net, doc, client } = tab(storage);
  await online(net);
  doc.insert(2, "c");
  assert.ok(!net.last.sent.some(({ type }) => type === "edit"), "not before it is kept");
  await settled();
  assert.deepEqual(await client.unsent(), ["notes"]);
  assert.equal(net.last.take("edit")["seq"], 1);
  net.last.says({ type: "ack", doc: "notes", seq: 1, version: 2, chain: "c2", time: 0 });
  await settled();
  assert.deepEqual(await client.unsent(), []);
});

test("a tab that crashed is continued by the next, with its id, its text and its edits", async () => {
  const storage = browser();
  const first = tab(storage);
  const { id } = await online(first.net, opened({ content: "a😀" }));
  first.doc.insert(3, "c");
  await settled();
  first.net.last.take("edit");
  first.doc.insert(4, "d");
  first.net.last.says({ type: "revision", doc: "notes", version: 2, op: ["B", 2], chain: "c2", time: 0 });
  first.doc.insert(0, "e");
  await settled();
  assert.equal(first.doc.text, "eBa😀cd");
  for (const crash of storage.locks.held.values()) crash();
  await settled();

  const second = tab(storage);
  let flushed = false;
  void second.doc.flushed().then(() => (flushed = true));
  await second.doc.ready();
  assert.equal(second.doc.text, "eBa😀cd", "there before the server is");
  assert.equal(second.doc.sync, "offline");
  assert.deepEqual(await second.client.unsent(), ["notes"]);
  second.doc.insert(0, "f");
  const { id: again, open } = await online(
    second.net,
    opened({ version: 3, chain: "c3", taken: { seq: 1, version: 3 }, revisions: [{ version: 3, op: [3, "c"], chain: "c3", time: 0, seq: 1 }] }),
  );
  assert.equal(again, id);
  assert.deepEqual(open["from"], { epoch: "e", version: 2, chain: "c2" });
  assert.equal(open["pending"], 1);
  assert.deepEqual(second.net.last.take("edit"), { type: "edit", doc: "notes", version: 3, seq: 2, op: ["fe", 4, "d"] });
  assert.equal(second.doc.text, "feBa😀cd");
  assert.ok(!flushed, "what was left unsent is waited for too");
  second.net.last.says({ type: "ack", doc: "notes", seq: 2, version: 4, chain: "c4", time: 0 });
  await settled();
  assert.ok(flushed);
});

test("days of offline typing are kept in little", async () => {
  const storage = browser();
  const first = tab(storage);
  await online(first.net, opened({ content: "😀".repeat(50_000) }));
  first.net.last.ends(1006);
  for (let key = 0; key < 300; key++) {
    first.doc.insert((key * 977) % first.doc.text.length, `${key} `.repeat(10));
    if (key % 50 === 0) await settled();
  }
  await settled();
  const expected = first.doc.text;
  for (const crash of storage.locks.held.values()) crash();
  const second = tab(storage);
  await second.doc.ready();
  assert.equal(second.doc.text, expected);
});

test("two tabs have ids of their own and one person; a third takes over what a closed one left", async () => {
  const storage = browser();
  const first = tab(storage);
  const second = tab(storage);
  const one = await online(first.net);
  const two = await online(second.net);
  assert.notEqual(one.id, two.id);
  assert.equal(one.person, two.person);
  // One that is opened later finds their ids, and that both are in use.
  const late = tab(storage);
  assert.ok(![one.id, two.id].includes((await online(late.net)).id));
  late.client.close();
  second.doc.insert(0, "x");
  await settled();
  second.client.close();
  first.client.close();
  await settled();
  // The one with something unsent comes first.
  const third = tab(storage);
  assert.equal((await online(third.net, opened({ revisions: [] }))).id, two.id);
  assert.equal(third.doc.text, "xab");
});

test("accounts are kept apart", async () => {
  const storage = browser();
  const ana = tab(storage, "ana");
  const { id } = await online(ana.net);
  ana.doc.insert(0, "secret");
  await settled();
  ana.client.close();
  await settled();
  const ben = tab(storage, "ben");
  assert.notEqual((await online(ben.net)).id, id);
  assert.equal(ben.doc.text, "ab");
});

test("a reloaded tab waits a moment for its own id, and a duplicated one takes another", async () => {
  const storage = { ...browser(), session: new FakeSession() };
  const clock = new FakeClock();
  const first = await browserOutbox("box", storage, clock);
  const reloading = browserOutbox("box", storage, clock);
  await settled();
  first.release();
  const reloaded = await reloading;
  assert.equal(reloaded.client, first.client);
  const duplicating = browserOutbox("box", storage, clock);
  await clock.advance(1_000);
  assert.notEqual((await duplicating).client, first.client);
});

test("drafts outlast the tab", async () => {
  const storage = browser();
  const first = tab(storage);
  await online(first.net);
  first.doc.insert(0, "x");
  await settled();
  first.net.last.says({ type: "refused", doc: "notes", seq: 1, code: "too_large", message: "" });
  first.net.last.says(opened());
  await settled();
  first.client.close();
  await settled();
  const second = tab(storage);
  const [draft] = await second.client.drafts();
  assert.deepEqual([draft?.reason, draft?.inserted, draft?.doc], ["too_large", ["x"], "notes"]);
  assert.deepEqual(await second.client.unsent(), []);
  await second.client.discard(draft!.id);
  assert.deepEqual(await second.client.drafts(), []);
});

test("where nothing can be kept, edits are sent all the same, and it is told", async () => {
  const storage = browser();
  const { net, doc, errors } = tab(storage);
  await online(net);
  const was = IDBObjectStore.prototype.put;
  IDBObjectStore.prototype.put = () => {
    throw new Error("the disk is full");
  };
  try {
    doc.insert(0, "x");
    await settled();
    assert.equal(net.last.take("edit")["seq"], 1);
    assert.deepEqual(errors, ["outbox_unavailable"]);
  } finally {
    IDBObjectStore.prototype.put = was;
  }
});

test("a browser whose IndexedDB does not open keeps edits in memory, and says so", async () => {
  const { net, errors, doc } = tab({
    ...browser(),
    indexedDB: {
      open() {
        throw new Error("not here");
      },
    } as unknown as IDBFactory,
  });
  await online(net);
  assert.deepEqual(errors, ["outbox_unavailable"]);
  doc.insert(0, "x");
  assert.equal(net.last.take("edit")["seq"], 1);
});
