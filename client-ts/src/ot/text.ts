/**
 * The algebra of text ops, the same as the server's: what it gives is equal to the op, not only in effect.
 *
 * ```text
 *            x                     T(x, a)  = transform(x, a)[0]
 *        S ─────▶ Sx               T'(a, x) = transform(x, a)[1]
 *        │        │
 *      a │        │ T'(a, x)       a, b consecutive; x concurrent with a;
 *        ▼        ▼                x, the incoming side, goes left at a tie.
 *        Sa ────▶ S'
 *           T(x, a)
 * ```
 *
 * - convergence: `a` then `T(x,a)` gives the text that `x` then `T'(a,x)` gives
 * - exact composition: `T(x, a∘b) = T(T(x,a), b)`, because a composed op keeps the order of inserts and deletes
 */

import { VariorumError } from "../errors.js";
import { advance, count } from "./utf16.js";

/** One part of an op: a positive number keeps, a negative one deletes that many scalar values, a string is inserted. */
export type Part = number | string;

/**
 * A change to a text: `[5, "abc", -3, 2]` keeps 5, inserts "abc", deletes 3 and keeps 2. Lengths count Unicode scalar
 * values. An op covers its whole base; neighbours of one sort are merged, no part is zero or empty, and the order of an
 * insert and a delete beside it means something.
 */
export type Op = readonly Part[];

/** Adds `part` to an op under construction: merges it with a neighbour of its sort, leaves it out if it is empty. */
export const add = (op: Part[], part: Part): void => {
  if (!part) return;
  const end = op.length - 1;
  const last = op[end] as Part;
  if (end >= 0 && (typeof part === "string" ? typeof last === "string" : typeof last === "number" && last > 0 === part > 0)) {
    // Both are strings or both numbers, and `+` does what is meant for either.
    op[end] = (last as number) + (part as number);
  } else op.push(part);
};

/** The length that `op` covers, in scalar values. */
export const baseLength = (op: Op): number => op.reduce<number>((sum, part) => (typeof part === "string" ? sum : sum + Math.abs(part)), 0);

/** The length that `op` leaves, in scalar values. */
export const targetLength = (op: Op): number =>
  op.reduce<number>((sum, part) => (typeof part === "string" ? sum + count(part) : sum + Math.max(part, 0)), 0);

/** Whether `op` leaves every text as it was. */
export const isIdentity = (op: Op): boolean => op.length < 2 && typeof op[0] !== "string" && !(op[0]! < 0);

/** Throws `length_mismatch` unless an op of length `op` fits what has the length `found`. */
export const checkLength = (op: number, found: number): void => {
  if (op !== found) throw new VariorumError("length_mismatch", `the op covers a length of ${op}, what it meets has ${found}`);
};

const END = 0;
const KEEP = 1;
const INSERT = 2;
const DELETE = 3;

/** A place in an op, which may be inside a part. */
class Walk {
  /** The sort of the part stood on. */
  sort = END;
  /** What is left of it, in scalar values. */
  size = 0;
  /** What is left of its text. */
  text = "";
  #next = 0;

  constructor(readonly op: Op) {
    this.step();
  }

