/** Client and documents against a scripted server, a turned clock and no luck. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { createClient, type ChangeEvent, type ClientOptions, type Doc, type ResetEvent, type Sync, type VariorumError } from "../src/index.js";
import { crc32 } from "../src/crc32.js";
import type { OpenedMessage, ServerMessage } from "../src/protocol.js";
import { FakeClock, FakeNet, settled } from "./fakes.js";

const place = { epoch: "e", version: 1, chain: "c1" };
const openedAs = (doc: string, more: Partial<OpenedMessage> = {}): OpenedMessage => ({
  type: "opened",
  doc,
  kind: "text",
  ...place,
  access: "write",
  taken: null,
  presence: { count: 1, joined: [], left: [], states: [] },
  ...(more.revisions ? {} : { content: "ab" }),
  ...more,
});

const setup = (options: Partial<ClientOptions> = {}) => {
  const clock = new FakeClock();
  const net = new FakeNet();
  const client = createClient({ url: "http://localhost:1/base/", WebSocket: net.WebSocket, clock, random: () => 0.5, storage: null, ...options });
  const errors: string[] = [];
  const statuses: string[] = [];
  client.on("error", ({ code }) => errors.push(code));
  client.on("status", (status) => statuses.push(status));
  return { clock, net, client, errors, statuses };
};

/** A client with one document open. */
const withDoc = async (options: Partial<ClientOptions> = {}, opened: Partial<OpenedMessage> = {}) => {
  const all = setup(options);
  const doc = all.client.open("notes");
  await settled();
  all.net.last.welcome();
  all.net.last.take("open");
  all.net.last.says(openedAs("notes", opened));
  const says = (message: { type: string } & Record<string, unknown>) => all.net.last.says({ doc: "notes", ...message } as unknown as ServerMessage);
  return { ...all, doc, says };
};

const reconnect = async ({ clock, net }: { clock: FakeClock; net: FakeNet }) => {
  const before = net.sockets.length;
  await clock.advance(20_000);
  assert.ok(net.sockets.length > before, "another connection is tried");
  net.last.welcome();
  return net.last.take("open");
};

test("a document is opened, edited and flushed", async () => {
  const { clock, net, client, statuses } = setup({ token: "secret", name: "Ana" });
  const doc = client.open("notes", { create: true });
  const syncs: Sync[] = [];
  doc.on("sync", (sync) => syncs.push(sync));
  assert.equal(doc.sync, "loading");
  assert.equal(doc.text, "");
  assert.throws(() => doc.insert(0, "x"), { code: "not_ready" });
  await settled();
  assert.equal(net.last.url, "ws://localhost:1/base/v1/connect");
  assert.equal(net.last.protocol, "variorum.v1");
  const hello = net.last.welcome();
  assert.match(hello["client"], /^[A-Za-z0-9_-]{22}$/);
  assert.deepEqual({ protocol: hello["protocol"], token: hello["token"], name: hello["name"] }, { protocol: 1, token: "secret", name: "Ana" });
  assert.deepEqual(client.user, { id: "u1", name: "Ana" });
  assert.deepEqual(net.last.take("open"), { type: "open", doc: "notes", create: { kind: "text" } });
  net.last.says(openedAs("notes", { content: "a😀b" }));
  assert.equal(await doc.ready(), doc);
  assert.equal(doc.sync, "saved");
  doc.replace(1, 2, "x😀");
  assert.equal(doc.text, "ax😀b");
  assert.equal(doc.sync, "saving");
  assert.deepEqual(net.last.take("edit"), { type: "edit", doc: "notes", version: 1, seq: 1, op: [1, "x😀", -1, 1] });
  let flushed = false;
  const done = doc.flushed().then(() => (flushed = true));
  doc.delete(0, 1);
  await settled();
  assert.equal(flushed, false);
  net.last.says({ type: "ack", doc: "notes", seq: 1, version: 2, chain: "c2", time: 0 });
  assert.deepEqual(net.last.take("edit"), { type: "edit", doc: "notes", version: 2, seq: 2, op: [-1, 3] });
  net.last.says({ type: "ack", doc: "notes", seq: 2, version: 3, chain: "c3", time: 0 });
  await done;
  assert.equal(doc.version, 3);
  assert.deepEqual(syncs, ["saved", "saving", "saved"]);
  assert.deepEqual(statuses, ["connecting", "online"]);
  client.close();
  await clock.advance(100_000);
  assert.equal(net.sockets.length, 1);
});

