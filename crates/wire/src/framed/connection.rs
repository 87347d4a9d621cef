//! The life of one connection: messages are answered in order, with a deadline on everything that the peer does.
//!
//! Between two messages a connection owns no buffer. Pipelined messages are answered one after the other; when the
//! peer does not take the answers, nothing more is read from it.

use super::envelope::{Broken, Envelope, Item, close_code};
use super::outbox::Outbox;
use super::service::{Answer, Caller, Conversation};
use super::{Deadlines, Entry, gate};
use crate::limits;
use crate::link::{Framing, Socket, Visitor, Ways, scratch};
use crate::listen::Stranger;
use crate::metrics::{Meter, Wire};
use crate::peer::Peer;
use anywire_codec::framed::{self, Code, Id, Limits, Message, Reply, Stage};
use anywire_codec::websocket;
use std::fmt;
use std::pin::pin;
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

/// Connections without a place that are waited for until they have read their last answer.
static LEAVING: Semaphore = Semaphore::const_new(limits::LEAVING);

/// Messages that are answered before others get their turn.
const TURN: usize = 64;

/// Why a connection ends.
#[derive(Debug)]
pub(super) enum End {
    /// The peer is gone or dead: nothing more can be said.
    Gone,
    /// All was said.
    Done,
    /// The peer did something wrong, and is told.
    Error(Box<Reply>),
    /// The peer broke RFC 6455.
    Frame(websocket::Error),
    /// The server stops.
    Shutdown,
}

impl From<Broken> for End {
    fn from(broken: Broken) -> Self {
        match broken {
            Broken::Message(error) => error.into(),
            Broken::Frame(error) => Self::Frame(error),
            Broken::Text => Reply::error(
                Code::BadRequest,
                "each binary WebSocket message is one framed message",
            )
            .into(),
            Broken::Closed => Self::Done,
        }
    }
}

impl From<framed::Error> for End {
    fn from(error: framed::Error) -> Self {
        Reply::from(&error).into()
    }
}

impl From<Reply> for End {
    fn from(reply: Reply) -> Self {
        Self::Error(Box::new(reply))
    }
}

/// Who is talked to.
enum Client {
    /// Somebody who must bring the password first.
    Stranger(Box<(Visitor, Option<Stranger>)>),
    /// Somebody who was let in.
    Known(Box<dyn Conversation>),
}

struct Connection {
    socket: Socket,
    envelope: Envelope,
    limits: Limits,
    deadlines: Deadlines,
    client: Client,
    inbox: Vec<u8>,
    outbox: Outbox,
    /// The peer sends no more.
    ended: bool,
    /// What is waited for, and since when.
    stage: Stage,
    since: Instant,
    /// When the peer took something last.
    took: Instant,
    account: Account,
}

/// What is remembered of a connection for metrics and the log.
struct Account {
    peer: Peer,
    /// Until the end.
    meter: Option<Meter>,
    received: u64,
    sent: u64,
}

/// Runs a connection to its end; its place is free as soon as nothing more is answered, since whoever only has to read
/// its answer takes none from others.
pub(crate) async fn run<P>(entry: Box<Entry>, place: P, shutdown: CancellationToken) {
    let mut connection = Connection::new(*entry);
    // On the heap, so that connections of other kinds do not carry it.
    let end = Box::pin(connection.talk(&shutdown)).await;
    drop(place);
    Box::pin(connection.close(end, &shutdown)).await;
}

