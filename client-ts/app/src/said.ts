/** What is said in passing: shown for a moment, and told to screen readers. */

import { Shared } from "./shared.js";

export interface Said {
  readonly text: string;
  /** Whether it is also shown; what is to be seen anyway is only told. */
  readonly shown: boolean;
}

export const said = new Shared<Said>({ text: "", shown: false });

/** How long it is shown, in milliseconds. */
const SHOWN = 4_000;
let timer: ReturnType<typeof setTimeout> | undefined;

export const say = (text: string, shown = true): void => {
  clearTimeout(timer);
  said.value = { text, shown };
  timer = setTimeout(() => (said.value = { text: "", shown: false }), SHOWN);
};

/** Copies a text, and says so. */
export const copy = async (text: string, what: string): Promise<void> => {
  try {
    await navigator.clipboard.writeText(text);
    say(`${what} copied`);
  } catch {
    // Without TLS, or without leave, a page may not.
    say("This browser does not let the page copy");
  }
};