test("others' changes are told with who made them, and an undo of on stops that", async () => {
  const { doc, says } = await withDoc();
  const changes: ChangeEvent[] = [];
  const stop = doc.on("change", (change) => changes.push(change));
  says({ type: "revision", version: 2, op: [1, "😀", 1], chain: "c2", time: 0, session: "s2", user: { id: "u2", name: "Ben" } });
  says({ type: "revision", version: 3, op: [2, "x", 1], chain: "c3", time: 0 });
  assert.deepEqual(changes, [
    {
      op: [1, "😀", 1],
      changes: [{ from: 1, to: 1, insert: "😀" }],
      source: "remote",
      origin: undefined,
      version: 2,
      user: { id: "u2", name: "Ben" },
      session: "s2",
    },
    { op: [2, "x", 1], changes: [{ from: 3, to: 3, insert: "x" }], source: "remote", origin: undefined, version: 3, user: null, session: null },
  ]);
  stop();
  stop();
  says({ type: "revision", version: 4, op: [4, "y"], chain: "c4", time: 0 });
  assert.equal(changes.length, 2);
  assert.equal(doc.text, "a😀xby");
});

test("what a listener does is told after what it was told", async () => {
  const { doc, says } = await withDoc();
  const texts: string[] = [];
  doc.on("change", ({ source }) => {
    if (source === "remote") doc.insert(0, "!");
  });
  let mirror = "ab";
  doc.on("change", ({ changes }) => {
    for (const { from, to, insert } of [...changes].reverse()) mirror = mirror.slice(0, from) + insert + mirror.slice(to);
    texts.push(mirror);
  });
  says({ type: "revision", version: 2, op: [2, "c"], chain: "c2", time: 0 });
  assert.deepEqual(texts, ["abc", "!abc"]);
});

test("a listener that throws harms nobody else", async () => {
  const { doc } = await withDoc();
  const uncaught: unknown[] = [];
  const was = process.listeners("uncaughtException");
  process.removeAllListeners("uncaughtException");
  process.on("uncaughtException", (error) => uncaught.push(error));
  let told = 0;
  doc.on("change", () => {
    throw new Error("mine");
  });
  doc.on("change", () => told++);
  doc.insert(0, "x");
  await settled();
  process.removeAllListeners("uncaughtException");
  for (const listener of was) process.on("uncaughtException", listener);
  assert.equal(told, 1);
  assert.deepEqual(uncaught.map(String), ["Error: mine"]);
});

test("offline edits are sent on the next connection, once", async () => {
  const { doc, net, clock, says } = await withDoc();
  doc.insert(2, "c");
  net.last.ends(1006);
  assert.equal(doc.sync, "offline");
  doc.insert(3, "d");
  doc.insert(4, "e");
  const open = await reconnect({ clock, net });
  assert.deepEqual(open, { type: "open", doc: "notes", from: place, pending: 1 });
  says(openedAs("notes", { version: 2, chain: "c2", taken: { seq: 1, version: 2 }, revisions: [{ version: 2, op: [2, "c"], chain: "c2", time: 0, seq: 1 }] }) as never);
  assert.deepEqual(net.last.take("edit"), { type: "edit", doc: "notes", version: 2, seq: 2, op: [3, "de"] });
  assert.equal(doc.text, "abcde");
});

