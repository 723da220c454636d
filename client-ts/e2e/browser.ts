/** A real browser, Debian's Chromium, and what a test does in it. */

import assert from "node:assert/strict";
import { chromium, type Browser, type BrowserContext, type BrowserContextOptions, type Locator, type Page } from "playwright-core";

/** Where the browser is. */
const CHROMIUM = process.env["CHROMIUM"] ?? "/usr/bin/chromium";

export const launch = (): Promise<Browser> =>
  chromium.launch({
    executablePath: CHROMIUM,
    // The sandbox needs what a container has not; the rest keeps it from speaking to anyone but the server under test.
    args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
  });

/** Someone at a browser of their own: with nothing in it that another has, and named `name`. */
export class Person {
  /** What went wrong in their pages: nothing may. */
  readonly faults: string[] = [];

  private constructor(
    readonly context: BrowserContext,
    public page: Page,
  ) {}

  static async at(browser: Browser, name: string, options: BrowserContextOptions = {}): Promise<Person> {
    const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, colorScheme: "light", locale: "en-GB", ...options });
    await context.addInitScript((name) => localStorage.getItem("variorum.name") ?? localStorage.setItem("variorum.name", JSON.stringify(name)), name);
    const person = new Person(context, await context.newPage());
    person.#watch();
    return person;
  }

  /** Closes the tab and opens another, in the same browser. */
  async newTab(): Promise<void> {
    await this.page.close();
    this.page = await this.context.newPage();
    this.#watch();
  }

  #watch(): void {
    this.page.on("pageerror", (error) => this.faults.push(String(error)));
    this.page.on("console", (message) => {
      // What cannot be reached is no fault of the page's, nor that a server does not list its documents.
      const expected = /net::ERR|WebSocket connection/.test(message.text()) || message.location().url.includes("/v1/docs?");
      if (message.type() === "error" && !expected) this.faults.push(message.text());
    });
  }

  /** Opens a document, which is made if it is not there. */
  async open(url: string, id: string): Promise<void> {
    await this.page.goto(`${url}/d/${id}`);
    const create = this.page.getByRole("button", { name: "Create it" });
    await this.text.or(create).first().waitFor();
    if (await create.isVisible()) await create.click();
    await this.text.waitFor();
  }

  /** The text on the screen. */
  get text(): Locator {
    return this.page.locator(".cm-content");
  }

  /** All of the text, as far as the editor shows it. */
  async read(): Promise<string> {
    return this.page.evaluate(() => [...document.querySelectorAll(".cm-line")].map((line) => [...line.childNodes].map((node) => (node instanceof HTMLElement && node.className.startsWith("cm-peer ") ? "" : node.textContent)).join("")).join("\n"));
  }

  /** Waits until the page says that all is saved. */
  async saved(): Promise<void> {
    await this.page.locator('.saving[data-sync="saved"]').waitFor();
  }

  async close(): Promise<void> {
    assert.deepEqual(this.faults, []);
    await this.context.close();
  }
}

/** Waits until something is so. */
export const eventually = async (so: () => Promise<boolean> | boolean, what: string, seconds = 20): Promise<void> => {
  const end = Date.now() + seconds * 1000;
  while (!(await so())) {
    assert.ok(Date.now() < end, `in time: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
};
