/** The hooks show what a document is, and let go of it with the component. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { openDoc } from "./browser.js";
import { settled } from "./fakes.js";

const { act, createElement, StrictMode } = await import("react");
const { createRoot } = await import("react-dom/client");
const { renderToString } = await import("react-dom/server");
const { useConnection, useDocument, usePresence } = await import("../src/react.js");

Object.assign(globalThis, { IS_REACT_ACT_ENVIRONMENT: true });

test("a component shows the text, the people and the connection, under strict mode too", async () => {
  const { client, doc, net, remote, clock } = await openDoc("ab");
  const Page = ({ id }: { id: string }) => {
    const { doc, text, sync, access, error } = useDocument(client, id);
    const { peers, people } = usePresence(doc);
    const { status, user } = useConnection(client);
    return [text, sync, access, error?.code, people, peers.map(({ user, cursors }) => user.name + cursors[0]?.head).join(), status, user?.name].join("|");
  };
  const page = createElement(StrictMode, null, createElement(Page, { id: "notes" }));
  assert.equal(renderToString(page), "|loading|read||0||connecting|");
  const container = document.createElement("div");
  const root = createRoot(container);
  await act(async () => root.render(page));
  assert.equal(container.textContent, "ab|saved|write||2|<b>Ben2|online|Ana");
  await act(async () => remote(["x", 2]));
  assert.equal(container.textContent, "xab|saved|write||2|<b>Ben3|online|Ana");
  await act(async () => doc.insert(0, "y"));
  assert.match(container.textContent!, /^yxab\|saving/);
  await act(async () => net.last.says({ type: "error", code: "internal", message: "", doc: "notes", seq: 1, reply_to: "edit" }));
  assert.match(container.textContent!, /\|internal\|/);
  await act(async () => net.last.says({ type: "ack", doc: "notes", seq: 1, version: 3, chain: "c3", time: 0 }));
  assert.equal(container.textContent, "yxab|saved|write||2|<b>Ben4|online|Ana");
  doc.close();
  await act(async () => root.unmount());
  await clock.advance(1);
  await settled();
  assert.equal(net.last.sent.filter(({ type }) => type === "close").length, 1);
  assert.equal(net.last.sent.filter(({ type }) => type === "open").length, 1);
});
