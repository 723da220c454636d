/** Values that components read and are rendered anew by, some of them kept in the browser. */

import { useSyncExternalStore } from "react";

/** A value with listeners. */
export class Shared<T> {
  readonly #listeners = new Set<() => void>();
  #value: T;

  constructor(value: T) {
    this.#value = value;
  }

  get value(): T {
    return this.#value;
  }

  set value(value: T) {
    if (value === this.#value) return;
    this.#value = value;
    for (const listener of [...this.#listeners]) listener();
  }

  /** Calls `listener` after each change, and gives the function that stops it. */
  readonly watch = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  };
}

/** The value, as it is now. */
export const useShared = <T>(shared: Shared<T>): T => useSyncExternalStore(shared.watch, () => shared.value);

/** A value that the browser keeps under `key`, and that follows what other tabs make of it. `read` gets what is kept, whatever that is. */
export const kept = <T>(key: string, read: (found: unknown) => T): Shared<T> => {
  const name = `variorum.${key}`;
  const parse = (text: string | null): T => {
    try {
      return read(text === null ? undefined : JSON.parse(text));
    } catch {
      return read(undefined);
    }
  };
  let found: string | null = null;
  try {
    found = localStorage.getItem(name);
  } catch {
    // A browser that keeps nothing: the value lasts as long as the page.
  }
  const shared = new Shared(parse(found));
  const save = () => {
    const text = JSON.stringify(shared.value);
    try {
      if (text === undefined) localStorage.removeItem(name);
      else if (text !== localStorage.getItem(name)) localStorage.setItem(name, text);
    } catch {
      // It is full, or keeps nothing.
    }
  };
  shared.watch(save);
  // What was made up for want of something kept is the same from now on.
  save();
  addEventListener("storage", ({ key, newValue }) => {
    if (key === name) shared.value = parse(newValue);
  });
  return shared;
};