test("what cannot be carried over is told, and kept as a draft until it is discarded", async () => {
  const { doc, net, clock, client, says } = await withDoc();
  const resets: ResetEvent[] = [];
  doc.on("reset", (reset) => resets.push(reset));
  doc.insert(2, "c");
  const flushed = doc.flushed();
  net.last.ends(1006);
  doc.insert(0, "z");
  await reconnect({ clock, net });
  says(openedAs("notes", { epoch: "f", content: "new", reset: "epoch" }) as never);
  await assert.rejects(flushed, { code: "epoch" });
  assert.equal(doc.text, "new");
  assert.equal(resets.length, 1);
  const [{ reason, unsent, draft }] = resets as [ResetEvent];
  assert.equal(reason, "epoch");
  assert.deepEqual(unsent, { op: ["z", 2, "c"], inserted: ["z", "c"], text: "zabc" });
  const [kept] = await client.drafts();
  assert.deepEqual({ ...kept, time: 0 }, { id: draft, doc: "notes", reason: "epoch", time: 0, ...unsent });
  await client.discard(draft!);
  assert.deepEqual(await client.drafts(), []);
  assert.equal(doc.canUndo, false);
  await doc.flushed();
});

test("a refusal hands over, opens anew and goes on with a higher seq", async () => {
  const { doc, net, says } = await withDoc();
  const errors: string[] = [];
  doc.on("error", ({ code }) => errors.push(code));
  doc.insert(0, "x");
  net.last.take("edit");
  says({ type: "refused", seq: 1, code: "too_large", message: "too large" });
  assert.deepEqual(errors, ["too_large"]);
  const open = net.last.take("open");
  assert.equal(open["from"], undefined);
  says(openedAs("notes") as never);
  assert.equal(doc.text, "ab");
  doc.insert(0, "y");
  assert.equal(net.last.take("edit")["seq"], 2);
});

test("an edit over the server's frame limit is refused here, for it would end every connection", async () => {
  const { net, client } = setup();
  const doc = client.open("notes");
  await settled();
  net.last.welcome("own", { frame_bytes: 200 });
  net.last.take("open");
  net.last.says(openedAs("notes"));
  const resets: ResetEvent[] = [];
  doc.on("reset", (reset) => resets.push(reset));
  doc.insert(0, "ש".repeat(100));
  assert.ok(!net.last.sent.some(({ type }) => type === "edit"));
  assert.equal(net.last.take("open")["from"], undefined);
  net.last.says(openedAs("notes"));
  assert.equal(resets[0]?.reason, "too_large");
  assert.equal(doc.text, "ab");
});

test("ready rejects where the document cannot be had, and opening it again asks again", async () => {
  const { client, net } = setup();
  const doc = client.open("nowhere");
  const ready = doc.ready();
  await settled();
  net.last.welcome();
  net.last.take("open");
  net.last.says({ type: "error", code: "unknown_document", message: "no document has the id nowhere", doc: "nowhere", reply_to: "open" });
  await assert.rejects(ready, { code: "unknown_document", doc: "nowhere" });
  await assert.rejects(doc.ready(), { code: "unknown_document" });
  assert.equal(doc.sync, "refused");
  assert.equal(client.open("nowhere"), doc);
  net.last.take("open");
  net.last.says(openedAs("nowhere"));
  assert.equal((await doc.ready()).text, "ab");
});

test("a document that was not there is made where it is opened again to be made", async () => {
  const { net, client } = setup();
  const doc = client.open("notes");
  await settled();
  net.last.welcome();
  assert.equal(net.last.take("open")["create"], undefined);
  net.last.says({ type: "error", code: "unknown_document", message: "", doc: "notes", reply_to: "open" });
  await assert.rejects(doc.ready(), { code: "unknown_document" });
  assert.equal(client.open("notes", { create: true }), doc);
  assert.deepEqual(net.last.take("open")["create"], { kind: "text" });
});