impl Connection {
    fn new(entry: Entry) -> Box<Self> {
        let Entry {
            socket,
            framing,
            head,
            asks,
            stranger,
            visitor,
        } = entry;
        let metrics = &visitor.context.metrics;
        let meter = Some(metrics.attached(Wire::Framed));
        let account = Account {
            peer: visitor.peer,
            meter,
            received: 0,
            sent: 0,
        };
        let settings = &visitor.context.listener.framed;
        let (limits, deadlines) = (settings.limits, settings.deadlines);
        let client = if asks {
            Client::Stranger(Box::new((visitor, stranger)))
        } else {
            let service = settings.service.clone();
            Client::Known(service.begin(Caller(visitor)))
        };
        let now = Instant::now();
        Box::new(Self {
            socket,
            envelope: Envelope::new(framing, if asks { gate::limits(limits) } else { limits }),
            limits,
            deadlines,
            client,
            inbox: head,
            outbox: Outbox::default(),
            ended: false,
            stage: Stage::Idle,
            since: now,
            took: now,
            account,
        })
    }

    /// Answers messages until there is a reason to end.
    async fn talk(&mut self, shutdown: &CancellationToken) -> End {
        let mut stop = pin!(shutdown.cancelled());
        let mut clock = pin!(sleep_until(self.deadline()));
        loop {
            let turn = tokio::select! {
                biased;
                () = &mut stop => return End::Shutdown,
                turn = self.turn() => turn,
            };
            match turn {
                Ok(true) => {}
                Ok(false) => {
                    tokio::task::yield_now().await;
                    continue;
                }
                Err(end) => return end,
            }
            let deadline = self.deadline();
            // A clock that rings too early is set again then; that is rarer than messages.
            if deadline < clock.deadline() {
                clock.as_mut().reset(deadline);
            }
            let wanted = self.wanted();
            tokio::select! {
                biased;
                () = &mut stop => return End::Shutdown,
                ready = self.socket.ready(wanted) => {
                    let Ok(ready) = ready else { return End::Gone };
                    if ready.read && self.read().is_err() {
                        return End::Gone;
                    }
                }
                () = &mut clock => match self.late() {
                    Some(end) => return end,
                    None => clock.as_mut().reset(self.deadline()),
                },
            }
        }
    }

    /// Answers the messages that are here and sends the answers; false if there is more to do at once.
    async fn turn(&mut self) -> Result<bool, End> {
        if self.outbox.is_empty() {
            self.took = Instant::now();
        }
        let before = self.outbox.total();
        let answered = self.answer().await;
        self.account.sent(self.outbox.total() - before);
        // What was answered before a mistake is sent before the mistake is told.
        if !self.outbox.is_empty() {
            let took = self.outbox.flush(&mut self.socket).map_err(|_| End::Gone)?;
            if took {
                self.took = Instant::now();
            }
        }
        let idle = answered?;
        if idle && self.ended && self.may_answer() {
            return Err(if self.inbox.is_empty() {
                End::Done
            } else {
                framed::Error::Truncated.into()
            });
        }
        Ok(idle || !self.may_answer())
    }

    fn may_answer(&self) -> bool {
        self.outbox.len() < limits::OUTBOX
    }

    /// Answers whole messages at the start of the inbox; true if there is none left, or the peer must take answers
    /// first.
    async fn answer(&mut self) -> Result<bool, End> {
        let (mut at, mut count, mut idle) = (0, 0, true);
        while self.outbox.len() < limits::OUTBOX {
            if count == TURN {
                idle = false;
                break;
            }
            let buffer = &mut self.inbox[at..];
            let was_stranger = matches!(self.client, Client::Stranger(_));
            let found = self.envelope.next(buffer, self.limits);
            let Some((used, item)) = found.map_err(|error| match error {
                // Too long for a password: it is another message.
                Broken::Message(framed::Error::PayloadTooLarge { .. }) if was_stranger => {
                    gate::required().into()
                }
                error => End::from(error),
            })?
            else {
                break;
            };
            (at, count) = (at + used, count + 1);
            let message = match item {
                Item::Message(message) => message,
                Item::Ping(payload) => {
                    Envelope::pong(payload, &mut self.outbox.bytes);
                    continue;
                }
                Item::Nothing => continue,
            };
            let reply = match self.client.answer(&message) {
                Answer::Now(reply) => reply,
                Answer::Later(reply) => {
                    // What was answered before is not kept back; who is gone is noticed when all is sent.
                    let _ = self.outbox.flush(&mut self.socket);
                    let reply = timeout(self.deadlines.answer, reply).await;
                    // Nobody was looking whether the peer took anything.
                    self.took = Instant::now();
                    reply
                        .unwrap_or_else(|_| Reply::error(Code::Timeout, "the answer took too long"))
                }
            };
            let asked = message.header.keep_alive;
            let id = message.header.id.map(Id::into_owned);
            // The password is followed by the message that it is for.
            let goes_on = asked || was_stranger || self.envelope.persists();
            let stay = !reply.close && goes_on;
            let out = &mut self.outbox.bytes;
            self.envelope.write(&reply, asked && stay, id, out);
            if !stay {
                return Err(End::Done);
            }
            if was_stranger {
                self.envelope = Envelope::new(Framing::Bytes, self.limits);
            }
        }
        if at > 0 {
            if at == self.inbox.len() {
                self.inbox = Vec::new();
            } else {
                self.inbox.drain(..at);
            }
        }
        self.note(count > 0);
        Ok(idle)
    }

