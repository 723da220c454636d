/** The state machine under random schedules of typing, delivery, cuts, duplicates, reloads, refusals and resets. */

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { createMachine, type Changed, type Kept, type Machine, type Unsent } from "../src/machine.js";
import { apply, type Op } from "../src/ot/text.js";
import type { VariorumError } from "../src/errors.js";
import type { DocMessage, EditMessage, OpenedMessage, OpenMessage } from "../src/protocol.js";
import { ReferenceServer, type Reader } from "./reference.js";

const DOC = "__proto__";

/** What a machine asked for at one input. */
type Effect =
  | { type: "send"; message: EditMessage | OpenMessage }
  | { type: "change"; change: Changed }
  | { type: "reset"; reason: string; unsent: Unsent | null }
  | { type: "error"; error: VariorumError }
  | { type: "retry"; ms: number | undefined };

/** A machine whose inputs answer with what it asked for. */
class Driven {
  readonly machine: Machine;
  #effects: Effect[] = [];

  constructor() {
    const effects = (effect: Effect) => void this.#effects.push(effect);
    this.machine = createMachine(DOC, {
      send: (message) => effects({ type: "send", message }),
      changed: (change) => effects({ type: "change", change }),
      reset: (reason, unsent) => effects({ type: "reset", reason, unsent }),
      failed: (error) => effects({ type: "error", error }),
      later: (ms) => effects({ type: "retry", ms }),
    });
  }

  #done(): Effect[] {
    return this.#effects.splice(0);
  }
  restore(kept: Kept, text: string) {
    this.machine.restore(kept, text);
    return this.#done();
  }
  open() {
    this.machine.open();
    return this.#done();
  }
  edit(op: Op) {
    this.machine.edit(op);
    return this.#done();
  }
  receive(message: DocMessage) {
    this.machine.receive(message);
    return this.#done();
  }
  retry() {
    this.machine.retry();
    return this.#done();
  }
  disconnected() {
    this.machine.disconnected();
  }
  get text() {
    return this.machine.text;
  }
  get place() {
    return this.machine.place;
  }
  get saved() {
    return this.machine.saved;
  }
  get phase() {
    return this.machine.phase;
  }
  get lost() {
    return this.machine.lost;
  }
}

/** A client: its machine, its screen as a listener would keep it, and its connection. */
class Client {
  machine = new Driven();
  screen = "";
  reader: Reader | undefined;
  up: (EditMessage | OpenMessage)[] = [];
  /** What a reload would find. */
  kept: { kept: Kept; text: string } | undefined;
  handedOver: { reason: string; unsent: Unsent | null }[] = [];
  errors: string[] = [];
  retries = 0;

  constructor(
    readonly name: string,
    readonly server: ReferenceServer,
  ) {}

  take(effects: Effect[]): void {
    // Kept before anything is on the wire, as the outbox does it.
    const kept = this.machine.machine.kept;
    if (effects.some(({ type }) => type === "send") || !kept) this.keep();
    for (const effect of effects) {
      if (effect.type === "send") {
        assert.ok(this.reader, "nothing is sent without a connection");
        this.up.push(effect.message);
      } else if (effect.type === "change") {
        for (const { from, to, insert } of [...effect.change.changes].reverse()) {
          this.screen = this.screen.slice(0, from) + insert + this.screen.slice(to);
        }
      } else if (effect.type === "reset") this.handedOver.push(effect);
      else if (effect.type === "error") this.errors.push(effect.error.code);
      else this.retries++;
    }
    this.check();
  }

  keep(): void {
    const kept = this.machine.machine.kept;
    this.kept = kept && { kept, text: String(this.machine.text) };
  }

  /** The screen is the server's text at this version, what is in flight, and the buffer. */
  check(): void {
    const { text, place, inflight, buffer, lost } = this.machine.machine;
    assert.equal(this.screen, String(text ?? ""));
    if (!place || lost || place.epoch !== `${this.server.epoch}` || place.chain !== this.server.chain(Math.min(place.version, this.server.head))) return;
    let expected = this.server.texts[place.version]!;
    if (inflight) expected = apply(inflight, expected);
    if (buffer) expected = apply(buffer, expected);
    assert.equal(this.screen, expected);
  }

  connect(): void {
    this.cut();
    this.reader = { client: this.name, place: undefined, down: [] };
    this.take(this.machine.open());
  }

  cut(): void {
    this.reader = undefined;
    this.up = [];
    this.machine.disconnected();
  }

  /** The tab is gone, and another takes over what was kept. */
  reload(): void {
    this.cut();
    this.machine = new Driven();
    this.screen = "";
    if (this.kept) this.take(this.machine.restore(this.kept.kept, this.kept.text));
  }

