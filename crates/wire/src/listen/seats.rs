//! How many connections a listener holds, in all and from each address; one too many is told so and closed.
//!
//! Where clients log in, those of one address that have not yet done so hold half of the places at most: whoever is a
//! stranger cannot keep all others out. Who has logged in no longer counts, since behind one address may be a class, or
//! a proxy that everybody comes through.

use crate::admit::prefix;
use crate::limits;
use crate::link::{Socket, Ways};
use crate::metrics::Turned;
use crate::peer::Peer;
use crate::{Context, Protocol, framed};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use tokio::time::timeout;

/// Connections that may be told at the same time that there is no place; further ones are closed without a word.
const REFUSALS: usize = 64;

/// The places of a listener. A cheap handle.
#[derive(Clone, Debug)]
pub(super) struct Seats(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    max: usize,
    max_per_address: usize,
    /// Strangers from one address; `None` where nobody is asked who he is.
    max_strangers: Option<usize>,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    all: usize,
    refusals: usize,
    /// Only where addresses are counted.
    by_address: HashMap<IpAddr, usize>,
    strangers: HashMap<IpAddr, usize>,
}

/// What a connection was given; it is free again when this is dropped.
#[derive(Debug)]
pub(super) enum Seat {
    /// A place, and whether it is a stranger's.
    Taken(Place, Option<Stranger>),
    /// Only to be told that there is none.
    Refused(Place, Turned),
}

/// Counts among the strangers of its address until it is dropped: at the login, or at the end.
#[derive(Debug)]
pub(crate) struct Stranger {
    seats: Seats,
    from: IpAddr,
}

/// Counts until it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    seats: Seats,
    kind: Counted,
}

#[derive(Debug)]
enum Counted {
    Connection(Option<IpAddr>),
    Refusal,
}

impl Seats {
    pub(super) fn new(context: &Context) -> Self {
        let max = context.listener.max_connections.min(limits::connections());
        Self(Arc::new(Inner {
            max,
            max_per_address: context.listener.max_per_address,
            max_strangers: context.listener.auth.then_some(max.div_ceil(2)),
            taken: Mutex::default(),
        }))
    }

    /// A place for a connection from this address; `None` if there is none and many are being told so already.
    pub(super) fn take(&self, from: Option<IpAddr>) -> Option<Seat> {
        let inner = &self.0;
        let from = from.map(prefix);
        let stranger = from.filter(|_| inner.max_strangers.is_some());
        let from = from.filter(|_| inner.max_per_address < inner.max);
        let mut taken = inner.taken.lock();
        let count = |map: &HashMap<IpAddr, usize>, from: Option<IpAddr>| {
            from.and_then(|from| map.get(&from)).copied().unwrap_or(0)
        };
        let room = count(&taken.by_address, from) < inner.max_per_address
            && count(&taken.strangers, stranger) < inner.max_strangers.unwrap_or(usize::MAX);
        let place = |kind| Place {
            seats: self.clone(),
            kind,
        };
        if taken.all < inner.max && room {
            taken.all += 1;
            if let Some(from) = from {
                *taken.by_address.entry(from).or_default() += 1;
            }
            let stranger = stranger.map(|from| {
                *taken.strangers.entry(from).or_default() += 1;
                Stranger {
                    seats: self.clone(),
                    from,
                }
            });
            return Some(Seat::Taken(place(Counted::Connection(from)), stranger));
        }
        if taken.refusals == REFUSALS {
            return None;
        }
        taken.refusals += 1;
        let why = if taken.all < inner.max {
            Turned::Address
        } else {
            Turned::Busy
        };
        Some(Seat::Refused(place(Counted::Refusal), why))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.seats.0.taken.lock();
        match self.kind {
            Counted::Refusal => taken.refusals -= 1,
            Counted::Connection(from) => {
                taken.all -= 1;
                if let Some(from) = from {
                    leave(&mut taken.by_address, from);
                }
            }
        }
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        leave(&mut self.seats.0.taken.lock().strangers, self.from);
    }
}

/// One less from there.
fn leave(map: &mut HashMap<IpAddr, usize>, from: IpAddr) {
    if let Some(here) = map.get_mut(&from) {
        *here -= 1;
        if *here == 0 {
            map.remove(&from);
        }
    }
}

