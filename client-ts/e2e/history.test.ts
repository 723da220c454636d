/** The past in the app: what was there, who wrote it, names for it, and the way back. */

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { Browser } from "playwright-core";
import { WebSocket } from "ws";
import { createClient } from "../src/index.js";
import { eventually, launch, Person } from "./browser.js";
import { usable } from "./looks.js";
import { RealServer } from "./server.js";

const server = new RealServer();
let browser: Browser;

before(async () => {
  await server.start();
  browser = await launch();
});
after(async () => {
  await browser.close();
  await server.stop();
});

test("an old version is found, read with what has changed since, named, and brought back for everyone", async () => {
  const ana = await Person.at(browser, "Ana");
  const ben = await Person.at(browser, "Ben");
  await ana.open(server.url, "past");
  await ana.text.click();
  await ana.page.keyboard.insertText("The first reading.");
  await ana.saved();
  await ben.open(server.url, "past");
  await ben.text.click();
  await ben.page.keyboard.press("Control+a");
  await ben.page.keyboard.insertText("Something else.");
  await eventually(async () => (await ana.read()) === "Something else.", "Ana sees it");

  await ana.page.getByRole("button", { name: "More" }).click();
  await ana.page.getByRole("button", { name: "History" }).click();
  const panel = ana.page.getByRole("complementary", { name: "History" });
  const stretches = panel.getByRole("list", { name: "Who wrote when, newest first" }).getByRole("button");
  await stretches.nth(1).waitFor();
  assert.match((await stretches.nth(0).textContent())!, /^Ben/);
  await stretches.nth(1).click();
  // What is gone since is struck out, what came since is marked.
  const past = ana.page.getByRole("region", { name: "Version 1" });
  await past.locator("del", { hasText: "The first reading" }).waitFor();
  await past.locator("ins", { hasText: "Something else" }).waitFor();
  await usable(ana, "the past");
  await panel.getByRole("radio", { name: "Text" }).check();
  await past.getByText("The first reading.", { exact: true }).waitFor();
  await panel.getByRole("radio", { name: "Authors" }).check();
  assert.match((await past.locator(".by").first().getAttribute("title"))!, /^Ana, version 1/);

  await panel.getByLabel("A name for version 1").fill("first <i>draft</i>");
  await panel.getByRole("button", { name: "Name", exact: true }).click();
  await panel.getByRole("button", { name: /^first <i>draft<\/i>/ }).waitFor();
  // The slider reaches every version by the keyboard.
  await panel.getByRole("slider").focus();
  await ana.page.keyboard.press("Home");
  await ana.page.getByRole("region", { name: "Version 0" }).waitFor();
  await panel.getByRole("button", { name: /^first <i>draft<\/i>/ }).click();
  await panel.getByRole("button", { name: "Restore this version" }).click();
  await eventually(async () => (await ana.read()) === "The first reading." && (await ben.read()) === "The first reading.", "it is back for both");
  assert.equal(await panel.count(), 0, "and the text is shown");
  await ana.close();
  await ben.close();
});

test("the client asks for all that the panel shows, and errors carry the protocol's codes", async () => {
  const client = createClient({ url: server.url, WebSocket, name: "Cleo" });
  const doc = await client.open("asked", { create: { kind: "text", content: "one" } }).ready();
  doc.insert(3, " two");
  await doc.flushed();
  const history = await doc.history();
  const { head, stretches } = await history.stretches();
  assert.equal(head, doc.version);
  assert.equal(stretches[0]?.user.name, "Cleo");
  assert.equal((await history.at(1)).content, "one");
  const diff = await history.diff(1, head);
  assert.deepEqual(diff.op, [3, " two"]);
  assert.deepEqual(diff.runs.map(({ sort, text }) => [sort, text]), [["kept", "one"], ["added", " two"]]);
  assert.equal((await history.blame(head)).runs.map(({ text }) => text).join(""), "one two");
  assert.equal((await history.label("draft", 1, "for Ana")).note, "for Ana");
  assert.deepEqual((await history.labels()).map(({ name, version }) => [name, version]), [["draft", 1]]);
  await assert.rejects(history.label("draft", head), { name: "VariorumError", code: "label_exists" });
  await history.unlabel("draft");
  await assert.rejects(history.unlabel("draft"), { code: "unknown_label" });
  await assert.rejects(history.at(head + 1), { code: "version_ahead" });
  assert.deepEqual((await history.restore({ version: 1 }, { preview: true })).op, [3, -4]);
  assert.equal(doc.text, "one two");
  await history.restore({ version: 1 });
  await eventually(() => doc.text === "one", "the restore comes as any change");
  doc.undo();
  assert.equal(doc.text, "one", "what others have taken back is nothing to undo");
  client.close();
});
