/** The editor and the document follow each other, and remote cursors are drawn as text, never as HTML. */

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { openDoc } from "./browser.js";
import { settled } from "./fakes.js";

const { EditorState } = await import("@codemirror/state");
const { EditorView, runScopeHandlers } = await import("@codemirror/view");
const { variorum, peerColor } = await import("../src/codemirror.js");

const setup = async (content: string, ready = true) => {
  const all = await openDoc(content, ready);
  const view = new EditorView({ state: EditorState.create({ doc: all.doc.text, extensions: [variorum(all.doc)] }), parent: document.body });
  const text = () => view.state.doc.toString();
  const press = (key: string, shiftKey = false) => runScopeHandlers(view, Object.assign(new KeyboardEvent("keydown", { key, ctrlKey: true, shiftKey }), { keyCode: key.toUpperCase().charCodeAt(0) }), "editor");
  return { ...all, view, text, press };
};

test("what is typed goes to the document, and what others write into the editor", async () => {
  const { doc, view, text, remote, net } = await setup("a😀b\r\nc");
  assert.equal(text(), "a😀b\r\nc");
  view.dispatch({ changes: [{ from: 0, to: 1, insert: "A" }, { from: 3, insert: "!" }] });
  assert.equal(doc.text, "A😀!b\r\nc");
  assert.deepEqual(net.last.take("edit")["op"], ["A", -1, 1, "!", 4]);
  remote([1, -1, 3, "?", 1]);
  assert.equal(text(), "A!b\r\n?c");
  assert.equal(doc.text, text());
});

test("an editor made before the document is ready cannot be typed into until it is", async () => {
  const { doc, view, text, opened } = await setup("later", false);
  view.dispatch({ changes: { from: 0, insert: "lost?" } });
  assert.equal(text(), "");
  opened();
  assert.equal(text(), "later");
  view.dispatch({ changes: { from: 5, insert: "!" } });
  assert.equal(doc.text, "later!");
});

test("where one may only read, typing changes nothing, and others' changes come", async () => {
  const { view, text, opened, remote } = await setup("ab", false);
  opened("read");
  view.dispatch({ changes: { from: 0, insert: "x" } });
  assert.equal(text(), "ab");
  remote([2, "c"]);
  assert.equal(text(), "abc");
});

test("half a pair that is pasted becomes in the editor what it is in the document", async () => {
  const { doc, view, text } = await setup("a😀");
  view.dispatch({ changes: { from: 1, insert: "x\ud83d" } });
  await settled();
  assert.equal(doc.text, "ax\ufffd😀");
  assert.equal(text(), doc.text);
  view.dispatch({ changes: { from: 4, to: 5 } });
  await settled();
  assert.equal(text(), doc.text);
});

test("undo is the document's: one's own only", async () => {
  const { doc, view, text, remote, press } = await setup("");
  view.dispatch({ changes: { from: 0, insert: "mine" } });
  remote(["theirs "]);
  assert.equal(text(), "minetheirs ");
  assert.ok(press("z"));
  assert.equal(text(), "theirs ");
  assert.ok(press("y"));
  assert.equal(text(), "minetheirs ");
  press("z");
  press("Z", true);
  assert.equal(text(), "minetheirs ");
  assert.equal(doc.text, text());
});

test("a listener that edits while the editor updates does no harm", async () => {
  const { doc, view, text } = await setup("ab");
  const stop = doc.on("change", ({ source }) => {
    if (source !== "local") return;
    stop();
    doc.insert(0, "!");
  });
  view.dispatch({ changes: { from: 2, insert: "c" } });
  await settled();
  assert.equal(doc.text, "!abc");
  assert.equal(text(), doc.text);
});

test("others' cursors are drawn, with names as text", async () => {
  const { view, remote } = await setup("abc");
  const carets = () => [...view.dom.querySelectorAll(".cm-peer-name")];
  assert.deepEqual(carets().map(({ textContent }) => textContent), ["<b>Ben"]);
  assert.equal(view.dom.querySelectorAll("b").length, 0);
  assert.equal(view.dom.querySelector(".cm-peer-selection")?.textContent, "b");
  remote([1, "XY", 2]);
  assert.equal(view.dom.querySelector(".cm-peer-selection")?.textContent, "b");
  assert.ok(view.dom.querySelector(`.cm-peer-${peerColor({ id: "u2", name: "" })}`));
  view.destroy();
  remote([1, "!", 4]);
});

test("two editors of one document show the same", async () => {
  const { doc, view } = await setup("ab");
  const other = new EditorView({ state: EditorState.create({ doc: doc.text, extensions: [variorum(doc)] }) });
  other.dispatch({ changes: { from: 0, insert: "x" } });
  view.dispatch({ changes: { from: 3, insert: "y" } });
  assert.equal(view.state.doc.toString(), "xaby");
  assert.equal(other.state.doc.toString(), "xaby");
});

test("editor and document agree over any mix of changes from both sides", async () => {
  const letters = fc.constantFrom("a", "😀", "\n", "\r", "é", "", "long line ");
  const step = fc.tuple(fc.constantFrom("type", "remote", "undo", "redo"), fc.nat(50), fc.nat(3), letters);
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
      const { doc, view, text, net, client, remote } = await setup("start 😀");
      let server = [..."start 😀"].length;
      for (const [what, at, size, insert] of steps) {
        if (what === "type") {
          const from = at % (text().length + 1);
          view.dispatch({ changes: { from, to: Math.min(from + size, text().length), insert } });
        } else if (what === "remote" && insert) {
          const place = at % (server + 1);
          remote([...(place ? [place] : []), insert, ...(server > place ? [server - place] : [])]);
          server += [...insert].length;
        } else if (what === "undo") doc.undo();
        else doc.redo();
        await Promise.resolve();
        assert.equal(text(), doc.text);
      }
      assert.equal(net.sockets.length, 1, "nothing had to be opened anew");
      view.destroy();
      client.close();
    }),
    { numRuns: 60 },
  );
});