/// Says in the client's language that there is no place, and waits a moment for the client to go: what it has sent and
/// nobody reads would have the answer thrown away.
pub(super) async fn refuse(mut socket: Socket, peer: Peer, protocol: Protocol) {
    tracing::debug!(?peer, "turned away: as many connections as there may be");
    let answer = match protocol {
        Protocol::Http => HTTP.as_bytes().to_vec(),
        Protocol::Raw | Protocol::Telnet => TEXT.to_vec(),
        Protocol::Framed => framed::busy(),
        // Nobody knows its language before it speaks.
        Protocol::Auto => return,
    };
    // A fresh connection takes that much at once.
    let said = async {
        socket.ready(Ways::WRITE).await.ok()?;
        socket.try_write(&answer).ok()?;
        socket.shutdown().await.ok()
    };
    if !matches!(timeout(limits::LINGER_REFUSED, said).await, Ok(Some(()))) {
        return;
    }
    let gone = async {
        let mut buffer = [0; 256];
        while socket.ready(Ways::READ).await.is_ok() {
            if let Ok(Some(0)) | Err(_) = socket.try_read(&mut buffer) {
                return;
            }
        }
    };
    let _ = timeout(limits::LINGER_REFUSED, gone).await;
}

const TEXT: &[u8] = b"anywire: too many connections; try again later\r\n";

const HTTP: &str = "HTTP/1.1 503 Service Unavailable\r\n\
    Content-Type: application/problem+json\r\n\
    Content-Length: 106\r\n\
    Retry-After: 5\r\n\
    Cache-Control: no-store\r\n\
    Connection: close\r\n\
    \r\n\
    {\"title\":\"Service Unavailable\",\"status\":503,\"detail\":\"too many connections; close one or try again later\"}";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    fn seats(max: usize, max_per_address: usize) -> Seats {
        seats_where(false, max, max_per_address)
    }

    fn seats_where(auth: bool, max: usize, max_per_address: usize) -> Seats {
        let mut context = Arc::into_inner(testing::context(auth)).unwrap();
        context.listener.max_connections = max;
        context.listener.max_per_address = max_per_address;
        Seats::new(&context)
    }

    fn from(address: &str) -> Option<IpAddr> {
        Some(address.parse().unwrap())
    }

    #[test]
    fn places_are_counted_and_come_free() {
        let seats = seats(2, usize::MAX);
        let (one, two) = (seats.take(None), seats.take(from("127.0.0.1")));
        assert!(matches!(
            (&one, &two),
            (Some(Seat::Taken(..)), Some(Seat::Taken(..)))
        ));
        let refused: Vec<_> = (0..REFUSALS).map(|_| seats.take(None)).collect();
        assert!(
            refused
                .iter()
                .all(|seat| matches!(seat, Some(Seat::Refused(..))))
        );
        assert!(seats.take(None).is_none());
        drop(refused);
        assert!(matches!(seats.take(None), Some(Seat::Refused(..))));
        drop(one);
        assert!(matches!(seats.take(None), Some(Seat::Taken(..))));
    }

    #[test]
    fn an_address_has_its_share_and_a_prefix_is_one() {
        let seats = seats(10, 1);
        let one = seats.take(from("fd00::1"));
        assert!(matches!(one, Some(Seat::Taken(..))));
        assert!(matches!(
            seats.take(from("fd00::2")),
            Some(Seat::Refused(..))
        ));
        assert!(matches!(
            seats.take(from("fd00:0:0:1::1")),
            Some(Seat::Taken(..))
        ));
        let four = seats.take(from("127.0.0.1"));
        assert!(matches!(
            seats.take(from("::ffff:127.0.0.1")),
            Some(Seat::Refused(..))
        ));
        drop((one, four));
        assert!(
            seats.0.taken.lock().by_address.is_empty(),
            "nothing is kept"
        );
    }

    #[test]
    fn strangers_of_one_address_take_half_and_who_logs_in_is_none() {
        let seats = seats_where(true, 4, usize::MAX);
        let take = |address| match seats.take(from(address)) {
            Some(Seat::Taken(place, stranger)) => Some((place, stranger.unwrap())),
            _ => None,
        };
        let (one, two) = (take("192.0.2.1").unwrap(), take("192.0.2.1").unwrap());
        assert!(take("192.0.2.1").is_none());
        let other = take("192.0.2.2").unwrap();
        // The first one logs in, and keeps its place.
        let (one, stranger) = one;
        drop(stranger);
        let three = take("192.0.2.1").unwrap();
        assert!(take("192.0.2.3").is_none(), "four is all there are");
        drop((one, two, three, other));
        assert!(seats.0.taken.lock().strangers.is_empty(), "nothing is kept");
        // A UNIX socket has no address, and nobody is asked there.
        assert!(matches!(seats.take(None), Some(Seat::Taken(_, None))));
    }

    #[test]
    fn the_refusal_is_as_long_as_it_says() {
        let (header, body) = HTTP.split_once("\r\n\r\n").unwrap();
        assert!(
            header.contains(&format!("Content-Length: {}\r\n", body.len())),
            "{}",
            body.len()
        );
        assert!(serde_json::from_str::<serde_json::Value>(body).is_ok());
    }
}
