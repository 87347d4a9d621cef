//! The smallest program: what comes in goes out. It needs no process, so it is also the program of most tests.

use anywire_model::{ExitReason, Io, Offset, Signal, Size};
use anywire_process::{Control, InputError, Order, Ring, Running, Spawn, Spawning};
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;

/// Output that may wait to be read before input is refused: what bounds a client that writes and does not read.
const WINDOW: u64 = 256 << 10;
/// Input taken at once, so that the log holds at most this much more than the window.
const PIECE: usize = 64 << 10;

/// Starts echoes. Every service is one.
#[derive(Clone, Copy, Debug, Default)]
pub struct Echo;

impl Spawn for Echo {
    fn spawn(&self, order: Order) -> Spawning<'_> {
        let Order { id, service, size } = order;
        // Nothing is kept once it was read: an idle echo costs no log.
        let log = Arc::new(Ring::heap(size, 0, 2 * WINDOW as usize));
        let control = Arc::new(Echoing { log: log.clone() });
        Box::pin(std::future::ready(Ok(Running {
            id,
            service,
            io: Io::Handler,
            pid: None,
            log,
            control,
        })))
    }
}

#[derive(Debug)]
struct Echoing {
    log: Arc<Ring>,
}

impl Control for Echoing {
    fn input(&self, bytes: &[u8]) -> Result<usize, InputError> {
        if self.log.exit().is_some() {
            return Err(InputError::Closed);
        }
        if self.log.head() - self.log.tail() >= WINDOW {
            return Err(InputError::Full);
        }
        let bytes = &bytes[..bytes.len().min(PIECE)];
        self.log.append(bytes);
        Ok(bytes.len())
    }

    fn input_ready(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        // Room comes when the log is read, which the log announces.
        Box::pin(async move {
            loop {
                let mut changed = pin!(self.log.changed());
                changed.as_mut().enable();
                if self.log.head() - self.log.tail() < WINDOW || self.log.exit().is_some() {
                    return;
                }
                changed.await;
            }
        })
    }

    fn close_input(&self) {
        self.log.end(ExitReason::Code { code: 0 });
    }

    fn resize(&self, _size: Size) {}

    fn signal(&self, signal: Signal) {
        if matches!(
            signal,
            Signal::Int | Signal::Term | Signal::Kill | Signal::Hup | Signal::Quit
        ) {
            self.log.end(ExitReason::Code { code: 0 });
        }
    }

    fn kill(&self, reason: ExitReason) {
        self.log.end(reason);
    }

    fn allow(&self, _limit: Offset) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use anywire_model::SessionId;

    async fn echo() -> Running {
        let order = Order {
            id: SessionId::random(),
            service: "echo".into(),
            size: Size::DEFAULT,
        };
        Echo.spawn(order).await.unwrap()
    }

    #[tokio::test]
    async fn gives_back_what_it_gets_and_ends_with_its_input() {
        let running = echo().await;
        assert_eq!(running.control.input(b"hello"), Ok(5));
        let mut out = Vec::new();
        assert_eq!(running.log.read(0, 100, &mut out), Ok(5));
        assert_eq!(out, b"hello");
        running.control.close_input();
        assert_eq!(running.control.input(b"more"), Err(InputError::Closed));
        assert_eq!(running.log.exit(), Some(&ExitReason::Code { code: 0 }));
    }

    #[tokio::test]
    async fn who_does_not_read_cannot_write_for_ever() {
        let running = echo().await;
        let chunk = vec![7; 1 << 20];
        let mut given = 0;
        while let Ok(taken) = running.control.input(&chunk) {
            given += taken as u64;
        }
        assert_eq!(given, WINDOW);
        let ready = tokio::spawn({
            let control = running.control.clone();
            async move { control.input_ready().await }
        });
        running.log.release(given);
        ready.await.unwrap();
        assert_eq!(running.control.input(b"x"), Ok(1));
    }
}
