/** How the app looks, as pictures for the documentation, and whether everyone can use it: axe finds nothing to object to. */

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { Browser } from "playwright-core";
import { launch, Person } from "./browser.js";
import { picture, usable } from "./looks.js";
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

const TEXT = `Reading group, Thursday

We read the two quartos side by side. Where they part, note both readings and say which hand you take it from; nobody’s note replaces another’s.

1. The opening scene: who speaks first, and does it matter?
2. “Too solid” or “too sullied” flesh. Ana has the arguments for each.
3. Stage directions that only one text has.

Bring pencils.
`;

test("on a desk, on a phone and in the dark it looks as in the documentation, and axe objects to nothing", async () => {
  const ana = await Person.at(browser, "Ana Lindqvist");
  const ben = await Person.at(browser, "Ben Okafor", { viewport: { width: 390, height: 780 }, deviceScaleFactor: 2, isMobile: true, hasTouch: true });
  const dana = await Person.at(browser, "Dana Weiss", { colorScheme: "dark" });

  await ana.page.goto(server.url);
  await ana.page.getByRole("heading", { name: "Variorum" }).waitFor();
  await usable(ana, "the empty list");
  await ana.open(server.url, "reading-group");
  await usable(ana, "an empty document");
  await ana.text.click();
  await ana.page.keyboard.insertText(TEXT);
  await ana.saved();
  await ben.open(server.url, "reading-group");
  await dana.open(server.url, "reading-group");
  await dana.page.locator(".cm-line", { hasText: "3. Stage" }).click();
  await dana.page.keyboard.press("End");
  await dana.page.keyboard.press("Shift+Home");
  await ben.page.locator(".cm-line", { hasText: "Bring pencils." }).click({ position: { x: 5, y: 5 } });
  await ben.page.keyboard.press("End");
  await ben.page.keyboard.type(" And both editions.");
  await ana.page.getByText("Ben Okafor").first().waitFor();
  await ana.page.locator(".cm-peer-name", { hasText: "Dana Weiss" }).waitFor();
  await Promise.all([ana.saved(), ben.saved(), dana.saved()]);
  await picture(ana, "document");
  await picture(ben, "phone");
  await picture(dana, "dark");
  for (const [person, where] of [[ana, "a document"], [ben, "a phone"], [dana, "the dark"]] as const) await usable(person, where);

  await ana.page.getByRole("button", { name: "People here: 3" }).click();
  await usable(ana, "the people");
  await picture(ana, "people");
  await ana.page.keyboard.press("Escape");
  await ana.page.getByRole("button", { name: "Share" }).click();
  await usable(ana, "sharing");
  await ana.page.keyboard.press("Escape");
  await ben.page.getByRole("button", { name: "More" }).click();
  await usable(ben, "the menu");
  await picture(ben, "phone-menu");
  await dana.page.keyboard.press("Control+f");
  await usable(dana, "searching");
  // What Dana writes takes the place of what she has selected.
  await dana.page.keyboard.press("Escape");
  await dana.text.click();
  await dana.page.locator(".cm-line", { hasText: "3. Stage" }).click();
  await dana.page.keyboard.press("End");
  await dana.page.keyboard.press("Shift+Home");
  await dana.page.keyboard.type("3. Stage directions, and who is there to follow them.");
  await dana.saved();
  await ana.page.getByRole("button", { name: "More" }).click();
  await ana.page.getByRole("button", { name: "History" }).click();
  const stretches = ana.page.getByRole("list", { name: "Who wrote when, newest first" }).getByRole("button");
  await stretches.nth(2).click();
  await ana.page.locator(".past ins", { hasText: "who is" }).first().waitFor();
  await ana.page.mouse.move(0, 0);
  await usable(ana, "the past");
  await picture(ana, "history");
  await ana.page.getByRole("link", { name: "All documents" }).click();
  await ana.page.getByRole("link", { name: /reading-group/ }).first().waitFor();
  await usable(ana, "the list");
  await picture(ana, "list");
  for (const person of [ana, ben, dana]) await person.close();
});

test("the keyboard alone leads everywhere", async () => {
  const ana = await Person.at(browser, "Ana");
  await ana.page.goto(server.url);
  await ana.page.getByRole("heading", { name: "Variorum" }).waitFor();
  const focused = () => ana.page.evaluate(() => document.activeElement?.getAttribute("aria-label") ?? document.activeElement?.textContent ?? "");
  await ana.page.keyboard.press("Tab");
  await ana.page.keyboard.type("by-hand");
  await ana.page.keyboard.press("Enter");
  // The text has the focus at once, and Tab leads out of it, not into it.
  await ana.text.waitFor();
  await ana.page.keyboard.type("typed");
  await ana.saved();
  assert.equal(await ana.read(), "typed");
  await ana.page.keyboard.press("Shift+Tab");
  assert.equal(await focused(), "More");
  await ana.page.keyboard.press("Enter");
  await ana.page.keyboard.press("Tab");
  assert.equal((await focused()).trim(), "Find and replace");
  await ana.page.keyboard.press("Escape");
  assert.equal(await focused(), "More");
  await ana.page.keyboard.press("Shift+Tab");
  await ana.page.keyboard.press("Enter");
  await ana.page.getByRole("dialog", { name: "Write together" }).waitFor();
  await ana.page.keyboard.press("Escape");
  assert.equal(await ana.page.getByRole("dialog", { name: "Write together" }).count(), 0);
  assert.equal(await focused(), "Share");
  await ana.close();
});