  types(at: number, insert: string, deleted = 0): boolean {
    const { text } = this.machine;
    if (!text) return false;
    const from = at % (text.units + 1);
    const op = text.op([{ from, to: Math.min(from + deleted, text.units), insert }]);
    this.take(this.machine.edit(op));
    this.keep();
    return true;
  }

  /** The next message reaches the server, perhaps twice. */
  deliverUp(chance: () => number, twice = false): void {
    const message = this.up.shift();
    if (!message || !this.reader) return;
    for (let times = twice ? 2 : 1; times; times--) {
      if (message.type === "open") this.server.open(this.reader, message, chance);
      else this.server.edit(this.reader, message);
    }
  }

  deliverDown(): void {
    const message = this.reader?.down.shift();
    if (message) this.take(this.machine.receive(JSON.parse(JSON.stringify(message)) as DocMessage));
  }
}

const step = fc.record({
  what: fc.constantFrom(
    ...(["type", "type", "type", "delete", "up", "up", "up", "twice", "pump", "pump", "down", "down", "down", "down"] as const),
    ...(["connect", "cut", "reload", "http", "error", "refuse", "remake", "rewind"] as const),
  ),
  who: fc.nat(2),
  at: fc.nat(1000),
  seed: fc.nat(1 << 20),
});
type What = typeof step extends fc.Arbitrary<infer Step> ? Step : never;

/** Runs a schedule, and then lets everything arrive. */
const run = (steps: What[], allowed: (what: What["what"]) => boolean) => {
  const server = new ReferenceServer();
  const clients = ["ann", "ben", "cho"].map((name) => new Client(name, server));
  const typed: string[] = [];
  let serial = 0;
  for (const { what, who, at, seed } of steps) {
    if (!allowed(what)) continue;
    const client = clients[who]!;
    let state = seed + 1;
    const chance = () => (state = (state * 48271) % 0x7fffffff) / 0x7fffffff;
    if (what === "type") {
      // One character each, so that none is torn by another typed into it; some inside the basic plane, some beyond.
      const token = String.fromCodePoint((chance() < 0.3 ? 0x1f300 : 0xe000) + serial++);
      if (client.types(at, token)) typed.push(token);
    } else if (what === "delete") client.types(at, chance() < 0.5 ? "" : "é", 1 + (seed % 4));
    else if (what === "up" || what === "twice") client.deliverUp(chance, what === "twice");
    else if (what === "pump") client.reader && server.pump(client.reader, DOC, chance);
    else if (what === "down") client.deliverDown();
    else if (what === "connect") client.connect();
    else if (what === "cut") client.cut();
    else if (what === "reload") client.reload();
    else if (what === "http") server.commit([`{${serial++}}`, ...(server.texts[server.head] ? [[...server.texts[server.head]!].length] : [])]);
    else if (what === "error") {
      const message = client.up.shift();
      if (message?.type === "edit") {
        client.reader?.down.push({ type: "error", code: "storage_unavailable", message: "", doc: DOC, seq: message.seq, reply_to: "edit" });
      } else if (message) client.reader?.down.push({ type: "error", code: "storage_unavailable", message: "", doc: DOC, reply_to: "open" });
    } else if (what === "refuse") server.refusing.add(`${client.name}/${client.machine.machine.seq + (seed % 2)}`);
    else if (what === "remake" || what === "rewind") {
      // The server was down meanwhile: nobody is connected across it.
      for (const each of clients) each.cut();
      if (what === "remake") server.remake(seed % 2 ? "new 😀" : "");
      else server.rewind(Math.floor(chance() * (server.head + 1)));
    }
  }
  let state = 7;
  const chance = () => (state = (state * 48271) % 0x7fffffff) / 0x7fffffff;
  for (const client of clients) if (!client.reader) client.connect();
  for (let round = 0; ; round++) {
    assert.ok(round < 1000, "everything settles");
    const busy = clients.some(({ up, reader, retries }) => up.length || retries || reader?.down.length || reader?.place !== server.head);
    if (!busy) break;
    for (const client of clients) {
      client.deliverUp(chance);
      if (client.reader) server.pump(client.reader, DOC, chance);
      client.deliverDown();
      if (client.retries) {
        client.retries = 0;
        client.take(client.machine.retry());
      }
    }
  }
  for (const client of clients) {
    assert.equal(client.machine.phase, "open");
    assert.ok(client.machine.saved, `${client.name} has nothing left to send`);
    assert.equal(client.screen, server.texts[server.head], `${client.name} has the server's text`);
    assert.equal(client.machine.place?.version, server.head);
  }
  return { server, clients, typed };
};

const occurrences = (text: string, token: string) => text.split(token).length - 1;
const schedule = fc.array(step, { minLength: 20, maxLength: 120, size: "max" });

