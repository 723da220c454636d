//! Compares what a server says with what a page says it does. What differs from run to run (epochs, chains, sessions, times)
//! is matched by its first meeting: from then on the page's value stands for the server's, and may stand for no other.

use std::collections::HashMap;

use serde_json::Value;

/// The values met so far.
#[derive(Default)]
pub struct Meaning {
    by_page: HashMap<String, String>,
    by_server: HashMap<String, String>,
    /// Times, the page's and the server's: the order of both is the same.
    times: Vec<(u64, u64)>,
}

impl Meaning {
    /// What the page says, in the words of this server: for what is sent to it.
    pub fn translate(&self, page: &str) -> String {
        self.by_page.iter().fold(page.to_owned(), |text, (from, to)| text.replace(from, to))
    }

    /// Whether the server said what the page says; where not, what differs.
    pub fn check(&mut self, page: &Value, server: &Value) -> Result<(), String> {
        self.compare("", page, server).map_err(|why| format!("{why}\n  page:   {page}\n  server: {server}"))
    }

    fn compare(&mut self, name: &str, page: &Value, server: &Value) -> Result<(), String> {
        match (name, page, server) {
            ("epoch" | "chain" | "session" | "left", Value::String(page), Value::String(server)) => {
                self.meet(name, page, server)
            }
            ("time" | "began" | "created" | "changed", Value::Number(page), Value::Number(server)) => {
                let (page, server) = (page.as_u64().unwrap_or(0), server.as_u64().unwrap_or(0));
                // Equal times of the page may be moments of the server that are apart; the other order is never right.
                let disorder = |(p, s): &(u64, u64)| (*p < page && *s > server) || (*p > page && *s < server);
                let disorder = self.times.iter().any(disorder);
                self.times.push((page, server));
                match disorder {
                    true => Err(format!("time {page} is out of order with the server's {server}")),
                    false => Ok(()),
                }
            }
            (_, Value::Object(page), Value::Object(server)) => {
                let names = |object: &serde_json::Map<String, Value>| object.keys().cloned().collect::<Vec<_>>();
                let (mine, theirs) = (names(page), names(server));
                if let Some(odd) = mine.iter().find(|name| !server.contains_key(*name)) {
                    return Err(format!("the server does not say `{odd}`"));
                }
                if let Some(odd) = theirs.iter().find(|name| !page.contains_key(*name)) {
                    return Err(format!("the page does not say `{odd}`"));
                }
                page.iter().try_for_each(|(name, value)| self.compare(name, value, &server[name]))
            }
            (_, Value::Array(page), Value::Array(server)) if page.len() == server.len() => {
                page.iter().zip(server).try_for_each(|(page, server)| self.compare(name, page, server))
            }
            _ if page == server => Ok(()),
            _ => Err(format!("`{name}`: the page says {page}, the server {server}")),
        }
    }

    fn meet(&mut self, name: &str, page: &str, server: &str) -> Result<(), String> {
        let there = self.by_page.entry(page.to_owned()).or_insert_with(|| server.to_owned());
        let back = self.by_server.entry(server.to_owned()).or_insert_with(|| page.to_owned());
        if page.len() != server.len() {
            return Err(format!("`{name}`: {page:?} of the page and {server:?} differ in form"));
        }
        match there == server && back == page {
            true => Ok(()),
            false => {
                Err(format!("`{name}`: {page:?} of the page stands for {there:?}, but the server says {server:?}"))
            }
        }
    }
}
