/** Twenty people type in a long document: how much the page of one who reads it has to do for each frame. */

import assert from "node:assert/strict";
import { test } from "node:test";
import type { CDPSession } from "playwright-core";
import { WebSocket } from "ws";
import { createClient } from "../src/index.js";
import { launch, Person } from "./browser.js";
import { RealServer, seeded } from "./server.js";

const TYPISTS = 20;
/** Between two keys of one typist, in milliseconds: fast, as a hand types. */
const KEY = 150;
/** Keys that each types: on a busy machine it takes longer, and is no less. */
const KEYS = 50;
/**
 * The bar, in milliseconds of work on the main thread for each frame. On a quiet machine of today it is 16: `FRAME_BAR=16`. A slow or
 * shared one takes twice as long for the same work, so that a run of all tests only asks that it is not several times more.
 */
const BAR = Number(process.env["FRAME_BAR"] ?? 48);

interface TraceEvent {
  readonly name: string;
  readonly ph: string;
  readonly pid: number;
  readonly tid: number;
  /** Microseconds. */
  readonly ts: number;
  readonly dur?: number;
  /** Microseconds of the thread's own time: what other processes take of the machine is not in it. */
  readonly tdur?: number;
  readonly args: { readonly name?: string };
}

/** Records what the browser does while `act` goes on. */
const traced = async (session: CDPSession, act: () => Promise<void>): Promise<TraceEvent[]> => {
  const events: TraceEvent[] = [];
  session.on("Tracing.dataCollected", ({ value }) => events.push(...(value as unknown as TraceEvent[])));
  const complete = new Promise<void>((resolve) => session.once("Tracing.tracingComplete", () => resolve()));
  await session.send("Tracing.start", { transferMode: "ReportEvents", traceConfig: { includedCategories: ["disabled-by-default-devtools.timeline", "devtools.timeline", "devtools.timeline.frame", "__metadata"] } });
  await act();
  await session.send("Tracing.end");
  await complete;
  return events;
};

/** The work of each frame, in milliseconds: of the main thread that had most to do, from one frame handed to the compositor to the next. */
const perFrame = (events: readonly TraceEvent[]) => {
  const key = ({ pid, tid }: TraceEvent) => `${pid} ${tid}`;
  const mains = new Set(events.filter(({ name, args }) => name === "thread_name" && args.name === "CrRendererMain").map(key));
  const tasks = events.filter((event) => event.ph === "X" && /RunTask$/.test(event.name) && mains.has(key(event)));
  const work = new Map<string, number>();
  for (const task of tasks) work.set(key(task), (work.get(key(task)) ?? 0) + (task.tdur ?? 0));
  const [busiest] = [...work].sort(([, a], [, b]) => b - a)[0]!;
  const own = tasks.filter((task) => key(task) === busiest).sort((a, b) => a.ts - b.ts);
  const frames = events.filter((event) => event.name === "Commit" && key(event) === busiest).map(({ ts }) => ts).sort((a, b) => a - b);
  const made = frames.slice(1).map(() => ({ work: 0, wall: 0 }));
  let frame = 0;
  for (const { ts, dur = 0, tdur = 0 } of own) {
    while (frame < frames.length - 1 && ts >= frames[frame + 1]!) frame++;
    if (frame >= made.length || ts < frames[0]!) continue;
    made[frame]!.work += tdur / 1000;
    made[frame]!.wall += dur / 1000;
  }
  return made;
};

const percentile = (of: readonly number[], share: number): number => [...of].sort((a, b) => a - b)[Math.min(of.length - 1, Math.floor(of.length * share))]!;

test(`with ${TYPISTS} people typing in 100 kB, a frame costs the page at most ${BAR} ms at p95`, async (context) => {
  const server = new RealServer();
  await server.start();
  const browser = await launch();
  const random = seeded(20);
  const clients = Array.from({ length: TYPISTS }, (_, typist) => createClient({ url: server.url, WebSocket, name: `Typist ${typist}` }));
  try {
    const line = "the text that everyone writes in is long, and most of it is out of sight\n";
    const content = line.repeat(Math.ceil(100_000 / line.length));
    const docs = await Promise.all(clients.map((client) => client.open("busy", { create: { kind: "text", content } }).ready()));
    const reader = await Person.at(browser, "Reader");
    await reader.open(server.url, "busy");
    await reader.page.getByRole("button", { name: `People here: ${TYPISTS + 1}` }).waitFor();

    // When a mark that the first typist makes is on the reader's screen, by the clock that both have.
    await reader.page.evaluate(() => {
      const seen: Record<string, number> = {};
      Object.assign(globalThis, { seen });
      new MutationObserver(() => {
        const text = document.querySelector(".cm-line")?.textContent ?? "";
        for (const [mark] of text.matchAll(/\[\d+\]/g)) seen[mark] ??= Date.now();
      }).observe(document.querySelector(".cm-content")!, { subtree: true, childList: true, characterData: true });
    });
    const made: Record<string, number> = {};
    const typing = async (doc: (typeof docs)[number], typist: number) => {
      // Half of them are in sight of the reader, the others anywhere.
      let at = typist % 2 ? Math.floor(random() * 2_000) : Math.floor(random() * doc.text.length);
      for (let key = 0; key < KEYS; key++) {
        const text = typist === 0 ? `[${key}]` : "abcdefgh "[key % 9]!;
        if (typist === 0) made[text] = Date.now();
        at = typist === 0 ? 0 : Math.min(at, doc.text.length);
        doc.insert(at, text);
        at += text.length;
        doc.presence.set({ cursors: [[at, at]], typing: true });
        await new Promise((resolve) => setTimeout(resolve, KEY * (0.5 + random())));
      }
    };
    const began = Date.now();
    const session = await browser.newBrowserCDPSession();
    const events = await traced(session, async () => {
      await Promise.all(docs.map((doc, typist) => typing(doc, typist)));
    });
    const seconds = (Date.now() - began) / 1000;
    await Promise.all(docs.map((doc) => doc.flushed()));
    const frames = perFrame(events);
    const work = frames.map((frame) => frame.work);
    const [p50, p95, most] = [percentile(work, 0.5), percentile(work, 0.95), Math.max(...work)];
    const seen: Record<string, number> = await reader.page.evaluate(() => (globalThis as unknown as { seen: Record<string, number> }).seen);
    const delays = Object.entries(made).flatMap(([mark, time]) => (seen[mark] === undefined ? [] : [seen[mark]! - time]));
    context.diagnostic(
      `${TYPISTS * KEYS} keys in ${seconds.toFixed(1)} s, ${frames.length} frames: work per frame p50 ${p50.toFixed(1)} ms, p95 ${p95.toFixed(1)} ms, most ${most.toFixed(1)} ms ` +
        `(by the wall clock p95 ${percentile(frames.map(({ wall }) => wall), 0.95).toFixed(1)} ms); from key to another's screen p50 ${percentile(delays, 0.5)} ms, p95 ${percentile(delays, 0.95)} ms`,
    );
    assert.ok(docs[0]!.version > TYPISTS * 2, `${docs[0]!.version} revisions: everyone typed`);
    assert.ok(frames.length > 50, `${frames.length} frames were drawn`);
    assert.ok(delays.length > 10, `${delays.length} marks were seen`);
    assert.ok(p95 <= BAR, `p95 is ${p95.toFixed(1)} ms`);
    await reader.close();
  } finally {
    for (const client of clients) client.close();
    await browser.close();
    await server.stop();
  }
});
