/** Pictures of the app for the documentation, and whether everyone can use what they show. */

import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Person } from "./browser.js";

/** The documentation's pictures are taken anew when asked for: `npm run screenshots`. Else they are taken, and thrown away. */
const kept = process.env["SCREENSHOTS"] ? new URL("../../../docs/screenshots/", import.meta.url).pathname : undefined;

/** Takes a picture, and fails where there is nothing to see. */
export const picture = async (person: Person, name: string): Promise<void> => {
  if (kept) mkdirSync(kept, { recursive: true });
  const folder = kept ?? mkdtempSync(join(tmpdir(), "variorum-looks-"));
  const path = join(folder, `${name}.png`);
  await person.page.evaluate(() => document.fonts.ready.then(() => {}));
  await person.page.screenshot({ path, animations: "disabled", caret: "hide" });
  assert.ok(statSync(path).size > 5_000, `${name} shows something`);
  if (!kept) rmSync(folder, { recursive: true });
};

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** Fails for what axe objects to in the page as it is. */
export const usable = async (person: Person, where: string): Promise<void> => {
  const session = await person.context.newCDPSession(person.page);
  // By the debugger's door: the page itself lets no foreign script in.
  await session.send("Runtime.evaluate", { expression: axe });
  const { result, exceptionDetails } = await session.send("Runtime.evaluate", {
    expression: `axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"] }).then(({ violations }) => JSON.stringify(violations.map(({ id, help, nodes }) => ({ id, help, nodes: nodes.map(({ html, any }) => [html.slice(0, 200), any.map(({ message }) => message).join(" ")]) }))))`,
    awaitPromise: true,
    returnByValue: true,
  });
  assert.equal(exceptionDetails, undefined);
  assert.deepEqual(JSON.parse(result.value as string), [], where);
};
