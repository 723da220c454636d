//! Messages that are nearly right: each field may be missing, of another type, or at the edge of what it may be.

use serde_json::{Map, Value, json};

use super::Mutator;
use crate::scribe::Dice;

/// Documents that strangers quarrel over.
const DOCUMENTS: u64 = 20;

/// What an attacker sends next.
pub enum Frame {
    /// A text frame.
    Text(String),
    /// A frame of another sort, as it goes over the wire: masked with zeros, so that its payload stands there as it is.
    Raw(Vec<u8>),
}

impl Frame {
    /// Whether it gets past a JSON parser: an object with a type.
    pub fn is_message(&self) -> bool {
        match self {
            Frame::Text(text) => {
                serde_json::from_str::<Value>(text).is_ok_and(|value| value.get("type").is_some_and(Value::is_string))
            }
            Frame::Raw(_) => false,
        }
    }
}

/// Makes messages from a seed.
pub struct Messages {
    dice: Dice,
    bytes: Mutator,
}

impl Messages {
    /// Messages of this seed.
    pub fn new(seed: u64) -> Self {
        Messages { dice: Dice::new(seed), bytes: Mutator::new(super::corpus("message"), seed) }
    }

    /// A good first message, most of the time.
    pub fn hello(&mut self) -> String {
        let client: String = (0..22).map(|_| char::from(b'a' + self.dice.below(26) as u8)).collect();
        let hello = json!({"type": "hello", "protocol": 1, "client": client, "name": "a stranger"});
        match self.dice.below(50) {
            0 => self.spoil(hello),
            _ => hello.to_string(),
        }
    }

    /// An open of each of a few documents, so that what follows is about something.
    pub fn opens(&mut self) -> Vec<String> {
        let open = |number| json!({"type": "open", "doc": name(number), "create": {"kind": "text"}}).to_string();
        (0..3).map(|_| open(self.dice.below(DOCUMENTS))).collect()
    }

    /// The next frame.
    pub fn next(&mut self) -> Frame {
        match self.dice.below(100) {
            0 | 1 => Frame::Text(String::from_utf8_lossy(self.bytes.next()).into_owned()),
            2 => Frame::Raw(self.raw()),
            3..40 => {
                let sound = self.sound();
                Frame::Text(sound.to_string())
            }
            _ => {
                let sound = self.sound();
                Frame::Text(self.spoil(sound))
            }
        }
    }

    /// A message with nothing wrong in it; whether it fits the document is another matter.
    fn sound(&mut self) -> Value {
        let doc = name(self.dice.below(DOCUMENTS));
        let (version, seq) = (self.dice.below(40), self.dice.below(200));
        match self.dice.below(12) {
            0 => json!({"type": "open", "doc": doc, "create": {"kind": "text", "content": self.text()}}),
            1 => {
                let from = json!({"epoch": "AAAAAAAAAAAAAAAAAAAAAA", "version": version, "chain": "0123456789abcdef"});
                json!({"type": "open", "doc": doc, "from": from, "pending": seq})
            }
            // It always fits: every document was empty once.
            2..6 => json!({"type": "edit", "doc": doc, "version": 0, "seq": seq, "op": [self.text()]}),
            6 => json!({"type": "edit", "doc": doc, "version": version, "seq": seq, "op": [version, "x", -1]}),
            7 => {
                let cursors = json!([[version, seq], [0, 9_007_199_254_740_991_u64]]);
                json!({"type": "presence", "doc": doc, "version": version, "state": {"cursors": cursors, "typing": true}})
            }
            8 => json!({"type": "check", "doc": doc, "version": version, "sum": "0a0b0c0d"}),
            9 => json!({"type": "close", "doc": doc}),
            10 => json!({"type": "hello", "protocol": 1, "client": "AAAAAAAAAAAAAAAAAAAAAA"}),
            _ => json!({"type": "ping"}),
        }
    }