  step(): void {
    const part = this.op[this.#next++];
    this.text = "";
    if (typeof part === "string") {
      this.sort = INSERT;
      this.text = part;
      this.size = count(part);
    } else {
      this.sort = !part ? END : part > 0 ? KEEP : DELETE;
      this.size = Math.abs(part ?? 0);
    }
  }

  /** Takes the whole part. */
  all(): string {
    const { text } = this;
    this.step();
    return text;
  }

  /** Takes `size` scalar values, at most what is left of the part. */
  take(size: number): string {
    if (size === this.size) return this.all();
    const { text } = this;
    const cut = !text ? 0 : text.length === this.size ? size : advance(text, size);
    this.text = text.slice(cut);
    this.size -= size;
    return text.slice(0, cut);
  }
}

/**
 * Moves two concurrent ops past each other: `[T(incoming, history), T'(history, incoming)]`. Where both insert at one
 * place the incoming one goes left.
 *
 * @throws {@link VariorumError} `length_mismatch` if they do not cover the same length.
 */
export const transform = (incoming: Op, history: Op): [incoming: Op, history: Op] => {
  checkLength(baseLength(incoming), baseLength(history));
  const x = new Walk(incoming);
  const a = new Walk(history);
  const mine: Part[] = [];
  const theirs: Part[] = [];
  for (;;) {
    if (x.sort === INSERT) {
      add(theirs, x.size);
      add(mine, x.all());
    } else if (a.sort === INSERT) {
      add(mine, a.size);
      add(theirs, a.all());
    } else {
      const size = Math.min(x.size, a.size);
      if (!size) return [mine, theirs];
      // What both delete is gone on either side.
      if (x.sort === KEEP) add(theirs, a.sort === KEEP ? size : -size);
      if (a.sort === KEEP) add(mine, x.sort === KEEP ? size : -size);
      x.take(size);
      a.take(size);
    }
  }
};

const join = (first: Op, next: Op, insertFirst?: boolean): Op => {
  checkLength(baseLength(next), targetLength(first));
  const a = new Walk(first);
  const b = new Walk(next);
  const op: Part[] = [];
  for (;;) {
    if (b.sort === INSERT && (insertFirst || a.sort !== DELETE)) add(op, b.all());
    else if (a.sort === DELETE) {
      add(op, -a.size);
      a.step();
    } else {
      const size = Math.min(a.size, b.size);
      if (!size) return op;
      const inserted = a.sort === INSERT;
      const kept = b.sort === KEEP;
      const text = a.take(size);
      b.take(size);
      // Inserted by the first and deleted by the next: never was.
      if (kept) add(op, inserted ? text : size);
      else if (!inserted) add(op, -size);
    }
  }
};

/**
 * `first∘next`: one op that does what `first` and then `next` do, exactly as the server composes history: where `first`
 * deleted and `next` inserts, the delete comes first.
 *
 * @throws {@link VariorumError} `length_mismatch` if `next` does not cover what `first` leaves.
 */
export const compose = (first: Op, next: Op): Op => join(first, next);

/**
 * As {@link compose} with the insert first: for edits that nobody else has seen, so that batching them does not change
 * where their text lands.
 *
 * @throws {@link VariorumError} `length_mismatch` if `next` does not cover what `first` leaves.
 */
export const composeTyping = (first: Op, next: Op): Op => join(first, next, true);

/**
 * The op that takes `op` back. `base` is the text before it.
 *
 * @throws {@link VariorumError} `length_mismatch` if `op` does not cover `base`.
 */
export const invert = (op: Op, base: string): Op => {
  checkLength(baseLength(op), count(base));
  const inverse: Part[] = [];
  let at = 0;
  for (const part of op) {
    if (typeof part === "string") add(inverse, -count(part));
    else {
      const end = advance(base, Math.abs(part), at);
      add(inverse, part > 0 ? part : base.slice(at, end));
      at = end;
    }
  }
  return inverse;
};

/**
 * The text that `op` makes of `base`.
 *
 * @throws {@link VariorumError} `length_mismatch` if `op` does not cover `base`.
 */
export const apply = (op: Op, base: string): string => {
  checkLength(baseLength(op), count(base));
  let text = "";
  let at = 0;
  for (const part of op) {
    if (typeof part === "string") text += part;
    else {
      const end = advance(base, Math.abs(part), at);
      if (part > 0) text += base.slice(at, end);
      at = end;
    }
  }
  return text;
};

/**
 * Where `position`, a place between scalar values of `op`'s base, is after `op`. With `after` it moves behind text
 * inserted exactly there, as a cursor does at its owner's own insertion; otherwise it stays before it. One within deleted
 * text goes to where that text was.
 */
export const movePosition = (op: Op, position: number, after: boolean): number => {
  let base = 0;
  let target = 0;
  for (const part of op) {
    if (typeof part === "string") {
      if (position === base && !after) return target;
      target += count(part);
    } else {
      const size = Math.abs(part);
      if (position < base + size) return part > 0 ? position - base + target : target;
      base += size;
      if (part > 0) target += size;
    }
  }
  // In this order no sum passes 2^53.
  return position - base + target;
};
