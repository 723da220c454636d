/** The laws of the algebra, each a property of the same name as in the server's own tests. */

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { VariorumError } from "../src/errors.js";
import { apply, baseLength, compose, composeTyping, invert, isIdentity, movePosition, targetLength, transform, type Op } from "../src/ot/text.js";
import { count } from "../src/ot/utf16.js";
import { concurrent, consecutive, text } from "./arbitraries.js";

const runs = { numRuns: 3000 };
const identity = (length: number): Op => (length ? [length] : []);

/** Throws unless neighbours are merged and nothing is empty. */
const canonical = (op: Op) => {
  op.forEach((part, place) => {
    assert.ok(part, `part ${place} of ${JSON.stringify(op)} is empty`);
    const sort = (of: number | string | undefined) => (typeof of === "number" ? Math.sign(of) : typeof of);
    assert.notEqual(sort(op[place - 1]), sort(part), `parts of ${JSON.stringify(op)} are not merged`);
  });
};

test("commute: a then T(x, a) gives the text that x then T'(a, x) gives", () => {
  fc.assert(
    fc.property(concurrent(1, 1), ({ base, x: [x], a: [a] }) => {
      const [moved, history] = transform(x!, a!);
      assert.equal(apply(moved, apply(a!, base)), apply(history, apply(x!, base)));
      canonical(moved);
      canonical(history);
    }),
    runs,
  );
});

test("exact composition: T(x, a∘b) = T(T(x, a), b), the same op", () => {
  fc.assert(
    fc.property(concurrent(1, 2), ({ x: [x], a: [a, b] }) => {
      assert.deepEqual(transform(x!, compose(a!, b!))[0], transform(transform(x!, a!)[0], b!)[0]);
    }),
    runs,
  );
});

test("the case that usual implementations break", () => {
  const x = [1, "b"];
  assert.deepEqual(transform(x, compose([-1], ["c"]))[0], transform(transform(x, [-1])[0], ["c"])[0]);
});

test("associativity: (a∘b)∘c = a∘(b∘c), the same op", () => {
  fc.assert(
    fc.property(consecutive(3), ({ ops: [a, b, c] }) => {
      assert.deepEqual(compose(compose(a!, b!), c!), compose(a!, compose(b!, c!)));
    }),
    runs,
  );
});

test("composition applies, and so does the composition of typing", () => {
  fc.assert(
    fc.property(consecutive(2), ({ base, ops: [a, b] }) => {
      const after = apply(b!, apply(a!, base));
      for (const op of [compose(a!, b!), composeTyping(a!, b!)]) {
        assert.equal(apply(op, base), after);
        canonical(op);
      }
    }),
    runs,
  );
});

test("typing batches: moving a batch of unsent edits gives what moving them one by one gives", () => {
  fc.assert(
    fc.property(concurrent(2, 1), ({ base, x: [x, y], a: [a] }) => {
      const [first, past] = transform(x!, a!);
      const [second] = transform(y!, past);
      const [batch] = transform(composeTyping(x!, y!), a!);
      const after = apply(a!, base);
      assert.equal(apply(batch, after), apply(second, apply(first, after)));
    }),
    runs,
  );
});

test("inversion undoes, and is its own inverse", () => {
  fc.assert(
    fc.property(consecutive(1), ({ base, ops: [a] }) => {
      const after = apply(a!, base);
      const inverse = invert(a!, base);
      assert.equal(apply(inverse, after), base);
      assert.deepEqual(invert(inverse, after), a);
    }),
    runs,
  );
});

test("the identity is neutral", () => {
  fc.assert(
    fc.property(consecutive(1), ({ base, ops: [a] }) => {
      const before = identity(count(base));
      const after = identity(targetLength(a!));
      assert.ok(isIdentity(before) && isIdentity(after));
      assert.deepEqual(compose(before, a!), a);
      assert.deepEqual(compose(a!, after), a);
      assert.deepEqual(transform(a!, before), [a, after]);
      assert.equal(apply(before, base), base);
    }),
    runs,
  );
});

test("a digit that is inserted is no length", () => {
  // "1" > 0 in JavaScript.
  assert.ok(!isIdentity(["1"]));
  assert.deepEqual(compose([1, "1"], [1, -1]), [1]);
  assert.deepEqual(transform(["5"], ["6"]), [
    ["5", 1],
    [1, "6"],
  ]);
});

test("lengths are checked", () => {
  const mismatch = (error: unknown) => error instanceof VariorumError && error.code === "length_mismatch";
  assert.equal(baseLength([2, "😀", -3]), 5);
  assert.equal(targetLength([2, "😀", -3]), 3);
  assert.throws(() => apply([3], "😀"), mismatch);
  assert.throws(() => transform([1], [2]), mismatch);
  assert.throws(() => compose(["😀"], [2]), mismatch);
  assert.throws(() => composeTyping([1], []), mismatch);
  assert.throws(() => invert([1], ""), mismatch);
});

test("a position moved past an op is where the text around it went", () => {
  fc.assert(
    fc.property(consecutive(1), fc.nat(20), ({ base, ops: [a] }, place) => {
      const position = place % (count(base) + 1);
      const before = movePosition(a!, position, false);
      const after = movePosition(a!, position, true);
      // Splitting the op at the position: what lies left of it, with and without what is inserted there.
      let left = 0;
      let least: number | undefined;
      let at = 0;
      for (const part of a!) {
        if (typeof part === "string") {
          if (at === position) least ??= left;
          if (at <= position) left += count(part);
        } else {
          const size = Math.min(Math.abs(part), position - at);
          // Deleted text that holds the position ends what can be at it.
          if (part > 0) left += Math.max(size, 0);
          at += Math.abs(part);
          if (at > position) break;
        }
      }
      assert.equal(before, least ?? left);
      assert.equal(after, left);
    }),
    runs,
  );
  assert.equal(movePosition([2, "ab"], 2, false), 2);
  assert.equal(movePosition([2, "ab"], 2, true), 4);
  assert.equal(movePosition([1, -3, "x", 1], 2, false), 1);
  assert.equal(movePosition(["😀", 3], 5, true), 6);
});

test("texts of the arbitraries have characters outside the basic plane", () => {
  assert.ok(fc.sample(text, { seed: 1, numRuns: 100 }).some((sample) => count(sample) !== sample.length));
});
