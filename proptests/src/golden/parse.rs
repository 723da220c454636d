//! Texts that are an op, and texts that are none: written by hand where a rule has an edge, and valid ops with one part made
//! wrong in every way there is. What is expected is stated here, not asked of the parser.

use variorum::ot::{Part, TextOp};

use super::Parse;
use crate::{Source, cases};

const ACCEPTED: &[&str] = &[
    "[]",
    "[1]",
    r#"["a"]"#,
    "[-1]",
    "[1,-1]",
    "[-1,1]",
    // The order of an insert and a delete beside each other is kept.
    r#"["x",-1]"#,
    r#"[-1,"x"]"#,
    r#"["x",-1,"y"]"#,
    r#"[-1,"x",-1]"#,
    r#"["x",-1,"y",-1,"z"]"#,
    r#"[5,"abc",-3,2]"#,
    // Space between the parts is JSON's own.
    " [ 1 , \"a\" ] ",
    "\n[\t1\r\n,\"a\"]\n",
    // Any scalar value is text, escaped or not.
    r#"["\u0000"]"#,
    r#"["a\u0000b"]"#,
    r#"["\u0001\u001f\u007f\u0080"]"#,
    r#"["\n\r\t\b\f\/\\\""]"#,
    r#"["\u0061"]"#,
    r#"["\ud83d\ude00"]"#,
    r#"["\uD834\uDD1E",-2]"#,
    r#"["\ud800\udc00\udbff\udfff"]"#,
    "[\"😀\"]",
    "[\"\u{10ffff}\u{10000}\u{ffff}\u{fffe}\u{feff}\"]",
    "[\"\u{d7ff}\u{e000}\u{2028}\u{2029}\u{7f}\"]",
    "[\"e\u{301}\"]",
    "[\"\u{301}\",-1]",
    "[\"é\"]",
    "[\"👩\u{200d}👩\u{200d}👧\"]",
    // An escaped backslash before the letters of an escape is no escape.
    r#"["\\ud800"]"#,
    r#"["\u005cud800"]"#,
    r#"["\\\\udc00"]"#,
    r#"["\\\ud83d\ude00"]"#,
    // Numbers in strings are text.
    r#"["1",-1,"-1"]"#,
    // Lengths up to 2^53-1, of the base and of the result, each on its own.
    "[9007199254740991]",
    "[-9007199254740991]",
    "[1,-9007199254740990]",
    "[-9007199254740990,1]",
    r#"[9007199254740990,"a"]"#,
    r#"["a",9007199254740990]"#,
    r#"[9007199254740988,"😀é\u0000"]"#,
    r#"[-9007199254740991,"abc"]"#,
    r#"["abc",-9007199254740991]"#,
    r#"[-9007199254740990,"abc",1]"#,
];