    fn text(&mut self) -> String {
        let piece = ["a", "é", "𝄞", "\u{0}", "\u{202e}", "👩\u{200d}👧", "\r\n", "\u{301}", "<script>"];
        (0..1 + self.dice.below(4)).map(|_| piece[self.dice.below(piece.len() as u64) as usize]).collect()
    }

    /// One or two fields made wrong.
    fn spoil(&mut self, message: Value) -> String {
        let Value::Object(mut fields) = message else { return message.to_string() };
        for _ in 0..1 + self.dice.below(2) {
            self.spoil_in(&mut fields);
        }
        // Half a surrogate pair cannot be held by a value, only written.
        Value::Object(fields).to_string().replace("HALF", "\\ud800")
    }

    fn spoil_in(&mut self, fields: &mut Map<String, Value>) {
        let names: Vec<String> = fields.keys().cloned().collect();
        let Some(name) = names.get(self.dice.below(names.len().max(1) as u64) as usize) else { return };
        match self.dice.below(8) {
            0 => drop(fields.remove(name)),
            1 => {
                let value = self.value();
                fields
                    .insert(["__proto__", "constructor", "", "op ", "TYPE"][self.dice.below(5) as usize].into(), value);
            }
            2 => {
                if let Some(Value::Object(inner)) = fields.get_mut(name) {
                    self.spoil_in(inner);
                }
            }
            3 if fields.contains_key("op") => {
                let parts = (0..self.dice.below(9)).map(|_| self.part()).collect();
                fields.insert("op".into(), Value::Array(parts));
            }
            // A message without a type ends the connection, which is soon dull.
            _ if name == "type" && self.dice.below(8) > 0 => {}
            _ => {
                let value = self.value();
                fields.insert(name.clone(), value);
            }
        }
    }

    fn part(&mut self) -> Value {
        match self.dice.below(7) {
            0 => json!(self.text()),
            1 => json!(-1),
            2 => json!(self.dice.below(50)),
            _ => self.value(),
        }
    }

    fn value(&mut self) -> Value {
        match self.dice.below(22) {
            0 => Value::Null,
            1 => json!(true),
            2 => json!(0),
            3 => json!(-1),
            4 => json!(1.5),
            5 => json!(1e300),
            6 => json!(9_007_199_254_740_991_u64),
            7 => json!(9_007_199_254_740_992_u64),
            8 => json!(i64::MIN),
            9 => json!(u64::MAX),
            10 => json!(""),
            11 => json!("x".repeat(300)),
            12 => json!("HALF"),
            13 => json!("../../etc/passwd"),
            14 => json!("__proto__"),
            15 => json!([]),
            16 => json!({}),
            17 => (0..100).fold(json!(1), |inner, _| json!([inner])),
            18 => json!({"__proto__": {"constructor": 1}}),
            19 => json!((0..200).collect::<Vec<_>>()),
            20 => json!("x".repeat(self.dice.below(20_000) as usize)),
            _ => json!("\u{feff}\u{fffd}\u{10ffff}"),
        }
    }

    /// A frame that no client would send: any opcode, any reserved bit, any length for a control frame, text that is none.
    fn raw(&mut self) -> Vec<u8> {
        let opcodes = [0x80, 0x00, 0x81, 0x01, 0x82, 0x83, 0x88, 0x89, 0x8a, 0x8b, 0xc1, 0xa1, 0x91, 0x09, 0x08];
        let payload: Vec<u8> = (0..self.dice.below(160)).map(|_| self.dice.below(256) as u8).collect();
        let mut frame = vec![opcodes[self.dice.below(opcodes.len() as u64) as usize]];
        match payload.len() {
            len @ 0..126 => frame.push(0x80 | len as u8),
            len => frame.extend([0xfe, 0, len as u8]),
        }
        frame.extend([0; 4]);
        frame.extend(payload);
        frame
    }
}

fn name(number: u64) -> String {
    format!("quarrel-{number}")
}
