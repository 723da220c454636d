//! Every setting of the server: from a flag, else the environment, else a TOML file, else its default.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use clap::Args;
use clap::builder::BoolishValueParser;
use serde::Deserialize;

use crate::document::Keeping;
use crate::limits::{BadLimit, Limits};

/// Where the server listens unless told otherwise: this machine only.
pub const LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 8080);
/// Where documents are kept unless told otherwise.
pub const DATA: &str = "data";

/// Settings as given on the command line and in the environment.
#[derive(Debug, Clone, Default, Args)]
pub struct Flags {
    /// Address and port to listen on [default: 127.0.0.1:8080]
    #[arg(long, env = "VARIORUM_LISTEN", value_name = "ADDRESS")]
    pub listen: Option<SocketAddr>,
    /// Directory that holds the documents; made if it is not there [default: data]
    #[arg(long, env = "VARIORUM_DATA", value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Keep documents in memory only, whatever directory is named: they are gone when the server stops
    #[arg(long, env = "VARIORUM_MEMORY", value_parser = BoolishValueParser::new())]
    pub memory: bool,
    /// Go on although the newest commits are lost (the server says when this is needed, and what is lost)
    #[arg(long, env = "VARIORUM_ACCEPT_LOSS", value_parser = BoolishValueParser::new())]
    pub accept_loss: bool,
    /// File that holds the secret by which access tokens are checked; without one, everyone is let in
    #[arg(long, env = "VARIORUM_AUTH_SECRET", value_name = "FILE")]
    pub auth_secret: Option<PathBuf>,
    /// Take only tokens whose `aud` names this
    #[arg(long, env = "VARIORUM_AUTH_AUDIENCE", value_name = "NAME")]
    pub auth_audience: Option<String>,
    /// Listen beyond this machine although there is no secret: everyone who reaches the server may do everything
    #[arg(long, env = "VARIORUM_OPEN", value_parser = BoolishValueParser::new())]
    pub open: bool,
    /// Origin whose web pages may use the server from a browser, beside the server's own; may be given several times, and
    /// `*` is every one
    #[arg(long, env = "VARIORUM_ALLOW_ORIGIN", value_name = "ORIGIN", value_delimiter = ',')]
    pub allow_origin: Vec<String>,
    /// Proxy that is believed when it says whom it speaks for (in X-Forwarded-For): an address or a network such as
    /// 10.0.0.0/8; may be given several times
    #[arg(long, env = "VARIORUM_TRUSTED_PROXY", value_name = "ADDRESS", value_delimiter = ',')]
    pub trusted_proxy: Vec<String>,
    /// What is kept of the histories of documents whose ids begin so: `all`, the versions of so long, as in 30d or 12h, or
    /// `labels`; labelled versions always are. The longest beginning decides; may be given several times [default: all]
    #[arg(long, env = "VARIORUM_KEEP_HISTORY", value_name = "PREFIX=WHAT", value_delimiter = ',')]
    pub keep_history: Vec<String>,
    /// Limit to set, by its name in `variorum limits`; may be given several times
    #[arg(long, value_name = "NAME=VALUE")]
    pub limit: Vec<String>,
    /// Settings file, in TOML: the long flags' names with `_` for `-`
    #[arg(long, env = "VARIORUM_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// The same settings in a file.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct File {
    listen: Option<SocketAddr>,
    data: Option<PathBuf>,
    memory: Option<bool>,
    accept_loss: Option<bool>,
    auth_secret: Option<PathBuf>,
    auth_audience: Option<String>,
    open: Option<bool>,
    allow_origin: Option<Vec<String>>,
    trusted_proxy: Option<Vec<String>>,
    /// By the beginning of ids.
    keep_history: BTreeMap<String, String>,
    /// By name; a time or a number of bytes may be written as text with its unit.
    limits: BTreeMap<String, toml::Value>,
}

/// What the server does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Address and port to listen on.
    pub listen: SocketAddr,
    /// Where documents are kept.
    pub keep: Keep,
    /// How tokens are checked; none where everyone is let in.
    pub auth: Option<Auth>,
    /// Whether strangers may reach a server that lets everyone in.
    pub open: bool,
    /// Origins whose web pages may use the server, beside its own.
    pub allow_origin: Vec<String>,
    /// Proxies that are believed when they say whom they speak for.
    pub trusted_proxy: Vec<String>,
    /// What is kept of histories, by the beginning of ids.
    pub keep_history: Vec<(String, Keeping)>,
    /// Every bound.
    pub limits: Limits,
}