const BAD_OP: &[&str] = &[
    // Nothing is zero or empty.
    "[0]",
    r#"[""]"#,
    "[0,1]",
    "[1,0]",
    "[1,0,-1]",
    r#"["",1]"#,
    r#"[1,"",-1]"#,
    r#"["a",0,"b"]"#,
    // Neighbours of one sort are merged.
    "[1,1]",
    "[-1,-1]",
    r#"["a","b"]"#,
    r#"[1,"a",2,3]"#,
    r#"[1,"a","b",-1]"#,
    r#"[1,-2,-3,"a"]"#,
    "[1,-1,-1,1]",
    // A part is a whole number or a string.
    "[1.5]",
    "[-0.5]",
    "[0.1,1]",
    "[true]",
    "[false]",
    "[null]",
    "[1,null]",
    "[[]]",
    "[[1]]",
    "[{}]",
    r#"[{"insert":"a"}]"#,
    r#"[1,["a"],1]"#,
    r#"["a",[[[[]]]]]"#,
    r#"[1,{"0":[1]}]"#,
    r#"[true,"a"]"#,
    r#"[1,"a",null]"#,
    // Lengths stop at 2^53-1.
    "[9007199254740992]",
    "[-9007199254740992]",
    "[9007199254740993]",
    "[1,-9007199254740993]",
    "[9223372036854775807]",
    "[9223372036854775808]",
    "[-9223372036854775808]",
    "[-9223372036854775809]",
    "[18446744073709551615]",
    "[18446744073709551616]",
    "[-18446744073709551616]",
    "[1000000000000000000]",
    "[9223372036854775807,-9223372036854775808]",
    "[18446744073709551611,-10]",
    "[9223372036854775808,-9223372036854775808]",
    "[100000000000000000000000000000000000000000]",
    // And so do their sums.
    r#"[9007199254740991,"a"]"#,
    r#"["a",9007199254740991]"#,
    "[9007199254740991,-1]",
    "[-1,9007199254740991]",
    r#"[1,"a",9007199254740990]"#,
    r#"[9007199254740988,"abcd"]"#,
    r#"[1,"a",9007199254740991]"#,
    "[4503599627370496,-1,4503599627370496]",
    "[-4503599627370496,1,-4503599627370496]",
    r#"[-9007199254740990,"ab",2]"#,
    // Numbers that not even a float can hold are numbers all the same.
    "[1e999]",
    "[-1e999]",
    "[1,1e400]",
    r#"["a",123e456789]"#,
    "[1.0e+309]",
    "[1e-2]",
];

/// As [`BAD_OP`], where only the way a number is written is wrong.
const BAD_SPELLING: &[&str] = &[
    "[1.0]",
    "[-1.0]",
    "[1e3]",
    "[1E3]",
    "[1e0]",
    "[1e+2]",
    "[-1e2]",
    "[10e-1]",
    "[100e-2,-1]",
    "[2.50e1]",
    r#"[1,"a",2.0]"#,
    r#"["a",-3.0]"#,
    "[9007199254740991.0]",
    "[9007199254740990.5]",
    "[0.1e1]",
    "[1.0000000000000000001]",
    "[123456789e0]",
];

/// Zero and less, which JavaScript tells apart from no other zero but by `Object.is`.
const BAD_ZEROS: &[&str] = &["[-0]", "[0.0]", "[-0.0]", "[0e5]", "[-0e0]", "[1,-0]", "[1e-999]"];

const BAD_MESSAGE: &[&str] = &[
    // JSON, and no list.
    "{}",
    "null",
    "true",
    "false",
    "1",
    "-1",
    "0",
    "1.5",
    r#""""#,
    r#""[1]""#,
    r#"{"0":1}"#,
    r#"{"ops":[1]}"#,
    // No JSON.
    "",
    "[",
    "]",
    "[1",
    "[1,",
    "[1,]",
    "[,1]",
    "[,]",
    "[1 2]",
    "[1;2]",
    "[1]]",
    "[[1]",
    "[1] 2",
    "[1]//",
    "[1/**/]",
    "[01]",
    "[-01]",
    "[00]",
    "[+1]",
    "[--1]",
    "[-]",
    "[.5]",
    "[1.]",
    "[1e]",
    "[0x10]",
    "[1_000]",
    "[NaN]",
    "[Infinity]",
    "[-Infinity]",
    "[undefined]",
    "[tru]",
    "[True]",
    "['a']",
    "[\"a]",
    "[\"a\"",
    "[a]",
    r#"["\x"]"#,
    r#"["\u12"]"#,
    r#"["\u00g0"]"#,
    r#"["\"]"#,
    "[\"\u{1}\"]",
    "[\"\n\"]",
    "[\"\u{0}\"]",
    "\u{feff}[1]",
    "[1]\u{0}",
    "[0,1",
    // Half of a surrogate pair, wherever it stands and whatever else is wrong.
    r#"["\ud800"]"#,
    r#"["\uDFFF"]"#,
    r#"["\ud83da"]"#,
    r#"["a\ud83d","b"]"#,
    r#"["\ude00\ud83d"]"#,
    r#"["\ud800\ud800"]"#,
    r#"["\ud83d\\ude00"]"#,
    r#"["\\\udc00"]"#,
    r#"[0,"\ud800"]"#,
    r#"["\udbff",0]"#,
    r#"[1.0,"\udc00"]"#,
    r#"[["\udfff"]]"#,
    r#"[{"\ud800":1}]"#,
];

