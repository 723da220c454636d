/** A field and a document follow each other, over input methods, line breaks and selections. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { openDoc, window } from "./browser.js";

const { bindTextarea } = await import("../src/textarea.js");

const setup = async (content: string, ready = true) => {
  const all = await openDoc(content, ready);
  const field = document.createElement("textarea");
  const stop = bindTextarea(all.doc, field);
  const fire = (type: string, more: object = {}) => field.dispatchEvent(Object.assign(new window.Event(type, { cancelable: true }), more) as unknown as Event);
  /** Puts `insert` in the place of the selection, as a browser does. */
  const types = (insert: string, from = field.selectionStart, to = field.selectionEnd) => {
    const { value } = field;
    field.value = value.slice(0, from) + insert + value.slice(to);
    field.setSelectionRange(from + insert.length, from + insert.length);
    fire("input");
  };
  return { ...all, field, stop, fire, types };
};

test("what is typed goes to the document, at the place where it was typed", async () => {
  const { doc, types, net } = await setup("aab");
  types("a", 1, 1);
  assert.equal(doc.text, "aaab");
  assert.deepEqual(net.last.take("edit")["op"], [1, "a", 2]);
});

test("others' changes come, and the selection stays at its letters", async () => {
  const { field, remote } = await setup("a😀bcd");
  field.setSelectionRange(3, 5, "backward");
  remote(["😀", 5]);
  assert.equal(field.value, "😀a😀bcd");
  assert.deepEqual([field.selectionStart, field.selectionEnd], [5, 7]);
  remote([1, -3, 2]);
  assert.equal(field.value, "😀cd");
  assert.deepEqual([field.selectionStart, field.selectionEnd], [2, 3]);
});

test("line breaks that a field shows as one stay what they are", async () => {
  const { doc, field, types, remote } = await setup("a\r\nb\r\nc\rd");
  // A browser shows them so; this one keeps what it is given.
  field.value = "a\nb\nc\nd";
  types("X", 4, 4);
  assert.equal(doc.text, "a\r\nb\r\nXc\rd");
  field.value = "a\nb\nXc\nd";
  field.setSelectionRange(6, 6);
  remote(["!", 9]);
  assert.equal(doc.text, "!a\r\nb\r\nXc\rd");
  assert.equal(field.selectionStart, 7);
});

test("while an input method composes, others' changes wait", async () => {
  const { doc, field, fire, types, remote } = await setup("ab");
  fire("compositionstart");
  types("ㅎ", 2, 2);
  remote(["Ben ", 2]);
  types("한", 2, 3);
  assert.equal(field.value, "ab한");
  assert.equal(doc.text, "Ben ab");
  fire("compositionend");
  assert.equal(doc.text, "Ben ab한");
  assert.equal(field.value, "Ben ab한");
  assert.equal(field.selectionStart, 7);
  fire("compositionstart");
  remote([6, "!"]);
  fire("compositionend");
  assert.equal(field.value, doc.text);
});

test("undo and redo are the document's", async () => {
  const { doc, field, fire, types, remote } = await setup("");
  types("mine");
  remote(["theirs"]);
  fire("keydown", { key: "z", ctrlKey: true });
  assert.equal(field.value, "theirs");
  fire("beforeinput", { inputType: "historyRedo" });
  assert.equal(field.value, "minetheirs");
  fire("beforeinput", { inputType: "historyUndo" });
  fire("keydown", { key: "Z", metaKey: true, shiftKey: true });
  fire("keydown", { key: "y" });
  assert.equal(field.value, "minetheirs");
  assert.equal(doc.text, field.value);
});

test("half a pair becomes in the field what it is in the document", async () => {
  const { doc, field, types } = await setup("");
  types("x\ud83d");
  assert.equal(doc.text, "x\ufffd");
  assert.equal(field.value, doc.text);
});

test("a field is read-only until the document is ready, and where it may only be read", async () => {
  const { field, opened, stop, types, doc } = await setup("ab", false);
  assert.ok(field.readOnly);
  opened();
  assert.ok(!field.readOnly);
  assert.equal(field.value, "ab");
  stop();
  types("x");
  assert.equal(doc.text, "ab");
  const reader = await setup("ab", false);
  reader.opened("read");
  assert.ok(reader.field.readOnly);
  reader.types("x");
  assert.equal(reader.field.value, "ab");
});
