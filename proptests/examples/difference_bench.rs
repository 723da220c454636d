//! What the difference between two texts costs, on texts that have much, little and nothing in common.
//! `cargo run --release --workspace --example difference_bench`

use variorum::ot::TextOp;

fn main() {
    let mut dice = 0x9e37_79b9_7f4a_7c15u64;
    let mut roll = move |below: u64| {
        dice ^= dice << 13;
        dice ^= dice >> 7;
        dice ^= dice << 17;
        dice % below
    };
    let mut text = |bytes: usize, words: u64, length: u64, line: u64| {
        let mut text = String::new();
        while text.len() < bytes {
            let mut word = roll(words);
            for _ in 0..length {
                text.push((b'a' + (word % 26) as u8) as char);
                word /= 26;
            }
            text.push(if roll(line) == 0 { '\n' } else { ' ' });
        }
        text
    };
    const MB: usize = 1 << 20;
    let prose = text(MB, 20_000, 5, 12);
    let mut edited = prose.clone();
    for at in [MB / 2, MB / 3, 9] {
        edited.insert_str(at, "changed here ");
    }
    let scattered: String = prose
        .split_inclusive('\n')
        .enumerate()
        .map(|(n, line)| if n % 7 == 0 { line.to_uppercase() } else { line.into() })
        .collect();
    let mut lines: Vec<&str> = prose.split_inclusive('\n').collect();
    lines.reverse();
    let cases = [
        ("three places changed", prose.clone(), edited),
        ("every seventh line changed", prose.clone(), scattered),
        ("lines in reverse", prose.clone(), lines.concat()),
        ("other words", text(MB, u64::MAX, 8, 12), text(MB, u64::MAX, 8, 12)),
        ("same 20,000 words, other order", prose, text(MB, 20_000, 5, 12)),
        ("one letter per word", text(MB, 26, 1, 2), text(MB, 26, 1, 2)),
        ("two letters, short lines", text(MB, 2, 1, 1), text(MB, 2, 1, 1)),
        ("no spaces, two letters", text(MB, u64::MAX, MB as u64, 9), text(MB, u64::MAX, MB as u64, 9)),
        (
            "all distinct words, reversed",
            (0..100_000).map(|n| format!("{n:09} ")).collect(),
            (0..100_000).rev().map(|n| format!("{n:09} ")).collect(),
        ),
        ("anchors with hard gaps", hard(&mut text), hard(&mut text)),
        ("one letter, half as long", "a".repeat(MB), "a".repeat(MB / 2) + "b"),
        ("8 MB of other words", text(8 * MB, u64::MAX, 8, 12), text(8 * MB, u64::MAX, 8, 12)),
    ];
    println!("| texts | ms of CPU | parts | inserted |\n|---|---|---|---|");
    for (name, old, new) in cases {
        let best = (0..5).map(|_| {
            let begun = cpu_ms();
            let op = TextOp::between(&old, &new, 10_000);
            (cpu_ms() - begun, op)
        });
        let (ms, op) = best.min_by(|a, b| a.0.total_cmp(&b.0)).expect("there are five");
        println!("| {name} | {ms:.1} | {} | {} |", op.parts_len(), op.inserted_bytes());
    }
}

/// Unique words with gaps that have all their letters in common, none of them in order.
fn hard(text: &mut impl FnMut(usize, u64, u64, u64) -> String) -> String {
    (0..1_000).map(|n| format!("anchor{n} {} ", text(1_000, 2, 1, 9))).collect()
}

/// What this thread has used so far: on a machine with other work, the clock says nothing.
fn cpu_ms() -> f64 {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux counts it");
    stat.split(' ').next().and_then(|ns| ns.parse::<f64>().ok()).expect("nanoseconds") / 1e6
}