test("ready and flushed stop waiting when their signal says so", async () => {
  const { client } = setup();
  const doc = client.open("notes");
  const stop = new AbortController();
  const ready = doc.ready({ signal: stop.signal });
  stop.abort(new Error("enough"));
  await assert.rejects(ready, /enough/);
  await assert.rejects(doc.ready({ signal: stop.signal }), /enough/);
});

test("a passing error is tried again after as long as the server asked for", async () => {
  const { doc, net, clock, says } = await withDoc();
  doc.insert(0, "x");
  net.last.take("edit");
  says({ type: "error", code: "storage_unavailable", message: "", seq: 1, reply_to: "edit", retry_ms: 700 });
  await clock.advance(699);
  assert.equal(net.last.sent.filter(({ type }) => type === "edit").length, 0);
  await clock.advance(1);
  assert.equal(net.last.take("edit")["seq"], 1);
});

test("attempts grow apart up to 20 s with full jitter, and begin anew after a connection that lasted", async () => {
  const { clock, net, client } = setup();
  client.open("notes");
  await settled();
  const waits: number[] = [];
  for (let attempt = 0; attempt < 8; attempt++) {
    net.last.ends(1006);
    assert.equal(client.status, "offline");
    waits.push(clock.waits[0]!);
    await clock.advance(waits[attempt]!);
  }
  assert.deepEqual(waits, [250, 500, 1000, 2000, 4000, 8000, 10_000, 10_000]);
  net.last.welcome();
  for (let second = 0; second < 30; second++) {
    await clock.advance(1000);
    net.last.says({ type: "pong" });
  }
  net.last.ends(1006);
  assert.equal(clock.waits[0], 250);
});

test("a silent connection is asked, and given up where it does not answer", async () => {
  const { clock, net, client } = await withDoc();
  await clock.advance(20_000);
  await clock.advance(20_000);
  net.last.take("ping");
  net.last.says({ type: "pong" });
  await clock.advance(5_000);
  assert.equal(client.status, "online");
  await clock.advance(20_000);
  net.last.take("ping");
  await clock.advance(5_000);
  assert.equal(client.status, "offline");
  assert.ok(net.sockets[0]?.closed);
});

test("a server that goes away says when to come back", async () => {
  const { clock, net, says } = await withDoc();
  says({ type: "draining", retry_ms: 3000 });
  net.last.ends(1012);
  assert.ok(clock.waits.includes(3000));
});

test("some closes mean that coming back is of no use", async () => {
  for (const [code, expected] of [
    [4400, "bad_message"],
    [4401, "unauthorized"],
    [4403, "forbidden"],
  ] as const) {
    const { clock, net, client, errors } = await withDoc();
    net.last.ends(code);
    assert.equal(client.status, "closed");
    assert.deepEqual(errors, [expected]);
    await clock.advance(100_000);
    assert.equal(net.sockets.length, 1);
    client.connect();
    await settled();
    assert.equal(net.sockets.length, 2);
  }
  for (const code of [1001, 1006, 1011, 1012, 4408, 4409, 4429]) {
    const { clock, net } = await withDoc();
    net.last.ends(code);
    await reconnect({ clock, net });
  }
});

test("a client whose place was taken comes back once, and leaves it to a rival", async () => {
  const { clock, net, client, errors } = await withDoc();
  net.last.ends(4409);
  assert.equal(client.status, "offline");
  await reconnect({ clock, net });
  net.last.ends(4409, "the same client connected anew");
  assert.equal(client.status, "closed");
  assert.deepEqual(errors, ["superseded"]);
  await clock.advance(100_000);
  assert.equal(net.sockets.length, 2);
  // Asked to, it tries again; what has lasted since makes the next time a first one.
  client.connect();
  await settled();
  net.last.welcome();
  for (let second = 0; second < 30; second++) {
    await clock.advance(1000);
    net.last.says({ type: "pong" });
  }
  net.last.ends(4409);
  assert.equal(client.status, "offline");
});