/// How tokens are checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Auth {
    /// File that holds the secret.
    pub secret: PathBuf,
    /// What a token's `aud` must name.
    pub audience: Option<String>,
}

/// Where documents are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Keep {
    /// In memory only.
    Memory,
    /// In a directory.
    Directory {
        /// Which.
        path: PathBuf,
        /// Whether to go on although the newest commits are lost.
        accept_loss: bool,
    },
}

/// Why the settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the settings file {path}: {error}")]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// The file is not what it should be.
    #[error("the settings file {path} is not right: {error}")]
    Malformed {
        /// Which.
        path: PathBuf,
        /// Where and why.
        error: Box<toml::de::Error>,
    },
    /// Strangers could reach a server that lets everyone in.
    #[error(
        "without --auth-secret everyone is let in, so the server listens on this machine only, and {0} is beyond it: \
         give a secret, or say --open to let in everyone who can reach it"
    )]
    NotOpen(SocketAddr),
    /// A limit that cannot be set so.
    #[error(transparent)]
    Limit(#[from] BadLimit),
    /// What is kept of histories, said in a way that is not understood.
    #[error("--keep-history: {0}")]
    KeepHistory(String),
    /// An audience without tokens.
    #[error("--auth-audience is about tokens, which are checked only with --auth-secret")]
    NoSecret,
}

impl Config {
    /// Settles every setting.
    pub fn settle(flags: Flags) -> Result<Self, ConfigError> {
        let file = flags.config.as_deref().map(read).transpose()?.unwrap_or_default();
        // A flag for a directory overrules a file that says memory.
        let memory = flags.memory || (flags.data.is_none() && file.memory.unwrap_or(false));
        let keep = if memory {
            Keep::Memory
        } else {
            Keep::Directory {
                path: flags.data.or(file.data).unwrap_or_else(|| DATA.into()),
                accept_loss: flags.accept_loss || file.accept_loss.unwrap_or(false),
            }
        };
        let listen = flags.listen.or(file.listen).unwrap_or(LISTEN);
        let auth = match (flags.auth_secret.or(file.auth_secret), flags.auth_audience.or(file.auth_audience)) {
            (Some(secret), audience) => Some(Auth { secret, audience }),
            (None, Some(_)) => return Err(ConfigError::NoSecret),
            (None, None) => None,
        };
        let open = flags.open || file.open.unwrap_or(false);
        if auth.is_none() && !open && !listen.ip().is_loopback() {
            return Err(ConfigError::NotOpen(listen));
        }
        let allow_origin = given_or(flags.allow_origin, file.allow_origin);
        let trusted_proxy = given_or(flags.trusted_proxy, file.trusted_proxy);
        let keep_history = keep_history(file.keep_history, &flags.keep_history)?;
        let limits = limits(&file.limits, &flags.limit)?;
        Ok(Config { listen, keep, auth, open, allow_origin, trusted_proxy, keep_history, limits })
    }
}

fn given_or(given: Vec<String>, file: Option<Vec<String>>) -> Vec<String> {
    if given.is_empty() { file.unwrap_or_default() } else { given }
}

/// What is kept of histories: as the file says, over it the flags.
fn keep_history(file: BTreeMap<String, String>, flags: &[String]) -> Result<Vec<(String, Keeping)>, ConfigError> {
    let mut rules = file;
    for flag in flags {
        let (prefix, what) = flag.split_once('=').ok_or_else(|| {
            ConfigError::KeepHistory(format!(
                "{flag:?} has no `=`: expected the beginning of ids, `=`, and what is kept"
            ))
        })?;
        rules.insert(prefix.to_owned(), what.to_owned());
    }
    let rule = |(prefix, what): (String, String)| match what.parse::<Keeping>() {
        Ok(keeping) => Ok((prefix, keeping)),
        Err(error) => Err(ConfigError::KeepHistory(error.to_string())),
    };
    rules.into_iter().map(rule).collect()
}

/// The limits: those of the file, over them those of the environment, and over these the flags'.
fn limits(file: &BTreeMap<String, toml::Value>, flags: &[String]) -> Result<Limits, BadLimit> {
    let mut limits = Limits::default();
    for (name, value) in file {
        match value {
            toml::Value::String(text) => limits.set(name, text)?,
            other => limits.set(name, &other.to_string())?,
        }
    }
    for row in Limits::default().rows() {
        if let Ok(text) = std::env::var(row.variable()) {
            limits.set(row.name, &text)?;
        }
    }
    flags.iter().try_for_each(|pair| limits.set_pair(pair))?;
    Ok(limits)
}

