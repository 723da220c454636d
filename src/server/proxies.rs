//! Proxies that stand before the server, and the addresses that they speak for.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::str::FromStr;

use warp::http::HeaderMap;

/// A range of addresses: `10.0.0.0/8`, or one address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    base: IpAddr,
    prefix: u32,
}

/// What is no network.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no address and no network such as 10.0.0.0/8")]
pub struct BadNetwork(String);

impl FromStr for Network {
    type Err = BadNetwork;

    fn from_str(text: &str) -> Result<Self, BadNetwork> {
        let bad = || BadNetwork(text.to_owned());
        let (base, prefix) = text.split_once('/').map_or((text, None), |(base, prefix)| (base, Some(prefix)));
        let base: IpAddr = base.parse().map_err(|_| bad())?;
        let bits = if base.is_ipv4() { 32 } else { 128 };
        let prefix = prefix.map_or(Ok(bits), |prefix| prefix.parse().map_err(|_| bad()))?;
        if prefix > bits { Err(bad()) } else { Ok(Network { base, prefix }) }
    }
}

impl Network {
    fn contains(&self, address: IpAddr) -> bool {
        match (self.base, address.to_canonical()) {
            (IpAddr::V4(base), IpAddr::V4(address)) => {
                (base.to_bits() ^ address.to_bits()).checked_shr(32 - self.prefix).unwrap_or(0) == 0
            }
            (IpAddr::V6(base), IpAddr::V6(address)) => {
                (base.to_bits() ^ address.to_bits()).checked_shr(128 - self.prefix).unwrap_or(0) == 0
            }
            _ => false,
        }
    }
}

/// Stands for whoever a proxy names in no way that is known here: all of them together, and never the proxy itself.
const UNKNOWN: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

/// The address of one hop: bare, or with a port, as some proxies write it.
fn hop_address(hop: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(hop).ok()?.trim();
    let bracketed = || text.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    text.parse().ok().or_else(|| text.parse().ok().map(|with_port: SocketAddr| with_port.ip())).or_else(bracketed)
}

/// The proxies that are believed when they say whom they speak for.
#[derive(Debug, Clone, Default)]
pub struct Proxies(pub Vec<Network>);

impl Proxies {
    pub(super) fn trusts(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(address))
    }

    /// Who really asks: of the addresses that a request came by, the last that is no proxy of ours. What stands before it
    /// is its own word.
    pub(super) fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        if !self.trusts(peer) {
            return peer;
        }
        let mut client = peer;
        for list in headers.get_all("x-forwarded-for").iter().rev() {
            for hop in list.as_bytes().rsplit(|byte| *byte == b',') {
                client = hop_address(hop).unwrap_or(UNKNOWN);
                if !self.trusts(client) {
                    return client;
                }
            }
        }
        client
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_proxy_is_believed_only_if_it_is_trusted_and_only_about_its_own_neighbour() {
        let proxies = Proxies(vec!["127.0.0.1".parse().unwrap(), "10.0.0.0/8".parse().unwrap()]);
        let mut headers = HeaderMap::new();
        headers.append("x-forwarded-for", "6.6.6.6, 1.2.3.4".parse().unwrap());
        headers.append("x-forwarded-for", "10.1.1.1".parse().unwrap());
        assert_eq!(proxies.client(ip("127.0.0.1"), &headers), ip("1.2.3.4"));
        assert_eq!(proxies.client(ip("9.9.9.9"), &headers), ip("9.9.9.9"));
        assert_eq!(proxies.client(ip("127.0.0.1"), &HeaderMap::new()), ip("127.0.0.1"));
        let named = |value: &[u8]| {
            let value = warp::http::HeaderValue::from_bytes(value).unwrap();
            proxies.client(ip("127.0.0.1"), &HeaderMap::from_iter([("x-forwarded-for".parse().unwrap(), value)]))
        };
        for (value, client) in [
            (&b"1.2.3.4:5678"[..], "1.2.3.4"),
            (b"6.6.6.6, [2001:db8::1]:80", "2001:db8::1"),
            (b"[2001:db8::2]", "2001:db8::2"),
            (b"1.2.3.4, \xff", "0.0.0.0"),
            (b"1.2.3.4, unknown, 10.0.0.1", "0.0.0.0"),
            (b"", "0.0.0.0"),
        ] {
            assert_eq!(named(value), ip(client), "{}", String::from_utf8_lossy(value));
        }
        assert!("0.0.0.0/0".parse::<Network>().unwrap().contains(ip("1.2.3.4")));
        for bad in ["", "10.0.0.0/33", "10.0.0/8", "::/129", "10.0.0.0/", "10.0.0.0/x"] {
            assert!(bad.parse::<Network>().is_err(), "{bad:?}");
        }
    }
}
