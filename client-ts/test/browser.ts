/** A page for tests of bindings, and a document in it whose server is the test. */

import { Window } from "happy-dom";
import { createClient, type Doc } from "../src/index.js";
import type { Op } from "../src/ot/text.js";
import { FakeClock, FakeNet, settled } from "./fakes.js";

export const window = new Window({ url: "http://localhost/" });
const names = ["window", "document", "navigator", "HTMLElement", "Node", "MutationObserver", "Event", "InputEvent", "KeyboardEvent", "getComputedStyle", "requestAnimationFrame", "cancelAnimationFrame", "Range", "DOMRect", "Text", "Element", "ResizeObserver", "IntersectionObserver"];
for (const name of names) {
  const value = (window as unknown as Record<string, unknown>)[name];
  Object.defineProperty(globalThis, name, { value: name === "window" ? window : typeof value === "function" && /^[a-z]/.test(name) ? value.bind(window) : value, configurable: true, writable: true });
}

/** A document with `content`, whether or not the server has said so yet. */
export const openDoc = async (content: string, ready = true) => {
  const clock = new FakeClock();
  const net = new FakeNet();
  const client = createClient({ url: "http://localhost", WebSocket: net.WebSocket, clock, storage: null });
  const doc: Doc = client.open("notes");
  await settled();
  net.last.welcome();
  const opened = (access: "read" | "write" = "write") =>
    net.last.says({
      type: "opened",
      doc: "notes",
      kind: "text",
      epoch: "e",
      version: 1,
      chain: "c1",
      access,
      taken: null,
      presence: {
        count: 2,
        joined: [{ session: "s2", user: { id: "u2", name: "<b>Ben" } }],
        left: [],
        states: [{ session: "s2", version: 1, state: { cursors: [[1, 2]] } }],
      },
      content,
    });
  if (ready) opened();
  let version = 1;
  return {
    doc,
    net,
    client,
    clock,
    opened,
    /** Another's edit, over the server's text. */
    remote(op: Op) {
      version++;
      net.last.says({ type: "revision", doc: "notes", version, op, chain: `c${version}`, time: 0, session: "s2", user: { id: "u2", name: "<b>Ben" } });
    },
    ack(seq: number) {
      version++;
      net.last.says({ type: "ack", doc: "notes", seq, version, chain: `c${version}`, time: 0 });
    },
  };
};
