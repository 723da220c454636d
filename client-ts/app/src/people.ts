/** The people in a document, one entry a person however many tabs they have. */

import { useCallback, useRef, useSyncExternalStore } from "react";
import type { Client, Doc } from "variorum";
import { peerColor } from "variorum/codemirror";

export interface Person {
  readonly id: string;
  readonly name: string;
  /** The number of their colour, from 0 to 7. */
  readonly color: number;
  readonly typing: boolean;
  /** Whether it is this user. */
  readonly you: boolean;
  /** Whether it is known where they are in the text. */
  readonly placed: boolean;
}

const everyone = (client: Client, doc: Doc): Person[] => {
  const people = new Map<string, Person>();
  const add = (person: Person) => {
    const other = people.get(person.id);
    people.set(person.id, other ? { ...other, typing: other.typing || person.typing, placed: other.placed || person.placed } : person);
  };
  const { user } = client;
  if (user && doc.people) add({ id: user.id, name: user.name, color: peerColor(user), typing: false, you: true, placed: false });
  for (const { user, state, cursors } of doc.peers) {
    add({ id: user.id, name: user.name, color: peerColor(user), typing: state?.typing === true, you: false, placed: cursors.length > 0 });
  }
  return [...people.values()];
};

const nobody: readonly Person[] = [];

/** Everyone here, oneself first. The same array until someone comes, goes, or begins or ends typing: not at each move of a cursor. */
export const usePeople = (client: Client, doc: Doc | null): readonly Person[] => {
  const last = useRef<readonly Person[]>(nobody);
  const listen = useCallback((tell: () => void) => doc?.on("presence", tell) ?? (() => {}), [doc]);
  return useSyncExternalStore(listen, () => {
    const now = doc ? everyone(client, doc) : nobody;
    if (JSON.stringify(now) !== JSON.stringify(last.current)) last.current = now;
    return last.current;
  });
};

/** Up to two letters of a name. */
export const initials = (name: string): string => {
  const words = name.trim().split(/\s+/);
  const letters = words.length > 1 ? [words[0]!, words[words.length - 1]!] : [words[0]!];
  return letters.map((word) => [...word][0] ?? "").join("").toUpperCase() || "?";
};
