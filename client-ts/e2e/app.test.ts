/** The app in a real browser, on the real server: people write together, lose the network and the server, and lose nothing else. */

import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, before, test } from "node:test";
import type { Browser } from "playwright-core";
import { eventually, launch, Person } from "./browser.js";
import { Proxy, RealServer, seeded } from "./server.js";

const server = new RealServer();
let browser: Browser;
let people: Person[] = [];

const someone = async (name: string, options?: Parameters<typeof Person.at>[2]): Promise<Person> => {
  const person = await Person.at(browser, name, options);
  people.push(person);
  return person;
};
/** Everyone reads the same, and it is what the server has. */
const agree = async (id: string, ...readers: Person[]): Promise<string> => {
  for (const reader of readers) await reader.saved();
  await eventually(async () => {
    const texts = await Promise.all(readers.map((reader) => reader.read()));
    const content = await server.content(id);
    return texts.every((text) => text === content);
  }, "everyone has the server's text");
  return server.content(id);
};

before(async () => {
  await server.start();
  browser = await launch();
});
afterEach(async () => {
  const were = people;
  people = [];
  for (const person of were) await person.close();
});
after(async () => {
  await browser.close();
  await server.stop();
});

test("two people write in one document, and each sees the other's name, cursor and words", async () => {
  const [ana, ben] = [await someone("Ana"), await someone("<b>Ben</b>")];
  await ana.open(server.url, "greeting");
  await ben.open(server.url, "greeting");
  await ana.text.click();
  await ana.page.keyboard.type("Hello from Ana");
  await ana.saved();
  await ben.text.click();
  await ben.page.keyboard.press("Control+End");
  await ben.page.keyboard.type(", and from Ben");
  assert.equal(await agree("greeting", ana, ben), "Hello from Ana, and from Ben");
  const label = ana.page.locator(".cm-peer-name");
  await label.waitFor();
  // A stranger's name is text, whatever it holds.
  assert.equal(await label.textContent(), "<b>Ben</b>");
  assert.equal(await ana.page.locator(".cm-peer-name b, .people b").count(), 0);
  await ana.page.getByRole("button", { name: "People here: 2" }).click();
  await ana.page.getByRole("button", { name: "<b>Ben</b>" }).waitFor();
  await ana.page.keyboard.press("Escape");
  // Undo takes back one's own words only.
  await ana.text.press("Control+z");
  assert.equal(await agree("greeting", ana, ben), ", and from Ben");
  await ana.text.press("Control+Shift+Z");
  assert.equal(await agree("greeting", ana, ben), "Hello from Ana, and from Ben");
});

test("a name is changed in place, kept, and seen by others", async () => {
  const [ana, ben] = [await someone("Ana"), await someone("Ben")];
  await ana.open(server.url, "names");
  await ben.open(server.url, "names");
  await ana.page.getByRole("button", { name: "People here: 2" }).click();
  await ana.page.getByLabel("Your name").fill("Anastasia");
  await ana.page.keyboard.press("Enter");
  await ana.page.keyboard.press("Escape");
  await ben.page.getByRole("button", { name: "People here: 2" }).click();
  await ben.page.getByText("Anastasia").first().waitFor({ state: "attached" });
  await ana.page.reload();
  await ana.page.getByRole("button", { name: /^People here/ }).click();
  assert.equal(await ana.page.getByLabel("Your name").inputValue(), "Anastasia");
});

test("offline, reloaded, the server killed, and back: nothing is lost or doubled", async () => {
  const proxy = new Proxy(server, seeded(1));
  await proxy.start();
  const [ana, ben] = [await someone("Ana"), await someone("Ben")];
  // Ana's network is a proxy of her own.
  await ana.open(proxy.url, "journey");
  await ben.open(server.url, "journey");
  await ana.text.click();
  await ana.page.keyboard.type("one ");
  await ana.saved();
  // The app itself is in the browser by now, so that it opens without a network.
  await ana.page.evaluate(() => navigator.serviceWorker.ready.then(() => {}));
  await ben.text.click();
  await ben.page.keyboard.press("Control+End");
  await ben.page.keyboard.type("two ");
  await agree("journey", ana, ben);

  proxy.down();
  await ana.page.locator('.saving[data-sync="offline"]').waitFor();
  await ana.page.keyboard.press("Control+End");
  await ana.page.keyboard.type("three ");
  await ana.page.getByText("You are offline.").waitFor();
  // While she is away: Ben writes, and the server dies and comes back.
  await ben.page.keyboard.type("four ");
  await server.kill("SIGKILL");
  await ben.page.keyboard.type("five ");
  await ana.page.reload();
  await eventually(async () => (await ana.read()).includes("three"), "what she wrote is back");
  await ana.text.click();
  await ana.page.keyboard.press("Control+Home");
  await ana.page.keyboard.type("zero ");
  await server.start();
  await ben.saved();
  await proxy.up();
  const text = await agree("journey", ana, ben);
  assert.deepEqual(text.trim().split(/\s+/).sort(), ["five", "four", "one", "three", "two", "zero"]);
  assert.ok(text.startsWith("zero one two "), text);
  await ana.text.press("Control+z");
  assert.equal(await agree("journey", ana, ben), text.replace("zero ", ""));
  await proxy.stop();
});

