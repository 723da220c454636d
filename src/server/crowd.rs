//! How many are here, in all and from each address, and how many documents each address makes: no one takes all there is.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use parking_lot::Mutex;

use crate::document::Time;
use crate::limits::{Limits, named};

const MINUTE_MS: u64 = 60_000;
const SECOND_MS: u64 = 1_000;

/// Those beyond a limit who are told so at one time; more are left without a word.
const TOLD_MAX: usize = 64;

/// Everyone who is connected.
#[derive(Default)]
pub(super) struct Crowd {
    counts: Mutex<Counts>,
}

#[derive(Default)]
struct Counts {
    all: usize,
    /// Those beyond a limit, who are only told so.
    over: usize,
    /// An address is known while it has connections, for a minute after it made a document, and a second after it asked.
    addresses: HashMap<IpAddr, Known>,
}

#[derive(Default)]
struct Known {
    connections: usize,
    /// When the minute began in which `made` documents were made.
    minute: Time,
    made: usize,
    /// When the second began in which `requests` were made.
    second: Time,
    requests: u32,
}

/// A connection's place in the crowd. Dropping it leaves.
pub(super) struct Place {
    crowd: Arc<Crowd>,
    counted: Counted,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Counted {
    InAll(Option<IpAddr>),
    ByAddress(IpAddr),
    Over,
}

/// The name of the limit that a connection is beyond.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Over(pub(super) &'static str);

impl std::fmt::Display for Over {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        f.write_str(match self.0 {
            named::connections => "the server has as many connections as it takes",
            _ => "this address has as many connections as it may",
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut counts = self.crowd.counts.lock();
        match self.counted {
            Counted::InAll(address) => {
                counts.all -= 1;
                address.into_iter().for_each(|address| counts.leave(address));
            }
            Counted::ByAddress(address) => counts.leave(address),
            Counted::Over => counts.over -= 1,
        }
    }
}

impl Crowd {
    /// A new connection: its place, and the limit that it is beyond, if it is beyond one. None if too many are.
    pub(super) fn connect(self: &Arc<Self>, peer: Option<IpAddr>, limits: &Limits) -> Option<(Place, Option<Over>)> {
        let mut counts = self.counts.lock();
        let address = peer.map(neighbourhood);
        let from_there =
            address.and_then(|address| counts.addresses.get(&address)).map_or(0, |known| known.connections);
        let over = if counts.all >= limits.connections {
            Some(Over(named::connections))
        } else if from_there >= limits.connections_per_address {
            Some(Over(named::connections_per_address))
        } else {
            None
        };
        let counted = match over {
            Some(_) if counts.over >= TOLD_MAX => return None,
            Some(_) => {
                counts.over += 1;
                Counted::Over
            }
            None => {
                counts.all += 1;
                address.into_iter().for_each(|address| counts.addresses.entry(address).or_default().connections += 1);
                Counted::InAll(address)
            }
        };
        Some((Place { crowd: self.clone(), counted }, over))
    }

    /// A WebSocket that a proxy opens for this address: the connection itself counts for nobody.
    pub(super) fn connect_through(self: &Arc<Self>, client: IpAddr, limits: &Limits) -> Result<Place, Over> {
        let mut counts = self.counts.lock();
        let address = neighbourhood(client);
        let known = counts.addresses.entry(address).or_default();
        if known.connections >= limits.connections_per_address {
            return Err(Over(named::connections_per_address));
        }
        known.connections += 1;
        Ok(Place { crowd: self.clone(), counted: Counted::ByAddress(address) })
    }

    /// Counts a document that this address is about to make; or says in how many milliseconds it may.
    pub(super) fn make(&self, client: IpAddr, now: Time, limits: &Limits) -> Result<(), u64> {
        // What comes from this machine is its operator's, or a proxy's that is not told of.
        if client.is_loopback() {
            return Ok(());
        }
        let mut counts = self.counts.lock();
        let known = counts.known(client, now);
        if now.0 >= known.minute.0 + MINUTE_MS {
            (known.minute, known.made) = (now, 0);
        }
        if known.made >= limits.documents_made_per_minute {
            return Err(known.minute.0 + MINUTE_MS - now.0);
        }
        known.made += 1;
        Ok(())
    }

