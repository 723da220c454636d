/** The text in chunks behaves as a string does, and the conversions between units never split a pair. */

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Content, difference, type Change } from "../src/ot/content.js";
import { apply, invert } from "../src/ot/text.js";
import { advance, count, splitsPair, wellFormed } from "../src/ot/utf16.js";
import { consecutive, text } from "./arbitraries.js";

/** Applies changes to a string, from the last so that places stay right. */
const change = (base: string, changes: readonly Change[]) =>
  [...changes].reverse().reduce((result, { from, to, insert }) => result.slice(0, from) + insert + result.slice(to), base);

const check = (content: Content, expected: string) => {
  assert.equal(String(content), expected);
  assert.equal(content.units, expected.length);
  assert.equal(content.scalars, count(expected));
};

test("count and advance agree with iterating by characters", () => {
  fc.assert(
    fc.property(text, (base) => {
      const scalars = [...base];
      assert.equal(count(base), scalars.length);
      let at = 0;
      scalars.forEach((scalar, place) => {
        assert.equal(advance(base, place), at);
        at += scalar.length;
      });
    }),
  );
});

test("halves of pairs become U+FFFD, pairs and all else stay", () => {
  assert.equal(wellFormed("a\ud83d\ude00b"), "a😀b");
  assert.equal(wellFormed("\ude00\ud83d x \ud83d"), "\ufffd\ufffd x \ufffd");
  const older = String.prototype.toWellFormed;
  Object.assign(String.prototype, { toWellFormed: undefined });
  try {
    assert.equal(wellFormed("\ude00\ud83d😀 x \ud83d"), "\ufffd\ufffd😀 x \ufffd");
  } finally {
    Object.assign(String.prototype, { toWellFormed: older });
  }
});

test("content follows ops as a string does, and gives changes and inverse", () => {
  fc.assert(
    fc.property(consecutive(3), ({ base, ops }) => {
      const content = new Content(base);
      let expected = base;
      for (const op of ops) {
        const { changes, inverse } = content.apply(op);
        assert.deepEqual(inverse, invert(op, expected));
        assert.equal(change(expected, changes), apply(op, expected));
        expected = apply(op, expected);
        check(content, expected);
      }
    }),
    { numRuns: 2000 },
  );
});

test("content of many chunks follows ops as a string does", () => {
  const letters = fc.constantFrom("a", "😀", "\n", "bcd".repeat(3000), "😀x".repeat(5000));
  fc.assert(
    fc.property(
      fc.array(letters, { maxLength: 12 }).map((pieces) => pieces.join("")),
      fc.array(fc.tuple(fc.double({ min: 0, max: 1, noNaN: true }), fc.double({ min: 0, max: 1, noNaN: true }), letters), { maxLength: 12 }),
      (base, steps) => {
        const content = new Content(base);
        let expected = base;
        for (const [where, much, insert] of steps) {
          const from = Math.floor(where * expected.length);
          const to = from + Math.floor(much * much * (expected.length - from));
          const op = content.op([{ from, to, insert }]);
          const { changes, inverse } = content.apply(op);
          const before = expected;
          expected = apply(op, expected);
          assert.equal(change(before, changes), expected);
          check(content, expected);
          assert.equal(apply(inverse, expected), before);
        }
      },
    ),
    { numRuns: 200 },
  );
});

test("a paste of everything, a deletion of everything, and both at once", () => {
  const long = "😀 line\n".repeat(20_000);
  const content = new Content("");
  check(content, "");
  content.apply([long]);
  check(content, long);
  content.apply([-count(long), "x"]);
  check(content, "x");
  content.apply(["a", -1, long]);
  check(content, `a${long}`);
  content.apply([-1, count(long) - 1, -1, "end"]);
  check(content, `${long.slice(0, -1)}end`);
});

test("places convert both ways, and one inside a pair goes to its beginning, or its end if asked", () => {
  fc.assert(
    fc.property(text, (base) => {
      const content = new Content(base);
      for (let units = 0; units <= base.length; units++) {
        const scalars = content.toScalars(units);
        if (splitsPair(base, units)) {
          assert.equal(scalars, content.toScalars(units - 1));
          assert.equal(content.toScalars(units, true), content.toScalars(units + 1));
        } else {
          assert.equal(scalars, count(base.slice(0, units)));
          assert.equal(content.toUnits(scalars), units);
        }
      }
    }),
  );
  const content = new Content("ab😀");
  for (const bad of [-1, 5, 1.5, Number.NaN]) assert.throws(() => content.toScalars(bad), RangeError);
  assert.equal(content.toUnits(99), 4);
  assert.equal(content.toUnits(-1), 0);
});

test("changes become an op; half of a pair takes its other half along", () => {
  const content = new Content("a😀b");
  assert.deepEqual(content.op([{ from: 1, to: 3, insert: "x" }]), [1, "x", -1, 1]);
  assert.deepEqual(content.op([{ from: 2, to: 3, insert: "" }]), [1, -1, 1]);
  assert.deepEqual(content.op([{ from: 1, to: 2, insert: "" }]), [1, -1, 1]);
  assert.deepEqual(content.op([{ from: 2, to: 2, insert: "x" }]), [1, "x", 2]);
  assert.deepEqual(content.op([{ from: 0, to: 0, insert: "\ud83d" }]), ["\ufffd", 3]);
  assert.deepEqual(content.op([]), [3]);
  assert.throws(() => content.op([{ from: 3, to: 1, insert: "" }]), RangeError);
  assert.throws(
    () =>
      content.op([
        { from: 0, to: 3, insert: "" },
        { from: 1, to: 1, insert: "x" },
      ]),
    RangeError,
  );
});

test("a difference leads from one text to the other and splits no pair", () => {
  fc.assert(
    fc.property(text, text, fc.nat(30), (before, after, end) => {
      for (const found of [difference(before, after), difference(before, after, end % (after.length + 1))]) {
        assert.equal(change(before, [found]), after);
        assert.equal(wellFormed(found.insert), found.insert);
        assert.ok(!splitsPair(before, found.from) && !splitsPair(before, found.to));
      }
    }),
    { numRuns: 3000 },
  );
  assert.deepEqual(difference("aab", "aaab", 2), { from: 1, to: 1, insert: "a" });
  assert.deepEqual(difference("aab", "aaab", 1), { from: 0, to: 0, insert: "a" });
  assert.deepEqual(difference("😀", "😁"), { from: 0, to: 2, insert: "😁" });
});

test("a keystroke anywhere in a megabyte is cheap", () => {
  const content = new Content("0123456789abcde\n".repeat(65_536));
  const start = process.cpuUsage();
  for (let key = 0; key < 2000; key++) {
    const at = (key * 7919) % content.units;
    content.apply(content.op([{ from: at, to: at, insert: "x" }]));
  }
  // Processor time, in microseconds: about 10 each here, however busy the machine is; copying would cost far more.
  const { user, system } = process.cpuUsage(start);
  assert.ok((user + system) / 2000 < 300);
  assert.equal(content.units, (1 << 20) + 2000);
});
