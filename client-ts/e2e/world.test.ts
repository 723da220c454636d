/**
 * The state machine itself in a world of faults, against the real server: a seed chooses who types, which messages pass and
 * which are held back, which connections are cut with what is on them, who sends again unasked and who reloads.
 *
 * `WORLD_SEEDS=1000..1100 npm run e2e` plays other seeds; a failure names its own.
 */

import assert from "node:assert/strict";
import { once } from "node:events";
import { after, before, test } from "node:test";
import { WebSocket } from "ws";
import { randomId } from "../src/clock.js";
import { createMachine, type Kept, type Machine, type Outputs } from "../src/machine.js";
import { count } from "../src/ot/utf16.js";
import type { Op } from "../src/ot/text.js";
import type { ClientMessage, DocMessage } from "../src/protocol.js";
import { RealServer, seeded, until } from "./server.js";

/** Clients of a document, what happens to them, and edits made beside them over HTTP. */
const CLIENTS = 4;
const EVENTS = 400;

const [first, last] = (process.env["WORLD_SEEDS"] ?? "1..40").split("..").map(Number) as [number, number];

const server = new RealServer();
before(() => server.start());
after(() => server.stop());

/** Someone who types, with a connection that the world holds in its hands. */
class Writer {
  readonly id = randomId();
  readonly typed: string[] = [];
  machine: Machine;
  /** What the machine said and the server has not been given, and the other way round. */
  readonly out: ClientMessage[] = [];
  readonly in: DocMessage[] = [];
  /** What went wrong for good: nothing may. */
  readonly resets: string[] = [];
  #socket: WebSocket | undefined;

  constructor(
    readonly doc: string,
    readonly number: number,
    readonly random: () => number,
  ) {
    this.machine = createMachine(doc, this.#outputs());
    this.machine.create = { kind: "text" };
  }

  #outputs(): Outputs {
    return {
      send: (message) => void this.out.push(message),
      changed: () => {},
      reset: (reason) => void this.resets.push(reason),
      failed: ({ code, message }) => void this.resets.push(`${code}: ${message}`),
      later: () => {},
    };
  }

  get connected(): boolean {
    return this.#socket !== undefined;
  }

  async connect(): Promise<void> {
    const socket = new WebSocket(`${server.url.replace("http", "ws")}/v1/connect`, "variorum.v1");
    await once(socket, "open");
    socket.send(JSON.stringify({ type: "hello", protocol: 1, client: this.id, name: `writer ${this.number}` }));
    await once(socket, "message");
    socket.on("message", (data) => {
      const message = JSON.parse(String(data));
      // What still comes from a connection that was cut is lost.
      if (this.#socket === socket && message.doc) this.in.push(message);
    });
    this.#socket = socket;
    this.machine.open();
  }

  /** The connection is gone, with what was on it in either direction. */
  cut(): void {
    this.#socket?.terminate();
    this.#socket = undefined;
    this.out.length = this.in.length = 0;
    this.machine.disconnected();
  }

  /** The tab is closed and opened again: what was kept is all there is. */
  reload(): void {
    const { kept, text } = this.machine;
    this.cut();
    this.machine = createMachine(this.doc, this.#outputs());
    this.machine.create = { kind: "text" };
    // Where nothing was unsent nothing was kept, and it begins anew.
    if (kept) this.machine.restore(JSON.parse(JSON.stringify(kept)) as Kept, String(text));
  }

  type(): void {
    const { text, phase } = this.machine;
    if (!text || phase === "refused") return;
    const length = count(String(text));
    const at = Math.floor(this.random() * (length + 1));
    // Each its own character, half of them outside the basic plane; nobody deletes, so that each must be there in the end.
    const token = String.fromCodePoint((this.typed.length % 2 ? 0x20000 : 0x4e00) + this.number * 1000 + this.typed.length);
    this.typed.push(token);
    this.machine.edit([at, token, length - at].filter((part) => part !== 0) as Op);
  }

  /** Lets some of what waits pass: up to `most` messages each way. */
  pass(most: number): void {
    for (const message of this.out.splice(0, most)) this.#socket?.send(JSON.stringify(message));
    for (const message of this.in.splice(0, most)) this.machine.receive(message);
  }

  get settled(): boolean {
    return this.connected && this.machine.phase === "open" && this.machine.saved && !this.out.length && !this.in.length;
  }
}

const overHttp = async (doc: string, token: string): Promise<void> => {
  const body = JSON.stringify({ version: 0, op: [token] });
  const answer = await fetch(`${server.url}/v1/docs/${doc}/edits`, { method: "POST", body });
  assert.equal(answer.status, 200);
};

/** Lets the server answer what it was given: some turns of the loop, as the seed says. */
const turns = async (random: () => number): Promise<void> => {
  for (let turn = Math.floor(random() * 4); turn > 0; turn--) await new Promise((resolve) => setImmediate(resolve));
};

const play = async (seed: number): Promise<void> => {
  const random = seeded(seed);
  const doc = `world-${seed}`;
  const writers = Array.from({ length: CLIENTS }, (_, number) => new Writer(doc, number, random));
  const others: string[] = [];
  await writers[0]!.connect();
  await until(() => {
    writers[0]!.pass(9);
    return writers[0]!.settled;
  }, "the document is made");
  for (let event = 0; event < EVENTS; event++) {
    const writer = writers[Math.floor(random() * CLIENTS)]!;
    const chance = random();
    if (!writer.connected) await writer.connect();
    else if (chance < 0.35) writer.type();
    else if (chance < 0.85) writer.pass(1 + Math.floor(random() * 4));
    else if (chance < 0.9) writer.machine.retry();
    else if (chance < 0.95) writer.cut();
    else if (chance < 0.97) writer.reload();
    else {
      const token = String.fromCodePoint(0x3400 + others.length);
      others.push(token);
      await overHttp(doc, token);
    }
    await turns(random);
  }
  // Faults stop, and what was sent is answered.
  for (const writer of writers) if (!writer.connected) await writer.connect();
  const text = async () => {
    for (const writer of writers) {
      if (writer.machine.phase === "open" && !writer.machine.saved && !writer.out.length && !writer.in.length) writer.machine.retry();
      writer.pass(Infinity);
    }
    return writers.every(({ settled, machine }) => settled && machine.place!.version === writers[0]!.machine.place!.version);
  };
  const deadline = Date.now() + 10_000;
  while (!(await text())) {
    assert.ok(Date.now() < deadline, "everyone settles within 10 s of the last fault");
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  const there = await server.content(doc);
  for (const { machine, resets } of writers) {
    assert.deepEqual(resets, [], "nothing is given up");
    assert.equal(String(machine.text), there, "everyone has the server's text");
  }
  const typed = [...writers.flatMap(({ typed }) => typed), ...others];
  assert.deepEqual([...there].sort(), typed.sort(), "what each typed is there exactly once");
  for (const writer of writers) writer.cut();
};

test("whatever happens on the way, everyone ends with everything that was typed, once", async (context) => {
  for (let seed = first; seed <= last; seed++) {
    await context.test(`seed ${seed}`, () => play(seed));
  }
});