pub(super) fn cases() -> Vec<Parse> {
    let mut made: Vec<_> = ACCEPTED.iter().map(|json| accepted(json)).collect();
    made.extend(BAD_OP.iter().map(|json| refused(json, "bad_op")));
    made.extend(BAD_SPELLING.iter().map(|json| Parse { spelling: true, ..refused(json, "bad_op") }));
    made.extend(BAD_ZEROS.iter().map(|json| refused(json, "bad_op")));
    made.extend(BAD_MESSAGE.iter().map(|json| refused(json, "bad_message")));

    let digits = "9".repeat(400);
    made.push(refused(&format!("[{digits}]"), "bad_op"));
    made.push(refused(&format!("[1,-{digits}]"), "bad_op"));
    // Nested deeper than many a parser follows.
    let nested = |open: &str, close: &str| format!("[1,{}2{}]", open.repeat(200), close.repeat(200));
    made.push(refused(&nested("[", "]"), "bad_op"));
    made.push(refused(&nested(r#"{"a":"#, "}"), "bad_op"));
    made.push(refused(&nested("[", ""), "bad_message"));

    let mut source = Source::seeded(8);
    made.extend((0..150).map(|_| accepted(&valid(&mut source).to_json())));
    made.extend((0..350).map(|_| spoiled(&mut source)));
    made
}

fn accepted(json: &str) -> Parse {
    let op = TextOp::from_json(json).expect("accepted texts are ops");
    Parse { json: json.to_owned(), accepted: true, code: None, op: Some(op), spelling: false }
}

fn refused(json: &str, code: &str) -> Parse {
    Parse { json: json.to_owned(), accepted: false, code: Some(code.to_owned()), op: None, spelling: false }
}

fn valid(source: &mut Source) -> TextOp {
    let len = source.below(13);
    cases::op(source, len)
}

/// Parts that spoil any op.
const SPOILS: &[&str] = &["0", r#""""#, "true", "null", "[]", "{}", "[1]", "0.5", "-1.5", "9007199254740992", "1e999"];

/// A valid op with one thing made wrong.
fn spoiled(source: &mut Source) -> Parse {
    let op = valid(source);
    let mut parts: Vec<String> = op.parts().map(written).collect();
    let place = source.below(parts.len() as u64 + 1) as usize;
    match source.below(8) {
        0 => {
            parts.insert(place, r#""\ud83d""#.to_owned());
            refused(&list(&parts), "bad_message")
        }
        1 => refused(&list(&parts).replace(']', ""), "bad_message"),
        // A neighbour of the same sort.
        2..=4 if !parts.is_empty() => {
            let place = place.min(parts.len() - 1);
            let part = op.parts().nth(place).expect("the place is within the op");
            parts.insert(place, written(one_more_of(part)));
            refused(&list(&parts), "bad_op")
        }
        _ => {
            parts.insert(place, (*source.pick(SPOILS)).to_owned());
            refused(&list(&parts), "bad_op")
        }
    }
}

fn list(parts: &[String]) -> String {
    format!("[{}]", parts.join(","))
}

fn written(part: Part) -> String {
    match part {
        Part::Keep(len) => len.to_string(),
        Part::Delete(len) => format!("-{len}"),
        Part::Insert(text) => serde_json::to_string(text).expect("strings are JSON"),
    }
}

fn one_more_of(part: Part) -> Part {
    match part {
        Part::Keep(_) => Part::Keep(1),
        Part::Delete(_) => Part::Delete(1),
        Part::Insert(_) => Part::Insert("a"),
    }
}
