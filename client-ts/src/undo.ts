/** Undo and redo of one's own edits only: what others did in between stays, and moves what is taken back. */

import { compose, isIdentity, transform, type Op } from "./ot/text.js";

/** Something to take back. */
interface Entry {
  /** Over the text as it was when this was noted. */
  op: Op;
  /** What others did since then, up to when the entry above was noted, or until now. */
  since: Op[];
}

/** Most entries kept. */
const MOST = 500;

/** Notes what another did. Neighbours of like size are composed, so that a thousand small ops cost little. */
const follow = (since: Op[], op: Op): void => {
  since.push(op);
  for (;;) {
    const [first, next] = since.slice(-2);
    if (!next || !first || first.length > 2 * next.length) return;
    since.splice(-2, 2, compose(first, next));
  }
};

/** Moves the top entry past what others did, which from then on counts as done after the entry below. */
const settle = (stack: Entry[]): Entry | undefined => {
  const top = stack[stack.length - 1];
  const below = stack[stack.length - 2];
  for (let past of top?.since ?? []) {
    [top!.op, past] = transform(top!.op, past);
    if (below) follow(below.since, past);
  }
  if (top) top.since = [];
  return top;
};

/** What can be taken back, and done again. Each top entry applies to the text as it is now. */
export interface Undo {
  /** Whether there is something in a stack; others may have made it void meanwhile. */
  can(from: "undo" | "redo"): boolean;
  /** Notes an own edit by the op that takes it back. */
  local(inverse: Op, now: number): void;
  /** Notes another's edit. */
  remote(op: Op): void;
  /** The op to do to take back, or do again, what comes next; its effect is to be told to {@link Undo.took}. */
  take(from: "undo" | "redo"): Op | undefined;
  /** Notes what was taken, by the op that takes that back. */
  took(inverse: Op): void;
  clear(): void;
}

/** `pause` parts one group from the next, in milliseconds. */
export const createUndo = (pause: number): Undo => {
  const stacks: { readonly undo: Entry[]; readonly redo: Entry[] } = { undo: [], redo: [] };
  /** When the last own edit was, in milliseconds. */
  let at = -Infinity;
  /** Where what is being taken goes. */
  let to = stacks.redo;
  const push = (stack: Entry[], op: Op) => {
    if (stack.push({ op, since: [] }) > MOST) stack.shift();
  };
  return {
    can: (from) => stacks[from].length > 0,
    local(inverse, now) {
      const top = settle(stacks.undo);
      if (top && now - at < pause) top.op = compose(inverse, top.op);
      else push(stacks.undo, inverse);
      at = now;
      stacks.redo.length = 0;
    },
    remote(op) {
      for (const stack of [stacks.undo, stacks.redo]) {
        const top = stack[stack.length - 1];
        if (top) follow(top.since, op);
      }
    },
    take(from) {
      at = -Infinity;
      while (settle(stacks[from])) {
        const { op } = stacks[from].pop()!;
        // Others may have deleted all that it would change.
        if (isIdentity(op)) continue;
        to = from === "undo" ? stacks.redo : stacks.undo;
        return op;
      }
      return undefined;
    },
    took: (inverse) => push(to, inverse),
    clear() {
      stacks.undo.length = stacks.redo.length = 0;
    },
  };
};