test("texts converge and every edit is there exactly once, over cuts, duplicates, reloads and passing errors", () => {
  const excluded = ["delete", "refuse", "remake", "rewind"];
  fc.assert(
    fc.property(schedule, (steps) => {
      const { server, clients, typed } = run(steps, (what) => !excluded.includes(what));
      const text = server.texts[server.head]!;
      for (const token of typed) assert.equal(occurrences(text, token), 1, `${token} in ${text}`);
      for (const client of clients) assert.deepEqual(client.handedOver, []);
    }),
    { numRuns: 1500 },
  );
});

test("texts converge where edits delete as well", () => {
  const excluded = ["refuse", "remake", "rewind"];
  fc.assert(
    fc.property(schedule, (steps) => {
      const { clients } = run(steps, (what) => !excluded.includes(what));
      for (const client of clients) assert.deepEqual(client.handedOver, []);
    }),
    { numRuns: 1500 },
  );
});

test("what is refused is handed over, once, and nothing else is lost or doubled", () => {
  const excluded = ["delete", "remake", "rewind"];
  fc.assert(
    fc.property(schedule, (steps) => {
      const { server, clients, typed } = run(steps, (what) => !excluded.includes(what));
      const text = server.texts[server.head]!;
      const handedOver = clients.flatMap((client) => client.handedOver.flatMap(({ unsent }) => unsent?.inserted ?? [])).join(" ");
      for (const token of typed) assert.equal(occurrences(text, token) + occurrences(handedOver, token), 1, token);
    }),
    { numRuns: 1500 },
  );
});

test("after resets texts converge, and what was never taken is handed over", () => {
  fc.assert(
    fc.property(schedule, (steps) => {
      run(steps, () => true);
      const excluded = ["delete", "rewind"];
      const { server, clients, typed } = run(steps, (what) => !excluded.includes(what));
      const text = server.texts[server.head]!;
      const handedOver = clients.flatMap((client) => client.handedOver.flatMap(({ unsent }) => unsent?.inserted ?? [])).join(" ");
      for (const token of typed) assert.ok(occurrences(text, token) + occurrences(handedOver, token) <= 1, token);
    }),
    { numRuns: 1500 },
  );
});

// The rules one by one.

const place = { epoch: "e", version: 1, chain: "c1" };
const opened = (more: Partial<OpenedMessage> = {}): OpenedMessage => ({
  type: "opened",
  doc: DOC,
  kind: "text",
  ...place,
  access: "write",
  taken: null,
  ...(more.revisions ? {} : { content: "ab" }),
  ...more,
});
const revision = (version: number, op: Op, more = {}) => ({ type: "revision" as const, doc: DOC, version, op, chain: `c${version}`, time: 0, ...more });
const ack = (seq: number, version: number) => ({ type: "ack" as const, doc: DOC, seq, version, chain: `c${version}`, time: 0 });
const sent = (effects: Effect[]) => effects.flatMap((effect) => (effect.type === "send" ? [effect.message] : []));
const types = (effects: Effect[]) => effects.map(({ type }) => type);
const ready = () => {
  const machine = new Driven();
  machine.open();
  machine.receive(opened());
  return machine;
};

test("one edit is in flight, what is typed meanwhile is one edit more", () => {
  const machine = ready();
  assert.deepEqual(sent(machine.edit([2, "c"])), [{ type: "edit", doc: DOC, version: 1, seq: 1, op: [2, "c"] }]);
  assert.deepEqual(sent(machine.edit([3, "d"])), []);
  assert.deepEqual(sent(machine.edit([4, "e"])), []);
  assert.deepEqual(sent(machine.receive(ack(1, 2))), [{ type: "edit", doc: DOC, version: 2, seq: 2, op: [3, "de"] }]);
  assert.deepEqual(sent(machine.receive(ack(2, 3))), []);
  assert.ok(machine.saved);
  assert.deepEqual(machine.place, { epoch: "e", version: 3, chain: "c3" });
});

test("a change that leaves nothing to change is not sent", () => {
  const machine = ready();
  assert.deepEqual(machine.edit([2]), []);
  machine.edit([2, "c"]);
  machine.edit([3, "d"]);
  machine.edit([3, -1]);
  assert.deepEqual(sent(machine.receive(ack(1, 2))), []);
  assert.ok(machine.saved);
});

test("edits before the content is known are not taken, and none where one may only read", () => {
  const machine = new Driven();
  assert.throws(() => machine.edit(["a"]), { code: "not_ready" });
  machine.open();
  machine.receive(opened({ access: "read" }));
  assert.throws(() => machine.edit(["a", 2]), { code: "read_only" });
});

test("acks of what is not in flight are ignored, and repeated ones", () => {
  const machine = ready();
  machine.edit([2, "c"]);
  assert.deepEqual(machine.receive(ack(7, 2)), []);
  machine.receive(ack(1, 2));
  assert.deepEqual(machine.receive(ack(1, 2)), []);
  assert.equal(machine.place?.version, 2);
});

