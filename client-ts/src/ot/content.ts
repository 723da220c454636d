/** The text of a document in pieces, so that a keystroke anywhere in a megabyte costs microseconds. */

import { add, baseLength, checkLength, type Op, type Part } from "./text.js";
import { advance, count, splitsPair, wellFormed } from "./utf16.js";

/** `text` from the UTF-16 index `from` up to `to` of the text before is replaced by `insert`. */
export interface Change {
  /** Where it begins, in UTF-16 code units of the text before. */
  readonly from: number;
  /** Where what is replaced ends, in UTF-16 code units of the text before. */
  readonly to: number;
  /** What comes in its place; may be empty. */
  readonly insert: string;
}

/** What applying an op did. */
export interface Applied {
  /** The same as changes of a string, ascending and apart, each in places of the text before all of them. */
  readonly changes: readonly Change[];
  /** The op that takes it back. */
  readonly inverse: Op;
}

/** Chunks are at most this long, in UTF-16 code units. */
const CHUNK = 8192;
/** Chunks shorter than this are joined with a neighbour. */
const SHORT = 1024;

/**
 * What differs between two texts, as one change. Of several ways to put it, the one that ends at the UTF-16 index `end`
 * of `after`, where a cursor stands after typing.
 */
export const difference = (before: string, after: string, end = after.length): Change => {
  const most = Math.min(before.length, after.length);
  const least = Math.min(after.length - end, most);
  let tail = 0;
  while (tail < least && before[before.length - 1 - tail] === after[after.length - 1 - tail]) tail++;
  let from = 0;
  while (from < most - tail && before[from] === after[from]) from++;
  if (tail === least) while (tail < most - from && before[before.length - 1 - tail] === after[after.length - 1 - tail]) tail++;
  if (splitsPair(before, from) || splitsPair(after, from)) from--;
  if (splitsPair(before, before.length - tail) || splitsPair(after, after.length - tail)) tail--;
  return { from, to: before.length - tail, insert: after.slice(from, after.length - tail) };
};

/** Text that changes by ops. It is well-formed, and no chunk begins or ends inside a pair. */
export class Content {
  /** Length in UTF-16 code units. */
  units = 0;
  /** Length in scalar values: what ops must cover. */
  scalars = 0;
  /** Never empty, and none of it is empty unless it is the only one. */
  #chunks = [""];
  /** The scalar values of each chunk. */
  #counts = [0];
  /** The whole text, while nothing has changed since it was put together. */
  #whole: string | undefined;

  constructor(text: string) {
    if (text) this.apply([text]);
  }

  toString(): string {
    return (this.#whole ??= this.#chunks.join(""));
  }

  /**
   * `changes` (ascending and apart, each in places of this text) as an op. A change that would split a pair takes it whole.
   *
   * @throws RangeError unless the changes are in order and within the text.
   */
  op(changes: readonly Change[]): Op {
    const op: Part[] = [];
    let at = 0;
    for (const { from, to, insert } of changes) {
      const start = this.toScalars(from);
      const end = to > from ? this.toScalars(to, true) : start;
      if (start < at || to < from) throw new RangeError(`changes overlap or are out of order at ${from}`);
      add(op, start - at);
      add(op, wellFormed(insert));
      add(op, start - end);
      at = end;
    }
    add(op, this.scalars - at);
    return op;
  }

  /**
   * Changes the text.
   *
   * @throws VariorumError `length_mismatch`, and then nothing is changed.
   */
  apply(op: Op): Applied {
    checkLength(baseLength(op), this.scalars);
    const before = this.#chunks;
    const counts: number[] = [];
    const chunks: string[] = [];
    const changes: Change[] = [];
    const inverse: Part[] = [];
    // The chunk stood on, the code unit in it, and the scalar values left after that.
    let index = 0;
    let at = 0;
    let left = this.#counts[0] as number;
    // Places in the text before: of the walk, and of the change under construction.
    let place = 0;
    let from = 0;
    let insert = "";
    const finish = () => {
      if (insert || from < place) changes.push({ from, to: place, insert });
      insert = "";
    };
    const put = (text: string, scalars: number) => {
      this.units += text.length;
      this.scalars += scalars;
      const end = chunks.length - 1;
      const last = chunks[end] ?? "";
      if (end >= 0 && (last.length < SHORT || text.length < SHORT) && last.length + text.length <= CHUNK) {
        chunks[end] = last + text;
        (counts[end] as number) += scalars;
      } else {
        chunks.push(text);
        counts.push(scalars);
      }
    };
    /** Takes up to `size` scalar values of the chunk stood on, and gives how many. */
    const take = (size: number, kept: boolean): number => {
      if (!left) {
        left = this.#counts[++index] as number;
        at = 0;
      }
      const scalars = Math.min(size, left);
      const chunk = before[index] as string;
      const end = scalars === left ? chunk.length : chunk.length === this.#counts[index] ? at + scalars : advance(chunk, scalars, at);
      const text = chunk.slice(at, end);
      if (kept) put(text, scalars);
      else add(inverse, text);
      place += end - at;
      at = end;
      left -= scalars;
      return scalars;
    };
    this.units = 0;
    this.scalars = 0;
    for (const part of op) {
      if (typeof part === "string") {
        for (let start = 0, end; start < part.length; start = end) {
          end = start + CHUNK / 2;
          if (splitsPair(part, end)) end++;
          const piece = part.slice(start, end);
          put(piece, count(piece));
        }
        insert += part;
        add(inverse, -count(part));
      } else {
        if (part > 0) {
          finish();
          add(inverse, part);
        }
        for (let size = Math.abs(part); size; ) size -= take(size, part > 0);
        if (part > 0) from = place;
      }
    }
    finish();
    this.#chunks = chunks.length ? chunks : [""];
    this.#counts = chunks.length ? counts : [0];
    this.#whole = undefined;
    return { changes, inverse };
  }

  /**
   * The place, in scalar values, of the UTF-16 index `units`. One inside a pair counts as the pair's beginning, or as its
   * end with `up`.
   *
   * @throws RangeError unless `units` is a whole number within the text.
   */
  toScalars(units: number, up = false): number {
    if (!(units >= 0 && units <= this.units && Number.isInteger(units))) {
      throw new RangeError(`position ${units} is not in the text of length ${this.units}`);
    }
    if (this.units === this.scalars) return units;
    let scalars = 0;
    for (let index = 0; ; index++) {
      const chunk = this.#chunks[index] as string;
      if (units <= chunk.length) {
        if (splitsPair(chunk, units)) units += up ? 1 : -1;
        return scalars + count(chunk.slice(0, units));
      }
      units -= chunk.length;
      scalars += this.#counts[index] as number;
    }
  }

  /** The UTF-16 index of the place `scalars`, which is taken as the nearest within the text. */
  toUnits(scalars: number): number {
    scalars = Math.max(0, Math.min(scalars, this.scalars));
    if (this.units === this.scalars) return scalars;
    let units = 0;
    for (let index = 0; ; index++) {
      const chunk = this.#chunks[index] as string;
      const size = this.#counts[index] as number;
      if (scalars <= size) return units + advance(chunk, scalars);
      units += chunk.length;
      scalars -= size;
    }
  }
}
