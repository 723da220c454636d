//! `variorum token`: makes an access token for trying. An application makes its users' tokens itself.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::Args;

use crate::server::{Access, Audience, Claims, Grant, Secret};

/// What the command is given.
#[derive(Debug, Args)]
pub struct Flags {
    /// File that holds the secret, as the server is given it
    #[arg(long, env = "VARIORUM_AUTH_SECRET", value_name = "FILE")]
    auth_secret: PathBuf,
    /// Stable public id of the user
    #[arg(long, value_name = "ID")]
    sub: String,
    /// Name that others see
    #[arg(long)]
    name: Option<String>,
    /// Access to every document whose id begins so: read, write or admin; may be given several times
    #[arg(long = "docs", value_name = "PREFIX=ACCESS", required = true)]
    docs: Vec<GrantArg>,
    /// How long it is good: 90s, 30m, 12h or 7d
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = duration)]
    expires: Duration,
    /// For whom it is made; a server with --auth-audience asks for it
    #[arg(long, env = "VARIORUM_AUTH_AUDIENCE", value_name = "NAME")]
    auth_audience: Option<String>,
}

/// A grant as it is written on the command line.
#[derive(Debug, Clone)]
struct GrantArg(Grant);

impl FromStr for GrantArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (prefix, access) = text.rsplit_once('=').ok_or("expected PREFIX=ACCESS, as in team.=write")?;
        let access = match access {
            "read" => Access::Read,
            "write" => Access::Write,
            "admin" => Access::Admin,
            other => return Err(format!("access is {other:?}; expected read, write or admin")),
        };
        Ok(GrantArg(Grant { prefix: prefix.to_owned(), access }))
    }
}

fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("{text:?} is no time; expected a number and s, m, h or d, as in 12h");
    let (number, unit) = text.split_at_checked(text.len().saturating_sub(1)).ok_or_else(wrong)?;
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return Err(wrong()),
    };
    let number: u32 = number.parse().map_err(|_| wrong())?;
    Ok(Duration::from_secs(u64::from(number) * seconds))
}

/// Prints a token.
pub fn run(flags: Flags) -> Result<(), String> {
    let secret = Secret::read(&flags.auth_secret).map_err(|error| error.to_string())?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_err(|_| "the clock is before 1970".to_owned())?;
    let claims = Claims {
        sub: flags.sub,
        name: flags.name,
        exp: (now + flags.expires).as_secs() as f64,
        nbf: None,
        aud: flags.auth_audience.map(Audience::One),
        docs: flags.docs.into_iter().map(|GrantArg(grant)| grant).collect(),
    };
    println!("{}", secret.sign(&claims));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grants_and_times_are_read_as_people_write_them() {
        let GrantArg(grant) = "team.=write".parse().unwrap();
        assert_eq!(grant, Grant { prefix: "team.".into(), access: Access::Write });
        let GrantArg(everything) = "=read".parse().unwrap();
        assert_eq!(everything.prefix, "");
        for bad in ["", "team.", "team.=", "team.=owner"] {
            assert!(bad.parse::<GrantArg>().is_err(), "{bad:?}");
        }
        assert_eq!(duration("12h"), Ok(Duration::from_secs(43_200)));
        for bad in ["", "h", "12", "1.5h", "-1s", "12 h", "1é"] {
            assert!(duration(bad).is_err(), "{bad:?}");
        }
    }
}