/** Someone whose network is a proxy of her own, with a document that she has begun. */
const behindProxy = async (id: string, text: string): Promise<{ proxy: Proxy; ana: Person }> => {
  const proxy = new Proxy(server, seeded(1));
  await proxy.start();
  const ana = await someone("Ana");
  await ana.open(proxy.url, id);
  await ana.text.click();
  await ana.page.keyboard.type(text);
  await ana.saved();
  return { proxy, ana };
};

test("a document of which nothing is unsent says offline that it waits, and opens when there is a network", async () => {
  const { proxy, ana } = await behindProxy("waiting", "all sent");
  await ana.page.evaluate(() => navigator.serviceWorker.ready.then(() => {}));
  proxy.down();
  await ana.page.reload();
  await ana.page.locator('.saving[data-sync="offline"]').waitFor();
  await ana.page.getByText("The document opens when you are back.").waitFor();
  await proxy.up();
  await eventually(async () => (await ana.read()) === "all sent", "it is open");
  await proxy.stop();
});

test("a tab that is closed offline leaves its edits to the next one", async () => {
  const { proxy, ana } = await behindProxy("left", "kept");
  proxy.down();
  await ana.page.locator('.saving[data-sync="offline"]').waitFor();
  await ana.page.keyboard.type(" for later");
  // Kept means written to the disk of the browser: a moment after the key, as a hand would need to close the tab.
  await eventually(
    () =>
      ana.page.evaluate(async () => {
        const [database] = await indexedDB.databases();
        const db = await new Promise<IDBDatabase>((resolve) => (indexedDB.open(database!.name!).onsuccess = ({ target }) => resolve((target as IDBOpenDBRequest).result)));
        const all = await new Promise<unknown[]>((resolve) => (db.transaction("outbox").objectStore("outbox").getAll().onsuccess = ({ target }) => resolve((target as IDBRequest).result)));
        db.close();
        return JSON.stringify(all).includes(" for later");
      }),
    "the outbox has it",
  );
  await ana.newTab();
  await proxy.up();
  // It is sent by the list of documents too: nobody need remember where they had been.
  await ana.page.goto(`${proxy.url}/`);
  await eventually(async () => (await server.content("left")) === "kept for later", "it was sent");
  await proxy.stop();
});

const seed = Number(process.env["SEED"] ?? Math.floor(Math.random() * 2 ** 31));

test(`two browsers type at once while the network fails again and again (seed ${seed})`, async () => {
  const random = seeded(seed);
  const proxy = new Proxy(server, random);
  await proxy.start();
  const [ana, ben] = [await someone("Ana"), await someone("Ben")];
  await ana.open(proxy.url, "storm");
  await ben.open(proxy.url, "storm");
  const words: string[] = [];
  proxy.wild = true;
  proxy.cut();
  const write = async (person: Person, mark: string) => {
    await person.text.click();
    for (let word = 0; word < 40; word++) {
      words.push(`${mark}${word}`);
      await person.page.keyboard.press(random() < 0.5 ? "Control+Home" : "Control+End");
      await person.page.keyboard.insertText(` ${mark}${word} `);
      if (word % 10 === 5) proxy.cut();
    }
  };
  await Promise.all([write(ana, "a"), write(ben, "b")]);
  proxy.wild = false;
  const text = await agree("storm", ana, ben);
  assert.deepEqual(text.trim().split(/\s+/).sort(), words.sort());
  assert.ok(proxy.cuts > 0, "the network failed");
  await proxy.stop();
});