    /// Keeps in mind what is waited for now.
    fn note(&mut self, answered: bool) {
        let stage = self.envelope.stage(&self.inbox);
        if answered || stage != self.stage {
            (self.stage, self.since) = (stage, Instant::now());
        }
    }

    /// What to wait for at the socket.
    fn wanted(&self) -> Ways {
        Ways {
            read: !self.ended && self.may_answer(),
            write: !self.outbox.is_empty(),
        }
    }

    fn read(&mut self) -> std::io::Result<()> {
        scratch::with(|scratch| {
            match self.socket.try_read(&mut scratch.input)? {
                None => {}
                Some(0) => self.ended = true,
                Some(n) => {
                    self.account.received(n);
                    self.inbox.extend_from_slice(&scratch.input[..n]);
                }
            }
            Ok(())
        })
    }

    /// When the peer is too late with what is waited for.
    fn deadline(&self) -> Instant {
        let limit = match (self.stage, &self.client) {
            (Stage::Header, _) => self.deadlines.header,
            (Stage::Content, _) => self.deadlines.content,
            (Stage::Idle, Client::Stranger(_)) => self.deadlines.auth,
            (Stage::Idle, Client::Known(_)) => self.deadlines.idle,
        };
        let (reading, writing) = (self.since + limit, self.took + self.deadlines.write);
        match (self.outbox.is_empty(), self.may_answer()) {
            (true, _) => reading,
            (false, true) => reading.min(writing),
            // Nothing is read from a peer that does not take its answers.
            (false, false) => writing,
        }
    }

    /// Whether the peer is too late.
    fn late(&self) -> Option<End> {
        let now = Instant::now();
        if now < self.deadline() {
            return None;
        }
        if !self.outbox.is_empty() && now >= self.took + self.deadlines.write {
            return Some(End::Gone);
        }
        let message = match self.stage {
            Stage::Header => "the header took too long",
            Stage::Content => "the content took too long",
            Stage::Idle => "no message came for too long",
        };
        Some(Reply::error(Code::Timeout, message).into())
    }

