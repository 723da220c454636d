//! A diff as text for people: the lines that changed, with some around them, and what changed within them.

use super::past::DiffRun;

/// Lines shown around a change.
const CONTEXT: usize = 3;

/// What stands around text that was added or removed, and around headings.
#[derive(Debug, Clone, Copy)]
pub struct Paint {
    /// Around added text.
    pub added: (&'static str, &'static str),
    /// Around removed text.
    pub removed: (&'static str, &'static str),
    /// Around a heading.
    pub heading: (&'static str, &'static str),
}

impl Paint {
    /// For files and pipes.
    pub const PLAIN: Paint = Paint { added: ("{+", "+}"), removed: ("[-", "-]"), heading: ("", "") };
    /// For terminals.
    pub const COLOURS: Paint = Paint {
        added: ("\x1b[32m{+", "+}\x1b[0m"),
        removed: ("\x1b[31m[-", "-]\x1b[0m"),
        heading: ("\x1b[36m", "\x1b[0m"),
    };
}

/// A line as it is shown.
#[derive(Default)]
struct Line {
    text: String,
    changed: bool,
    /// Its number in the later version, if it is there.
    number: u64,
}

/// The lines that changed and those around them. Kept runs have their text.
pub fn diff_text(runs: &[DiffRun], paint: &Paint) -> String {
    let lines = lines(runs, paint);
    let mut shown = String::new();
    let mut next = 0;
    for (at, line) in lines.iter().enumerate().filter(|(_, line)| line.changed) {
        let from = at.saturating_sub(CONTEXT).max(next);
        if from > next || next == 0 {
            let (begin, end) = paint.heading;
            shown += &format!("{begin}@@ line {} @@{end}\n", lines[from].number);
        }
        // Up to the next change, or as far as the context goes; the change itself is the first of them.
        let until = lines[at + 1..].iter().position(|line| line.changed).map_or(lines.len(), |more| at + 1 + more);
        let until = until.min(at + 1 + CONTEXT);
        debug_assert!(line.changed && until > at);
        for line in &lines[from.max(next)..until] {
            shown += &line.text;
            shown.push('\n');
        }
        next = until;
    }
    shown
}

fn text_of(run: &DiffRun) -> Option<&str> {
    match run {
        DiffRun::Kept { text, .. } => text.as_deref(),
        DiffRun::Added(run) | DiffRun::Removed(run) => run.text.as_deref(),
    }
}

fn lines(runs: &[DiffRun], paint: &Paint) -> Vec<Line> {
    let mut lines = vec![Line { number: 1, ..Line::default() }];
    // Who did it does not show: neighbours of one sort are one.
    for alike in runs.chunk_by(|a, b| std::mem::discriminant(a) == std::mem::discriminant(b)) {
        let around = match alike[0] {
            DiffRun::Kept { .. } => None,
            DiffRun::Added(_) => Some(paint.added),
            DiffRun::Removed(_) => Some(paint.removed),
        };
        let removed = matches!(alike[0], DiffRun::Removed(_));
        let text: String = alike.iter().filter_map(text_of).collect();
        let mut pieces = text.split('\n').enumerate().peekable();
        while let Some((place, piece)) = pieces.next() {
            if place > 0 {
                let number = lines.last().map_or(1, |line| line.number) + u64::from(!removed);
                lines.push(Line { number, ..Line::default() });
            }
            let line = lines.last_mut().expect("there is a first line");
            match around {
                None => line.text += piece,
                Some((begin, end)) => {
                    // A line end by itself is shown too.
                    let shown = if piece.is_empty() && pieces.peek().is_some() { "⏎" } else { piece };
                    if !shown.is_empty() {
                        line.changed = true;
                        line.text += begin;
                        line.text += shown;
                        line.text += end;
                    }
                }
            }
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::{Time, Version};
    use crate::protocol::Attributed;

    fn run(text: &str) -> Attributed {
        let (length, text) = (text.chars().count() as u64, Some(text.to_owned()));
        Attributed { length, text, user: 0, from: None, version: Version(1), time: Time(0) }
    }

    fn kept(text: &str) -> DiffRun {
        DiffRun::Kept { length: text.chars().count() as u64, text: Some(text.to_owned()) }
    }

    #[test]
    fn changed_lines_are_shown_with_three_around_them() {
        let runs = [
            kept("1\n2\n3\n4\nfi"),
            DiffRun::Removed(run("n")),
            DiffRun::Added(run("v")),
            kept("e\n6\n7\n8\n9\n10\n11\n12\n"),
            DiffRun::Added(run("13\n")),
            kept("14"),
        ];
        let expected = "@@ line 2 @@\n2\n3\n4\nfi[-n-]{+v+}e\n6\n7\n8\n@@ line 10 @@\n10\n11\n12\n{+13+}\n14\n";
        assert_eq!(diff_text(&runs, &Paint::PLAIN), expected);
        assert_eq!(diff_text(&[kept("same")], &Paint::PLAIN), "");
    }
}