test("a function is asked for another token, and told why", async () => {
  const reasons: string[] = [];
  const { net, clock, client, errors } = setup({
    token: async ({ reason }) => {
      reasons.push(reason);
      if (reasons.length === 3) throw new Error("no token today");
      return `token ${reasons.length}`;
    },
  });
  client.open("notes");
  await settled();
  assert.equal(net.last.welcome()["token"], "token 1");
  net.last.ends(4401, "expired");
  await clock.advance(250);
  assert.equal(net.sockets.length, 2);
  net.last.ends(4401);
  await clock.advance(500);
  assert.equal(net.sockets.length, 2);
  assert.deepEqual(errors, ["connection"]);
  await clock.advance(1000);
  assert.equal(net.last.welcome()["token"], "token 4");
  assert.deepEqual(reasons, ["connect", "unauthorized", "unauthorized", "unauthorized"]);
});

test("another name is said on a new connection at once, and edits go on", async () => {
  let name = "Ana";
  const { net, client, doc, statuses } = await withDoc({ name: () => name });
  const { sent } = net.last;
  doc.insert(0, "x");
  name = "Anastasia";
  client.reconnect();
  await settled();
  assert.equal(net.sockets.length, 2);
  assert.ok(net.sockets[0]!.closed);
  assert.equal(net.last.welcome()["name"], "Anastasia");
  assert.deepEqual(net.last.take("open"), { type: "open", doc: "notes", from: place, pending: 1 });
  net.last.says(openedAs("notes", { revisions: [], taken: null }));
  assert.deepEqual(net.last.take("edit")["op"], sent.find(({ type }) => type === "edit")?.["op"]);
  assert.deepEqual(statuses, ["connecting", "online", "offline", "connecting", "online"]);
});

test("an attempt that gets no answer is given up", async () => {
  const { net, clock, client } = setup();
  client.open("notes");
  await clock.advance(20_000);
  assert.equal(client.status, "offline");
  assert.ok(net.sockets[0]?.closed);
});

test("without a WebSocket the error says what to do", async () => {
  const { client, errors, clock } = setup({ WebSocket: undefined as never });
  const had = globalThis.WebSocket;
  if (had) return;
  client.open("notes");
  await clock.advance(0);
  assert.deepEqual(errors, ["connection"]);
});

test("a document opened twice is one, and closed after the second close", async () => {
  const { client, doc, net, clock } = await withDoc();
  assert.equal(client.open("notes"), doc);
  doc.close();
  await clock.advance(0);
  assert.ok(!net.last.sent.some(({ type }) => type === "close"));
  doc.close();
  // As a framework does that takes down and puts up again.
  assert.equal(client.open("notes"), doc);
  await clock.advance(0);
  doc.insert(0, "x");
  doc.close();
  await clock.advance(0);
  assert.ok(!net.last.sent.some(({ type }) => type === "close"), "an edit is still on its way");
  net.last.says({ type: "ack", doc: "notes", seq: 1, version: 2, chain: "c2", time: 0 });
  net.last.take("close");
  assert.throws(() => doc.insert(0, "x"), { code: "closed" });
  await assert.rejects(doc.ready().then(() => client.open("notes").ready({ signal: AbortSignal.abort(new Error("new")) })), /new/);
});

test("what is said of an earlier opening is not taken for the new one's", async () => {
  const { client, doc, net, clock } = await withDoc();
  doc.close();
  await clock.advance(0);
  const again = client.open("notes");
  assert.notEqual(again, doc);
  await settled();
  net.last.take("close");
  net.last.take("open");
  net.last.says({ type: "revision", doc: "notes", version: 2, op: [2, "late"], chain: "c2", time: 0 });
  net.last.says({ type: "closed", doc: "notes", code: "closed", message: "" });
  net.last.says(openedAs("notes", { content: "now" }));
  assert.equal((await again.ready()).text, "now");
});

