//! The golden vectors are what this code makes, to the byte, and every case holds when read back from JSON.

use proptests::golden;

#[test]
fn the_files_are_what_the_code_makes() {
    for file in golden::files() {
        let kept = std::fs::read_to_string(golden::folder().join(file.name)).unwrap_or_default();
        let same = kept == file.text;
        assert!(same, "golden/{} differs: `cargo run --release -p proptests -- golden`, and see why", file.name);
    }
}

#[test]
fn every_case_holds_from_json() {
    let mut total = 0;
    for file in golden::files() {
        let kept = std::fs::read_to_string(golden::folder().join(file.name)).unwrap();
        let cases = (file.run)(&kept).unwrap_or_else(|why| panic!("golden/{}: {why}", file.name));
        println!("{}: {cases} cases", file.name);
        assert_eq!(cases, file.cases);
        total += cases;
    }
    assert!(total >= 2_000, "only {total} cases");
}

#[test]
fn a_wrong_case_is_noticed() {
    let wrong = [
        r#"{"doc":"z","op":["a",1],"result":"za"}"#,
        r#"{"doc":"","incoming":["x"],"history":["a"],"incoming_moved":[1,"x"],"history_moved":["a",1],"result":"ax"}"#,
        r#"{"incoming":["x"],"history":["a"],"incoming_moved":[1,"x"],"history_moved":["a",1]}"#,
        r#"{"first":[-1],"second":["a"],"composed":["a",-1],"typing_composed":["a",-1]}"#,
        r#"{"doc":"z","op":["a",-1],"inverse":["z",-1]}"#,
        r#"{"op":["a"],"position":0,"side":"before","moved":1}"#,
        r#"{"of":"apply","doc":"z","ops":[[2]],"op":1,"found":2}"#,
        r#"{"json":"[0]","accepted":false,"code":"bad_message"}"#,
    ];
    for (file, wrong) in golden::files().iter().zip(wrong) {
        let answer = (file.run)(&format!("[{wrong}]"));
        assert!(answer.as_ref().is_err_and(|why| why.starts_with("case 0: ")), "{}: {answer:?}", file.name);
    }
}