test("a hole in the versions is asked for once, and then all of the content", () => {
  const machine = ready();
  const first = machine.receive(revision(3, [2, "x"]));
  assert.deepEqual(types(first), ["error", "send"]);
  assert.deepEqual(sent(first), [{ type: "open", doc: DOC, create: undefined, from: place, pending: undefined }]);
  machine.receive(opened({ version: 1, revisions: [] }));
  machine.edit([2, "mine"]);
  const second = machine.receive(revision(3, [2, "x"]));
  assert.deepEqual(sent(second), [{ type: "open", doc: DOC, create: undefined, from: undefined, pending: 1 }]);
  const reset = machine.receive(opened({ version: 3, content: "abx" })).find((effect) => effect.type === "reset");
  assert.deepEqual(reset, { type: "reset", reason: "reset", unsent: { op: [2, "mine"], inserted: ["mine"], text: "abmine" } });
  assert.equal(String(machine.text), "abx");
});

test("an op that does not fit is a divergence, and changes nothing", () => {
  const machine = ready();
  const effects = machine.receive(revision(2, [5, "x"]));
  assert.deepEqual(types(effects), ["error", "send"]);
  assert.equal(String(machine.text), "ab");
  assert.equal(machine.lost, "diverged");
});

test("an edit that was taken before the connection was lost is not unsent", () => {
  const machine = ready();
  machine.edit([2, "c"]);
  machine.edit([3, "d"]);
  machine.disconnected();
  assert.deepEqual(sent(machine.open()), [{ type: "open", doc: DOC, create: undefined, from: place, pending: 1 }]);
  const effects = machine.receive(opened({ version: 9, chain: "z", content: "xabc", taken: { seq: 1, version: 4 }, reset: "chain" }));
  assert.deepEqual(
    effects.find((effect) => effect.type === "reset"),
    { type: "reset", reason: "chain", unsent: { op: [3, "d"], inserted: ["d"], text: "abcd" } },
  );
});

test("what another incarnation took under the same seq is another edit", () => {
  const machine = ready();
  machine.edit([2, "c"]);
  machine.disconnected();
  machine.open();
  const effects = machine.receive(opened({ epoch: "f", version: 9, chain: "z", content: "x", taken: { seq: 7, version: 4 }, reset: "epoch" }));
  assert.deepEqual(
    effects.find((effect) => effect.type === "reset"),
    { type: "reset", reason: "epoch", unsent: { op: [2, "c"], inserted: ["c"], text: "abc" } },
  );
  assert.equal((sent(machine.edit([1, "d"]))[0] as EditMessage).seq, 8);
});

test("a higher seq than was taken is used, by whoever takes over the client id", () => {
  const machine = new Driven();
  machine.open();
  machine.receive(opened({ taken: { seq: 41, version: 1 } }));
  assert.equal((sent(machine.edit([2, "c"]))[0] as EditMessage).seq, 42);
});

test("a passing error leaves the edit in flight, with the same seq", () => {
  const machine = ready();
  machine.edit([2, "c"]);
  const effects = machine.receive({ type: "error", code: "internal", message: "", doc: DOC, seq: 1, reply_to: "edit", retry_ms: 5 });
  assert.deepEqual(effects[1], { type: "retry", ms: 5 });
  assert.deepEqual(sent(machine.retry()), [{ type: "edit", doc: DOC, version: 1, seq: 1, op: [2, "c"] }]);
});

test("a document closed for a while is asked for again, a deleted one hands over what is unsent", () => {
  const machine = ready();
  machine.edit([2, "c"]);
  assert.deepEqual(types(machine.receive({ type: "closed", doc: DOC, code: "storage_unavailable", message: "" })), ["error", "retry"]);
  assert.equal(sent(machine.retry())[0]?.type, "open");
  machine.receive(opened({ version: 1, revisions: [] }));
  const effects = machine.receive({ type: "closed", doc: DOC, code: "deleted", message: "" });
  assert.deepEqual(types(effects), ["error", "reset"]);
  assert.equal(machine.phase, "refused");
  assert.deepEqual(machine.retry(), []);
  machine.disconnected();
  assert.equal(machine.phase, "refused");
});

test("an answer with neither content nor revisions is never an empty document", () => {
  const machine = new Driven();
  machine.open();
  const { content: _, ...bare } = opened();
  assert.deepEqual(types(machine.receive(bare)), ["error", "send"]);
  assert.equal(machine.text, undefined);
  // And a server that keeps doing so is not asked without pause.
  machine.receive(bare);
  assert.deepEqual(types(machine.receive(bare)), ["error", "retry"]);
});

test("a kind that is not text is not opened", () => {
  const machine = new Driven();
  machine.open();
  assert.deepEqual(types(machine.receive(opened({ kind: "board" }))), ["error"]);
  assert.equal(machine.phase, "refused");
});