test("a close that crosses the server's own is answered too, and the next opening is heard", async () => {
  const { client, doc, net, clock } = await withDoc();
  doc.close();
  await clock.advance(0);
  const again = client.open("notes");
  await settled();
  net.last.take("close");
  net.last.take("open");
  net.last.says({ type: "closed", doc: "notes", code: "deleted", message: "it was deleted" });
  net.last.says({ type: "error", code: "not_open", message: "", doc: "notes", reply_to: "close" });
  net.last.says(openedAs("notes", { content: "new" }));
  assert.equal((await again.ready()).text, "new");
});

test("people: who is here, where, and moved along with the text", async () => {
  const { doc, says, net } = await withDoc(
    {},
    {
      content: "a😀bcd",
      presence: {
        count: 2,
        joined: [
          { session: "own", user: { id: "u1", name: "Ana" } },
          { session: "s2", user: { id: "u2", name: "Ben" } },
        ],
        left: [],
        states: [{ session: "s2", version: 1, state: { cursors: [[2, 3]], color: "red" } }],
      },
    },
  );
  const events: string[] = [];
  doc.on("joined", ({ user }) => events.push(`+${user.name}`));
  doc.on("left", ({ user }) => events.push(`-${user.name}`));
  const cursors = () => doc.peers.map(({ cursors }) => cursors.map(({ anchor, head }) => [anchor, head]));
  assert.equal(doc.people, 2);
  assert.deepEqual(cursors(), [[[3, 4]]]);
  assert.equal(doc.peers, doc.peers);
  // Own text at the cursor goes behind it; its owner's before it.
  doc.insert(3, "😀");
  assert.deepEqual(cursors(), [[[3, 6]]]);
  says({ type: "revision", version: 2, op: [2, "!", 3], chain: "c2", time: 0, session: "s2", user: { id: "u2", name: "Ben" } });
  assert.equal(doc.text, "a😀😀!bcd");
  assert.deepEqual(cursors(), [[[3, 7]]]);
  // A state that is ahead waits for its version.
  says({ type: "presence", count: 3, joined: [{ session: "s3", user: { id: "u3", name: "Cho" } }], left: [], states: [{ session: "s3", version: 3, state: { cursors: [[0, 0]] } }] });
  assert.deepEqual(doc.peers.map(({ state }) => state?.cursors), [[[2, 3]], undefined]);
  says({ type: "ack", seq: 1, version: 3, chain: "c3", time: 0 });
  assert.deepEqual(cursors()[1], [[0, 0]]);
  // One that is behind is moved by what came since.
  says({ type: "presence", count: 3, joined: [], left: [], states: [{ session: "s3", version: 1, state: { cursors: [[5, 5]] } }] });
  assert.deepEqual(cursors()[1], [[9, 9]]);
  says({ type: "presence", count: 2, joined: [], left: ["s2"], states: [{ session: "s3", version: 3, state: { cursors: "nonsense" } }] });
  assert.deepEqual(cursors(), [[]]);
  assert.deepEqual(events, ["+Cho", "-Ben"]);
  net.last.ends(1006);
  assert.deepEqual(doc.peers, []);
  assert.equal(doc.people, 0);
});