test("ten thousand lines, a megabyte, emoji, marks, right-to-left and half a pair are pasted", async () => {
  const [ana, ben] = [await someone("Ana"), await someone("Ben")];
  await ana.open(server.url, "pasted");
  await ben.open(server.url, "pasted");
  const paste = async (text: string) => {
    await ana.text.evaluate((content, text) => {
      const data = new DataTransfer();
      data.setData("text/plain", text);
      content.dispatchEvent(new ClipboardEvent("paste", { clipboardData: data, bubbles: true, cancelable: true }));
    }, text);
    await ana.saved();
  };
  const lines = Array.from({ length: 10_000 }, (_, line) => `line ${line}: e\u0301 שלום 👩‍👩‍👧 \u202e!`).join("\r\n");
  await ana.text.click();
  await paste(lines);
  await paste("\nhalf \ud83d a pair");
  await paste(`\n${"x".repeat(1 << 20)}`);
  const expected = `${lines.replaceAll("\r\n", "\n")}\nhalf \ufffd a pair\n${"x".repeat(1 << 20)}`;
  await eventually(async () => (await server.content("pasted")) === expected, "the server has all of it");
  // The other editor draws what is in view; its end is what was pasted last.
  await ben.text.click();
  await ben.page.keyboard.press("Control+Home");
  await ben.page.keyboard.type("top ");
  await eventually(async () => (await server.content("pasted")) === `top ${expected}`, "and what the other wrote in it");
  await ana.page.keyboard.press("Control+Home");
  await eventually(async () => (await ana.read()).startsWith("top line 0: e\u0301 שלום 👩‍👩‍👧"), "and shows it");
});

test("a document that is not there is offered, and one whose name is none is not", async () => {
  const ana = await someone("Ana");
  await ana.page.goto(`${server.url}/d/nowhere`);
  await ana.page.getByRole("heading", { name: "There is no document here yet" }).waitFor();
  assert.equal((await fetch(`${server.url}/v1/docs/nowhere`)).status, 404);
  await ana.page.getByRole("button", { name: "Create it" }).click();
  await ana.text.waitFor();
  assert.equal((await fetch(`${server.url}/v1/docs/nowhere`)).status, 200);
  await ana.page.goto(`${server.url}/d/${encodeURIComponent("no spaces")}`);
  await ana.page.getByRole("heading", { name: "This document cannot be opened" }).waitFor();
  for (const id of ["constructor", "toString"]) await ana.open(server.url, id);
});

test("documents are found again in the list, and begun from it", async () => {
  const ana = await someone("Ana");
  await ana.page.goto(server.url);
  await ana.page.getByLabel("Name of a document").fill("Café notes");
  await ana.page.getByRole("button", { name: "Open" }).click();
  await ana.text.click();
  await ana.page.keyboard.type("# First words\nmore");
  await ana.saved();
  assert.equal(new URL(ana.page.url()).pathname, "/d/Cafe-notes");
  await ana.page.getByRole("link", { name: "All documents" }).click();
  // What the server lists, and what this browser remembers.
  await ana.page.getByRole("region", { name: "On this server" }).getByRole("link", { name: /^Cafe-notes/ }).waitFor();
  await ana.page.getByRole("link", { name: /Cafe-notes.*First words/ }).click();
  await ana.text.waitFor();
  assert.equal(await ana.read(), "# First words\nmore");
  await ana.page.getByRole("button", { name: "More" }).click();
  const [file] = await Promise.all([ana.page.waitForEvent("download"), ana.page.getByRole("button", { name: "Download" }).click()]);
  assert.equal(file.suggestedFilename(), "Cafe-notes.txt");
  assert.equal(readFileSync((await file.path())!, "utf8"), "# First words\nmore");
});

test("a document that is deleted under one's hands stays to be read, and can be made anew", async () => {
  const ana = await someone("Ana");
  await ana.open(server.url, "short-lived");
  await ana.text.click();
  await ana.page.keyboard.type("gone soon");
  await ana.saved();
  assert.equal((await fetch(`${server.url}/v1/docs/short-lived`, { method: "DELETE" })).status, 204);
  await ana.page.getByText("This document was deleted.").waitFor();
  await ana.text.click();
  await ana.page.keyboard.type("not taken");
  assert.equal(await ana.read(), "gone soon");
  await ana.page.getByRole("button", { name: "Make it anew" }).click();
  await ana.saved();
  await eventually(async () => (await ana.read()) === "" || (await ana.read()).startsWith("Write something"), "it is empty");
  await ana.text.click();
  await ana.page.keyboard.type("begun again");
  await ana.saved();
  assert.equal(await server.content("short-lived"), "begun again");
});

