//! The one convention inside a presence state: `cursors: [[anchor, head], ...]`, positions that follow the text.

use serde::Deserialize;
use serde_json::Value;

/// The cursors of a state; none if it does not follow the convention.
pub fn read_cursors(state: &str) -> Vec<[u64; 2]> {
    #[derive(Deserialize)]
    struct State {
        cursors: Vec<[u64; 2]>,
    }
    serde_json::from_str::<State>(state).map_or(Vec::new(), |state| state.cursors)
}

/// The state with its cursors replaced; all else in it stays as it was.
pub fn write_cursors(state: &str, cursors: &[[u64; 2]]) -> String {
    let Ok(Value::Object(mut fields)) = serde_json::from_str(state) else { return state.to_owned() };
    fields.insert("cursors".into(), cursors.iter().map(|[anchor, head]| vec![*anchor, *head]).collect());
    Value::Object(fields).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_are_read_where_the_convention_is_kept() {
        assert_eq!(read_cursors(r#"{"cursors":[[1,2],[3,3]],"typing":true}"#), vec![[1, 2], [3, 3]]);
        for other in ["null", "7", "[]", r#"{"cursors":7}"#, r#"{"cursors":[[1]]}"#, r#"{"cursors":[[-1,2]]}"#] {
            assert_eq!(read_cursors(other), Vec::<[u64; 2]>::new());
        }
    }

    #[test]
    fn replacing_cursors_keeps_the_rest() {
        let state = r##"{"color":"#f00","cursors":[[1,2]],"n":1.50}"##;
        assert_eq!(write_cursors(state, &[[4, 5]]), r##"{"color":"#f00","cursors":[[4,5]],"n":1.5}"##);
        assert_eq!(write_cursors("7", &[[4, 5]]), "7");
    }
}