test("own presence is shown when nothing is unsent, at most each 50 ms, and again on a new connection", async () => {
  const { doc, net, clock, says } = await withDoc({}, { content: "😀ab" });
  doc.presence.set({ cursors: [[2, 3]], color: "red" });
  assert.deepEqual(net.last.take("presence"), { type: "presence", doc: "notes", version: 1, state: { cursors: [[1, 2]], color: "red" } });
  doc.presence.set({ cursors: [[4, 4]], name: "half \ud83d" });
  doc.insert(0, "x");
  await clock.advance(50);
  assert.ok(!net.last.sent.some(({ type }) => type === "presence"));
  says({ type: "ack", seq: 1, version: 2, chain: "c2", time: 0 });
  assert.deepEqual(net.last.take("presence")["state"], { cursors: [[4, 4]], name: "half \ufffd" });
  assert.throws(() => doc.presence.set({ cursors: [[99, 99]] }), RangeError);
  net.last.ends(1006);
  await reconnect({ clock, net });
  says(openedAs("notes", { version: 2, chain: "c2", revisions: [] }) as never);
  const shown = net.last.take("presence")["state"] as { cursors: unknown };
  assert.deepEqual(shown.cursors, [[4, 4]]);
  await clock.advance(50);
  doc.presence.set(null);
  assert.equal(net.last.take("presence")["state"], null);
});

test("undo takes back one's own, in groups, and keeps what others did", async () => {
  const { doc, clock, says } = await withDoc({}, { content: "" });
  doc.insert(0, "h");
  doc.insert(1, "i");
  await clock.advance(1000);
  doc.insert(2, "!");
  says({ type: "ack", seq: 1, version: 2, chain: "c2", time: 0 });
  says({ type: "revision", version: 3, op: ["Ben: ", 1], chain: "c3", time: 0 });
  assert.equal(doc.text, "Ben: hi!");
  assert.equal(doc.undo(), true);
  assert.equal(doc.text, "Ben: hi");
  says({ type: "ack", seq: 2, version: 4, chain: "c4", time: 0 });
  says({ type: "revision", version: 5, op: [6, "?", 2], chain: "c5", time: 0 });
  assert.equal(doc.text, "Ben: h?i");
  assert.equal(doc.undo(), true);
  assert.equal(doc.text, "Ben: ?");
  assert.equal(doc.canUndo, false);
  assert.equal(doc.undo(), false);
  assert.equal(doc.redo(), true);
  assert.equal(doc.text, "Ben: h?i");
  assert.equal(doc.redo(), true);
  assert.equal(doc.text, "Ben: h?i!");
  assert.equal(doc.redo(), false);
  doc.undo();
  doc.insert(0, ">");
  assert.equal(doc.canRedo, false);
});

test("typing among others' typing is still one group", async () => {
  const { doc, says } = await withDoc({}, { content: "" });
  for (let key = 0; key < 20; key++) {
    doc.insert(doc.text.length, "a");
    says({ type: "ack", seq: key + 1, version: 2 + key * 2, chain: "c", time: 0 });
    const length = doc.text.length;
    says({ type: "revision", version: 3 + key * 2, op: ["b", length], chain: "c", time: 0 });
  }
  assert.equal(doc.text, "b".repeat(20) + "a".repeat(20));
  doc.undo();
  assert.equal(doc.text, "b".repeat(20));
  doc.redo();
  assert.equal(doc.text, "b".repeat(20) + "a".repeat(20));
});

test("edits as changes and as ops", async () => {
  const { doc, net } = await withDoc({}, { content: "a😀bc" });
  const origins: unknown[] = [];
  doc.on("change", ({ origin }) => origins.push(origin));
  const origin = {};
  doc.edit(
    [
      { from: 0, to: 1, insert: "A" },
      { from: 3, to: 5, insert: "" },
    ],
    origin,
  );
  assert.equal(doc.text, "A😀");
  doc.apply([1, "", "x", "y\ud800", 1], "two");
  assert.equal(doc.text, "Axy\ufffd😀");
  assert.deepEqual(origins, [origin, "two"]);
  assert.throws(() => doc.apply([1]), { code: "length_mismatch" });
  assert.throws(() => doc.apply([0.5, 4.5]), { code: "bad_op" });
  assert.throws(() => doc.insert(99, "x"), RangeError);
  assert.deepEqual(net.last.take("edit")["op"], ["A", -1, 1, -2]);
});

