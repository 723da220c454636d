//! Holds JSON against the schemas of `docs/openapi.json`. Strict both ways: a field that the schema does not name is an error,
//! and so is a keyword that this file does not know, since it would go unchecked.

use serde_json::{Map, Value};

/// Keywords that say nothing about a value.
const SAID: [&str; 2] = ["description", "default"];

/// A description with schemas in it.
pub struct Schemas(Value);

impl Schemas {
    /// The schemas of an OpenAPI document.
    pub fn of(document: Value) -> Self {
        Schemas(document)
    }

    /// The whole document.
    pub fn document(&self) -> &Value {
        &self.0
    }

    /// What a reference leads to; the value itself if it is none.
    ///
    /// # Panics
    /// If it leads nowhere.
    pub fn resolve<'a>(&'a self, value: &'a Value) -> &'a Value {
        match value.get("$ref").and_then(Value::as_str) {
            None => value,
            Some(path) => {
                let pointer = path.strip_prefix('#').expect("references lead into the document");
                let found = self.0.pointer(pointer);
                self.resolve(found.unwrap_or_else(|| panic!("{path} leads nowhere")))
            }
        }
    }

    /// What is wrong with a value, each with where; nothing if it is as the schema says.
    pub fn faults(&self, schema: &Value, value: &Value) -> Vec<String> {
        let mut faults = Vec::new();
        self.look(schema, value, "", &mut faults);
        faults
    }

    fn look(&self, schema: &Value, value: &Value, at: &str, faults: &mut Vec<String>) {
        let schema = self.resolve(schema).as_object().expect("a schema is an object");
        let mut wrong = |what: String| faults.push(format!("{at}: {what}: {value}"));
        let matches = |some: &Value| {
            some.as_array().expect("a list").iter().filter(|one| self.faults(one, value).is_empty()).count()
        };
        let number = |bound: &Value| bound.as_f64().expect("a bound is a number");
        for (keyword, rule) in schema {
            let fits = match keyword.as_str() {
                "type" => has_type(rule, value),
                "enum" => rule.as_array().is_some_and(|all| all.contains(value)),
                "const" => rule == value,
                "minimum" => value.as_f64().is_none_or(|found| found >= number(rule)),
                "maximum" => value.as_f64().is_none_or(|found| found <= number(rule)),
                "minLength" => value.as_str().is_none_or(|text| text.chars().count() as f64 >= number(rule)),
                "maxLength" => value.as_str().is_none_or(|text| text.chars().count() as f64 <= number(rule)),
                "anyOf" => matches(rule) > 0,
                "oneOf" => matches(rule) == 1,
                "required" => value.as_object().is_none_or(|object| {
                    rule.as_array()
                        .expect("a list")
                        .iter()
                        .all(|name| object.contains_key(name.as_str().expect("a name")))
                }),
                "properties" | "items" => true,
                said if SAID.contains(&said) => true,
                other => panic!("this does not know the keyword {other:?}"),
            };
            if !fits {
                wrong(format!("{keyword} is {rule}"));
            }
        }
        if let (Some(Value::Object(properties)), Value::Object(object)) = (schema.get("properties"), value) {
            self.look_within(properties, object, at, faults);
        }
        if let (Some(items), Value::Array(list)) = (schema.get("items"), value) {
            list.iter().enumerate().for_each(|(place, item)| self.look(items, item, &format!("{at}/{place}"), faults));
        }
    }

    fn look_within(&self, known: &Map<String, Value>, object: &Map<String, Value>, at: &str, faults: &mut Vec<String>) {
        for (name, value) in object {
            match known.get(name) {
                Some(schema) => self.look(schema, value, &format!("{at}/{name}"), faults),
                None => faults.push(format!("{at}: the field {name:?} is not described")),
            }
        }
    }
}

fn has_type(rule: &Value, value: &Value) -> bool {
    match rule {
        Value::Array(some) => some.iter().any(|rule| has_type(rule, value)),
        rule => match rule.as_str().expect("a type is named") {
            "object" => value.is_object(),
            "array" => value.is_array(),
            "string" => value.is_string(),
            "boolean" => value.is_boolean(),
            "null" => value.is_null(),
            "integer" => value.is_u64() || value.is_i64(),
            other => panic!("this does not know the type {other:?}"),
        },
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_value_is_held_against_every_keyword() {
        let schemas = Schemas::of(json!({"short": {"type": "string", "maxLength": 2}}));
        let schema = json!({"type": "object", "required": ["a"], "properties": {
            "a": {"$ref": "#/short"}, "n": {"type": ["integer", "null"], "minimum": 1, "maximum": 3},
            "l": {"type": "array", "items": {"anyOf": [{"const": 1}, {"enum": ["x"]}]}},
            "o": {"oneOf": [{"type": "string"}, {"minLength": 1}]}, "b": {"type": "boolean", "description": ""},
        }});
        for good in [
            json!({"a": "éé"}),
            json!({"a": "", "n": null, "l": [1, "x"], "o": "", "b": true}),
            json!({"a": "", "n": 3}),
        ] {
            assert_eq!(schemas.faults(&schema, &good), Vec::<String>::new(), "{good}");
        }
        for bad in [
            json!([]),
            json!({}),
            json!({"a": "abc"}),
            json!({"a": "", "n": 0}),
            json!({"a": "", "n": 4}),
            json!({"a": "", "n": 1.5}),
            json!({"a": "", "l": [2]}),
            json!({"a": "", "l": {}}),
            json!({"a": "", "o": "both"}),
            json!({"a": "", "b": 1}),
            json!({"a": "", "unknown": 1}),
        ] {
            assert_eq!(schemas.faults(&schema, &bad).len(), 1, "{bad}");
        }
    }
}
