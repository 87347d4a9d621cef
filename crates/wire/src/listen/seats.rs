//! How many connections a listener holds, in all and from each address; one too many is told so and closed.

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
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    all: usize,
    refusals: usize,
    /// Only where addresses are counted.
    by_address: HashMap<IpAddr, usize>,
}

/// What a connection was given; it is free again when this is dropped.
#[derive(Debug)]
pub(super) enum Seat {
    /// A place.
    Taken(Place),
    /// Only to be told that there is none.
    Refused(Place, Turned),
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
        Self(Arc::new(Inner {
            max: context.listener.max_connections.min(limits::connections()),
            max_per_address: context.listener.max_per_address,
            taken: Mutex::default(),
        }))
    }

    /// A place for a connection from this address; `None` if there is none and many are being told so already.
    pub(super) fn take(&self, from: Option<IpAddr>) -> Option<Seat> {
        let inner = &self.0;
        let from = from
            .map(prefix)
            .filter(|_| inner.max_per_address < inner.max);
        let mut taken = inner.taken.lock();
        let here = from.and_then(|from| taken.by_address.get(&from)).copied();
        let place = |kind| Place {
            seats: self.clone(),
            kind,
        };
        if taken.all < inner.max && here.unwrap_or(0) < inner.max_per_address {
            taken.all += 1;
            if let Some(from) = from {
                *taken.by_address.entry(from).or_default() += 1;
            }
            return Some(Seat::Taken(place(Counted::Connection(from))));
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
                if let Some(from) = from
                    && let Some(here) = taken.by_address.get_mut(&from)
                {
                    *here -= 1;
                    if *here == 0 {
                        taken.by_address.remove(&from);
                    }
                }
            }
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
        let mut context = Arc::into_inner(testing::context(false)).unwrap();
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
            (Some(Seat::Taken(_)), Some(Seat::Taken(_)))
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
        assert!(matches!(seats.take(None), Some(Seat::Taken(_))));
    }

    #[test]
    fn an_address_has_its_share_and_a_prefix_is_one() {
        let seats = seats(10, 1);
        let one = seats.take(from("fd00::1"));
        assert!(matches!(one, Some(Seat::Taken(_))));
        assert!(matches!(
            seats.take(from("fd00::2")),
            Some(Seat::Refused(..))
        ));
        assert!(matches!(
            seats.take(from("fd00:0:0:1::1")),
            Some(Seat::Taken(_))
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