test("the content is compared with the server's once it is quiet, and a divergence repaired", async () => {
  const { doc, net, clock, says } = await withDoc({}, { content: "abc😀" });
  const resets: ResetEvent[] = [];
  doc.on("reset", (reset) => resets.push(reset));
  await clock.advance(15_000);
  assert.deepEqual(net.last.take("check"), { type: "check", doc: "notes", version: 1, sum: crc32("abc😀") });
  says({ type: "checked", version: 1 });
  doc.insert(0, "mine ");
  says({ type: "diverged", version: 1 });
  net.last.take("open");
  says(openedAs("notes", { content: "abd" }) as never);
  assert.equal(doc.text, "abd");
  assert.deepEqual([resets[0]?.reason, resets[0]?.unsent?.inserted], ["diverged", ["mine "]]);
});

test("the past is asked where the socket is, with the token that the server takes", async (context) => {
  const asked: { url: string; method: string; authorization: string | null; body: string }[] = [];
  const answers = [
    Response.json({ error: { code: "unauthorized", message: "expired" } }, { status: 401 }),
    Response.json({ head: 2, stretches: [], before: 0, more: false }),
    Response.json({ error: { code: "label_exists", message: "it names version 1" } }, { status: 409 }),
    new Response(null, { status: 204 }),
  ];
  context.mock.method(globalThis, "fetch", async (url: URL, init: RequestInit = {}) => {
    asked.push({ url: String(url), method: init.method ?? "GET", authorization: new Headers(init.headers).get("authorization"), body: String(init.body ?? "") });
    const answer = answers.shift();
    if (!answer) throw new TypeError("no network");
    return answer;
  });
  const { doc } = await withDoc({ token: ({ reason }) => (reason === "connect" ? "old" : "new") });
  const history = await doc.history();
  assert.equal((await history.stretches({ limit: 5 })).head, 2);
  await assert.rejects(history.label("a/b", 2), { name: "VariorumError", code: "label_exists", doc: "notes" });
  await history.unlabel("a/b");
  await assert.rejects(history.restore({ version: 1 }), { code: "connection" });
  const base = "http://localhost:1/base/v1/docs/notes";
  assert.deepEqual(asked.slice(0, 4), [
    { url: `${base}/history?limit=5`, method: "GET", authorization: "Bearer old", body: "" },
    { url: `${base}/history?limit=5`, method: "GET", authorization: "Bearer new", body: "" },
    { url: `${base}/labels/a%2Fb`, method: "PUT", authorization: "Bearer old", body: '{"version":2}' },
    { url: `${base}/labels/a%2Fb`, method: "DELETE", authorization: "Bearer old", body: "" },
  ]);
  assert.equal(asked.length, 7, "a request whose answer was lost is made three times");
});

test("the sum is zlib's", () => {
  assert.equal(crc32("123456789"), "cbf43926");
  assert.equal(crc32(""), "00000000");
  assert.equal(crc32("é😀"), "7f805a06");
});

test("ids like __proto__ are ids", async () => {
  const { client, net } = setup();
  const docs: Doc[] = ["__proto__", "constructor", "toString"].map((id) => client.open(id));
  await settled();
  net.last.welcome();
  for (const doc of docs) net.last.says(openedAs(doc.id, { content: doc.id }));
  assert.deepEqual(docs.map(({ text }) => text), ["__proto__", "constructor", "toString"]);
});

test("an error of the server's that concerns no document is the client's", async () => {
  const { errors, says } = await withDoc();
  says({ type: "error", code: "bad_message", message: "", doc: undefined });
  assert.deepEqual(errors, ["bad_message"]);
});

test("after close nothing can be opened, and what waits is told", async () => {
  const { client, doc } = await withDoc();
  doc.insert(0, "x");
  const flushed = doc.flushed();
  client.close();
  await assert.rejects(flushed, { code: "closed" });
  assert.throws(() => client.open("notes"), (error: VariorumError) => error.code === "closed");
  assert.equal(client.status, "closed");
});