    /// Counts a request of this address; or says in how many milliseconds it may make it.
    pub(super) fn request(&self, client: IpAddr, now: Time, limits: &Limits) -> Result<(), u64> {
        if client.is_loopback() {
            return Ok(());
        }
        let mut counts = self.counts.lock();
        let known = counts.known(client, now);
        if now.0 >= known.second.0 + SECOND_MS {
            (known.second, known.requests) = (now, 0);
        }
        if known.requests >= limits.requests_per_second {
            return Err(known.second.0 + SECOND_MS - now.0);
        }
        known.requests += 1;
        Ok(())
    }
}

impl Known {
    /// Whether nothing of it has to be remembered.
    fn is_forgettable(&self, now: Time) -> bool {
        self.connections == 0 && now.0 >= self.minute.0 + MINUTE_MS && now.0 >= self.second.0 + SECOND_MS
    }
}

impl Counts {
    /// What is known of an address.
    fn known(&mut self, client: IpAddr, now: Time) -> &mut Known {
        // Addresses that left long ago are swept when the map would grow.
        if self.addresses.len() == self.addresses.capacity() {
            self.addresses.retain(|_, known| !known.is_forgettable(now));
        }
        self.addresses.entry(neighbourhood(client)).or_default()
    }

    fn leave(&mut self, address: IpAddr) {
        let Some(known) = self.addresses.get_mut(&address) else { return };
        known.connections -= 1;
        if known.connections == 0 && known.made == 0 && known.requests == 0 {
            self.addresses.remove(&address);
        }
    }
}

/// What counts as one address: of IPv6 a whole /64, which is what one line is given.
fn neighbourhood(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX))),
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn one_address_takes_its_share_and_no_more() {
        let (crowd, limits) =
            (Arc::new(Crowd::default()), Limits { connections: 3, connections_per_address: 2, ..Limits::default() });
        let connect = |address: &str| crowd.connect(Some(ip(address)), &limits).unwrap();
        let (one, two, three) = (connect("10.0.0.1"), connect("::ffff:10.0.0.1"), connect("10.0.0.1"));
        assert_eq!([one.1, two.1, three.1], [None, None, Some(Over(named::connections_per_address))]);
        let other = connect("10.0.0.2");
        assert_eq!((other.1, connect("10.0.0.3").1), (None, Some(Over(named::connections))));
        drop(one);
        assert_eq!(connect("10.0.0.1").1, None);
        drop((two, three, other));
        let counts = crowd.counts.lock();
        assert_eq!((counts.all, counts.over, counts.addresses.len()), (0, 0, 0));
    }

    #[test]
    fn who_comes_through_a_proxy_counts_for_their_own_address_and_until_they_go() {
        let (crowd, limits) = (Arc::new(Crowd::default()), Limits { connections_per_address: 1, ..Limits::default() });
        let connect = || crowd.connect_through(ip("10.0.0.1"), &limits);
        let first = connect().unwrap();
        assert_eq!(connect().err(), Some(Over(named::connections_per_address)));
        drop(first);
        assert!(connect().is_ok());
    }

    #[test]
    fn a_line_of_ipv6_is_one_address() {
        assert_eq!(neighbourhood(ip("2001:db8::1")), neighbourhood(ip("2001:db8::ffff:1")));
        assert_ne!(neighbourhood(ip("2001:db8::1")), neighbourhood(ip("2001:db8:0:1::1")));
    }

    #[test]
    fn documents_are_made_at_a_rate_until_the_minute_is_over() {
        let (crowd, limits) = (Crowd::default(), Limits { documents_made_per_minute: 2, ..Limits::default() });
        let make = |address: &str, now| crowd.make(ip(address), Time(now), &limits);
        let made = [make("10.0.0.1", 1_000_000), make("10.0.0.1", 1_000_001), make("10.0.0.1", 1_000_100)];
        assert_eq!(made, [Ok(()), Ok(()), Err(59_900)]);
        assert_eq!((make("10.0.0.2", 1_000_200), make("127.0.0.1", 1_000_200)), (Ok(()), Ok(())));
        assert_eq!(make("10.0.0.1", 1_060_000), Ok(()));
    }

    #[test]
    fn requests_are_counted_by_address_whatever_connections_they_come_on() {
        let (crowd, limits) = (Arc::new(Crowd::default()), Limits { requests_per_second: 2, ..Limits::default() });
        let request = |address: &str, now| crowd.request(ip(address), Time(now), &limits);
        let asked: Vec<_> = (0..3)
            .map(|ms| {
                let place = crowd.connect(Some(ip("10.0.0.1")), &limits);
                (request("10.0.0.1", 1_000_000 + ms), drop(place)).0
            })
            .collect();
        assert_eq!(asked, [Ok(()), Ok(()), Err(998)]);
        assert_eq!((request("10.0.0.2", 1_000_003), request("::1", 1_000_003)), (Ok(()), Ok(())));
        assert_eq!(request("10.0.0.1", 1_001_000), Ok(()));
        let mut counts = crowd.counts.lock();
        let later = Time(1_100_000);
        counts.addresses.retain(|_, known| !known.is_forgettable(later));
        assert_eq!(counts.addresses.len(), 0, "nobody is remembered for ever");
    }
}
