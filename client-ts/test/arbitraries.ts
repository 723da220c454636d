/** What the properties are tried on: texts with every sort of character, ops over them, and ops that meet. */

import fc from "fast-check";
import { add, type Op, type Part } from "../src/ot/text.js";
import { count } from "../src/ot/utf16.js";

/** Few letters, so that ties and equal neighbours are common; among them pairs, a combining mark, NUL and a line break. */
export const text: fc.Arbitrary<string> = fc
  .array(fc.constantFrom("a", "b", "1", "é", "e\u0301", "ש", "\0", "\n", "\r", "😀", "👩‍👩‍👧", "𝒳"), { maxLength: 8 })
  .map((letters) => letters.join(""));

/** An op over `length` scalar values; inserts and deletes come in either order. */
export const opOver = (length: number): fc.Arbitrary<Op> =>
  fc.array(fc.tuple(fc.constantFrom("keep", "delete", "insert"), fc.nat(3), text), { maxLength: 8 }).map((steps) => {
    const op: Part[] = [];
    let left = length;
    for (const [sort, size, inserted] of steps) {
      const some = Math.min(size, left);
      if (sort === "insert") add(op, inserted);
      else {
        add(op, sort === "keep" ? some : -some);
        left -= some;
      }
    }
    add(op, left);
    return op;
  });

/** A text and consecutive ops beginning at it. */
export const consecutive = (ops: number): fc.Arbitrary<{ base: string; ops: Op[] }> =>
  text.chain((base) => {
    let all = fc.constant({ ops: [] as Op[], length: count(base) });
    for (let made = 0; made < ops; made++) {
      all = all.chain(({ ops: before, length }) =>
        opOver(length).map((op) => ({
          ops: [...before, op],
          length: op.reduce<number>((sum, part) => sum + (typeof part === "string" ? count(part) : Math.max(part, 0)), 0),
        })),
      );
    }
    return all.map((made) => ({ base, ops: made.ops }));
  });

/** Concurrent histories over one text: `left` and `right` ops each. */
export const concurrent = (left: number, right: number): fc.Arbitrary<{ base: string; x: Op[]; a: Op[] }> =>
  consecutive(left).chain(({ base, ops: x }) => {
    let all = fc.constant({ ops: [] as Op[], length: count(base) });
    for (let made = 0; made < right; made++) {
      all = all.chain(({ ops: before, length }) =>
        opOver(length).map((op) => ({
          ops: [...before, op],
          length: op.reduce<number>((sum, part) => sum + (typeof part === "string" ? count(part) : Math.max(part, 0)), 0),
        })),
      );
    }
    return all.map((made) => ({ base, x, a: made.ops }));
  });