fn read(path: &Path) -> Result<File, ConfigError> {
    let text =
        std::fs::read_to_string(path).map_err(|error| ConfigError::Unreadable { path: path.to_owned(), error })?;
    toml::from_str(&text).map_err(|error| ConfigError::Malformed { path: path.to_owned(), error: Box::new(error) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flag_overrules_the_file_and_the_file_the_default() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("variorum.toml");
        std::fs::write(&path, "listen = \"127.0.0.1:9000\"\ndata = \"/srv/v\"\n").unwrap();
        let with_file = Flags { config: Some(path), ..Flags::default() };
        let from_file = Config::settle(with_file.clone()).unwrap();
        assert_eq!(from_file.listen.port(), 9000);
        assert_eq!(from_file.keep, Keep::Directory { path: "/srv/v".into(), accept_loss: false });
        let flags = Flags { listen: Some("127.0.0.1:1".parse().unwrap()), memory: true, ..with_file };
        assert_eq!(Config::settle(flags).unwrap().listen.port(), 1);
        assert_eq!(Config::settle(Flags::default()).unwrap().listen, LISTEN);
    }

    #[test]
    fn without_a_secret_only_this_machine_is_served_unless_told_otherwise() {
        let listen = Some("0.0.0.0:8080".parse().unwrap());
        let settle = |flags: Flags| Config::settle(Flags { listen, ..flags });
        let error = settle(Flags::default()).unwrap_err();
        assert!(error.to_string().contains("--auth-secret") && error.to_string().contains("--open"), "{error}");
        assert_eq!(settle(Flags { open: true, ..Flags::default() }).unwrap().auth, None);
        let auth = settle(Flags { auth_secret: Some("key".into()), ..Flags::default() }).unwrap().auth;
        assert_eq!(auth, Some(Auth { secret: "key".into(), audience: None }));
        let no_secret = Flags { auth_audience: Some("docs".into()), ..Flags::default() };
        assert!(matches!(Config::settle(no_secret), Err(ConfigError::NoSecret)));
    }

    #[test]
    fn a_limit_is_set_by_the_file_and_over_it_by_a_flag() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("variorum.toml");
        std::fs::write(&path, "[limits]\nname_length = 30\nidle = \"90s\"\nframe_bytes = \"1MiB\"\n").unwrap();
        let flags = Flags { config: Some(path), limit: vec!["name_length=40".into()], ..Flags::default() };
        let limits = Config::settle(flags).unwrap().limits;
        assert_eq!((limits.name_length, limits.idle.as_secs(), limits.frame_bytes), (40, 90, 1 << 20));
        let error = Config::settle(Flags { limit: vec!["names=1".into()], ..Flags::default() }).unwrap_err();
        assert!(error.to_string().contains("names"), "{error}");
    }

    #[test]
    fn what_is_kept_is_set_by_the_file_and_over_it_by_flags() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("variorum.toml");
        std::fs::write(&path, "[keep_history]\n\"\" = \"30d\"\n\"law.\" = \"all\"\n").unwrap();
        let settle = |flag: &str| {
            let flags = Flags { config: Some(path.clone()), keep_history: vec![flag.into()], ..Flags::default() };
            Config::settle(flags).map(|config| config.keep_history).map_err(|error| error.to_string())
        };
        let rule = |prefix: &str, what: &str| (prefix.to_owned(), what.parse().unwrap());
        assert_eq!(settle("=7d"), Ok(vec![rule("", "7d"), rule("law.", "all")]));
        assert_eq!(settle("tmp=labels"), Ok(vec![rule("", "30d"), rule("law.", "all"), rule("tmp", "labels")]));
        assert!(settle("tmp").unwrap_err().contains('='));
        assert!(settle("tmp=soon").unwrap_err().contains("soon"));
    }

    #[test]
    fn an_unknown_setting_is_said() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("variorum.toml");
        std::fs::write(&path, "lisen = \"127.0.0.1:9000\"\n").unwrap();
        let error = Config::settle(Flags { config: Some(path), ..Flags::default() }).unwrap_err();
        assert!(error.to_string().contains("lisen"), "{error}");
    }
}
