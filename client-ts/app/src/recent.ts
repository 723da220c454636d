/** Documents that were opened in this browser, newest first. */

import { kept } from "./shared.js";

export interface Recent {
  readonly id: string;
  /** Its first words, as they were then. */
  readonly title: string;
  /** When it was last open here, in milliseconds since 1970. */
  readonly time: number;
}

const MOST = 50;

const isRecent = (found: unknown): found is Recent => {
  const { id, title, time } = (found ?? {}) as Record<string, unknown>;
  return typeof id === "string" && typeof title === "string" && typeof time === "number";
};

export const recent = kept<readonly Recent[]>("recent", (found) => (Array.isArray(found) ? found.filter(isRecent) : []));

/** The first words of a text. */
export const titleOf = (text: string): string => {
  const [line = ""] = text.slice(0, 400).trimStart().split("\n", 1);
  return line.replace(/^#+\s*/, "").trim().slice(0, 120);
};

/** Notes that a document is open. */
export const visited = (id: string, title: string, now: number): void => {
  recent.value = [{ id, title, time: now }, ...recent.value.filter((each) => each.id !== id)].slice(0, MOST);
};

/** Forgets a document: it is gone, or not wanted in the list. */
export const forget = (id: string): void => {
  recent.value = recent.value.filter((each) => each.id !== id);
};