    /// The client is told why, and gets what it was told: our side ends first, then the peer's. Closing at once would
    /// discard what the peer has not read yet if it is still sending.
    async fn close(mut self: Box<Self>, end: End, shutdown: &CancellationToken) {
        self.account.ended(&end);
        let out = &mut self.outbox.bytes;
        match &end {
            End::Gone => return,
            End::Error(reply) => self.envelope.write(reply, false, None, out),
            End::Shutdown => {
                let reply = Reply::error(Code::Shutdown, "the server stops");
                self.envelope.write(&reply, false, None, out);
            }
            End::Done | End::Frame(_) => {}
        }
        self.envelope.close(close_code(&end), out);
        // What the client was to say is of no interest any more.
        self.inbox = Vec::new();
        // Its place is somebody else's: where many are on their way out, who comes next is only told.
        let Ok(_leaving) = LEAVING.try_acquire() else {
            let _ = self.outbox.flush(&mut self.socket);
            return;
        };
        while !self.outbox.is_empty() {
            if self.outbox.flush(&mut self.socket).is_err() {
                return;
            }
            if self.outbox.is_empty() {
                break;
            }
            let limit = if shutdown.is_cancelled() {
                limits::LINGER_SHUTDOWN
            } else {
                self.deadlines.write
            };
            let Ok(Ok(_)) = timeout(limit, self.socket.ready(Ways::WRITE)).await else {
                return;
            };
        }
        let ended = timeout(limits::FLUSH, self.socket.shutdown()).await;
        if !matches!(ended, Ok(Ok(()))) || self.ended {
            return;
        }
        let drained = timeout(limits::LINGER, self.drain());
        let hurry = async {
            shutdown.cancelled().await;
            tokio::time::sleep(limits::LINGER_SHUTDOWN).await;
        };
        tokio::select! {
            _ = drained => {}
            () = hurry => {}
        }
    }

    /// Reads and forgets until the peer has closed too.
    async fn drain(&mut self) {
        while self.socket.ready(Ways::READ).await.is_ok() {
            let read = scratch::with(|scratch| self.socket.try_read(&mut scratch.input));
            if let Ok(Some(0)) | Err(_) = read {
                return;
            }
            tokio::task::yield_now().await;
        }
    }
}

impl Account {
    fn received(&mut self, bytes: usize) {
        self.received += bytes as u64;
        if let Some(meter) = &self.meter {
            meter.received(bytes);
        }
    }

    fn sent(&mut self, bytes: u64) {
        self.sent += bytes;
        if let Some(meter) = &self.meter {
            meter.sent(usize::try_from(bytes).unwrap_or(usize::MAX));
        }
    }

    fn ended(&mut self, end: &End) {
        tracing::info!(
            wire = Wire::Framed.name(),
            peer = %self.peer,
            reason = %end,
            received = self.received,
            sent = self.sent,
            "closed"
        );
        self.meter = None;
    }
}

/// Why, in words of ours: what a client says of itself is not logged.
impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gone => f.write_str("the client is gone"),
            Self::Done => f.write_str("all was said"),
            Self::Error(_) => f.write_str("refused"),
            Self::Frame(error) => write!(f, "the client broke the framing: {error}"),
            Self::Shutdown => f.write_str("the server stops"),
        }
    }
}

impl Client {
    fn answer<'a>(&'a mut self, message: &'a Message<'a>) -> Answer<'a> {
        match self {
            Self::Known(conversation) => conversation.answer(&message.header, message.content),
            Self::Stranger(_) => Answer::Later(Box::pin(self.admit(message))),
        }
    }

    /// Lets a stranger in who brings the password.
    async fn admit(&mut self, message: &Message<'_>) -> Reply {
        let Self::Stranger(asked) = self else {
            return Reply::result("ok");
        };
        match gate::judge(&mut asked.0, message).await {
            Ok(reply) => {
                let visitor = asked.0.clone();
                let service = visitor.context.listener.framed.service.clone();
                *self = Self::Known(service.begin(Caller(visitor)));
                reply
            }
            Err(reply) => reply,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes of the future that a method makes.
    fn future<'a, F>(_: impl FnOnce(&'a mut Connection, &'a CancellationToken) -> F) -> usize {
        size_of::<F>()
    }

    fn whole<F>(_: impl FnOnce(Box<Entry>, [u64; 5], CancellationToken) -> F) -> usize {
        size_of::<F>()
    }

    #[test]
    fn an_idle_connection_is_small() {
        let (talk, whole) = (future(Connection::talk), whole(run));
        let connection = size_of::<Connection>();
        assert!(talk <= 800, "the loop's future has {talk} bytes");
        // With its place.
        assert!(whole <= 136, "the future around it has {whole} bytes");
        assert!(connection <= 420, "its state has {connection} bytes");
    }
}