test("what cannot be carried over is kept, shown and copied", async () => {
  const other = new RealServer();
  await other.start();
  const ana = await someone("Ana", { permissions: ["clipboard-read", "clipboard-write"] });
  await ana.open(other.url, "replaced");
  await ana.text.click();
  await ana.page.keyboard.type("shared. ");
  await ana.saved();
  await other.kill();
  await ana.page.locator('.saving[data-sync="offline"]').waitFor();
  await ana.page.keyboard.type("mine alone");
  // Another server takes its place, which has another document of that name.
  await other.wipe();
  await other.start();
  await fetch(`${other.url}/v1/docs/replaced`, { method: "PUT", body: JSON.stringify({ kind: "text", content: "another text" }) });
  await ana.page.getByText("Some of what you wrote could not be saved.").waitFor();
  assert.equal(await ana.read(), "another text");
  // It is still there after a reload.
  await ana.page.reload();
  await ana.page.getByRole("button", { name: "Show" }).click();
  await ana.page.getByRole("button", { name: "Copy what I wrote" }).click();
  await ana.page.getByText("What you wrote copied").waitFor();
  assert.equal(await ana.page.evaluate(() => navigator.clipboard.readText()), "mine alone");
  await ana.page.getByRole("button", { name: "Copy the whole text" }).click();
  await eventually(async () => (await ana.page.evaluate(() => navigator.clipboard.readText())) === "shared. mine alone", "the whole text is copied");
  await ana.page.getByRole("button", { name: "Discard" }).click();
  await ana.page.getByRole("button", { name: "Discard for good" }).click();
  await ana.page.getByText("Some of what you wrote could not be saved.").waitFor({ state: "detached" });
  await other.stop();
});

test("where the server demands a token, a link brings it or the user is asked, and rights are kept", async () => {
  const folder = mkdtempSync(join(tmpdir(), "variorum-secret-"));
  const secret = "a secret of more than thirty-two bytes, for this test";
  writeFileSync(join(folder, "secret"), secret);
  const guarded = new RealServer(["--auth-secret", join(folder, "secret")]);
  await guarded.start();
  const encoded = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const token = (sub: string, access: string) => {
    const claims = `${encoded({ alg: "HS256", typ: "JWT" })}.${encoded({ sub, name: sub, exp: Math.floor(Date.now() / 1000) + 600, docs: [{ prefix: "", access }] })}`;
    return `${claims}.${createHmac("sha256", secret).update(claims).digest("base64url")}`;
  };
  const ana = await someone("ignored");
  await ana.page.goto(`${guarded.url}/d/guarded#token=${token("Ana", "write")}`);
  await ana.page.getByRole("button", { name: "Create it" }).click();
  // The address that is shared does not carry it on.
  assert.equal(ana.page.url(), `${guarded.url}/d/guarded`);
  await ana.text.click();
  await ana.page.keyboard.type("for eyes that may");
  await ana.saved();

  const ben = await someone("ignored");
  await ben.page.goto(`${guarded.url}/d/guarded`);
  await ben.page.getByLabel("Token").fill(token("Ben", "read"));
  await ben.page.getByRole("button", { name: "Go on" }).click();
  await ben.text.waitFor();
  assert.equal(await ben.read(), "for eyes that may");
  await ben.page.getByText("Read only").waitFor();
  await ben.text.click();
  await ben.page.keyboard.type("not taken");
  assert.equal(await ben.read(), "for eyes that may");
  await ana.page.getByRole("button", { name: "People here: 2" }).click();
  await ana.page.getByRole("button", { name: "Ben" }).waitFor();

  // Followed in the tab that asks, a link changes the fragment alone.
  const cem = await someone("ignored");
  await cem.page.goto(`${guarded.url}/d/guarded`);
  await cem.page.getByLabel("Token").waitFor();
  await cem.page.goto(`${guarded.url}/d/guarded#token=${token("Cem", "write")}`);
  await cem.text.waitFor();
  assert.equal(await cem.read(), "for eyes that may");
  assert.equal(cem.page.url(), `${guarded.url}/d/guarded`);
  await guarded.stop();
  rmSync(folder, { recursive: true });
});
