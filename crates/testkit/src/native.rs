//! The native client: counts, checks and resumes as docs/protocol.md asks of a good one, and keeps what it got.

use crate::flood;
use crate::server::Server;
use crate::wait::DEADLINE;
use anywire::cli::client::http::Peer;
use anywire::cli::client::link::{BROKEN, Event, Link, LinkError};
use anywire::cli::client::progress::Progress;
use anywire_codec::dialect::native::{Client, ServerText, Welcome};
use anywire_model::{ExitReason, Offset, Role, Signal, Size, Stream};
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

/// What to attach to, and how.
#[derive(Clone, Debug, Default)]
pub struct Attach {
    /// Id or name; a new session without it.
    pub session: Option<String>,
    /// Offset of the first byte wanted.
    pub since: Option<Offset>,
    /// The most that the client wants.
    pub role: Option<Role>,
    /// Its window.
    pub size: Option<Size>,
}

impl Attach {
    /// This session, from its first byte.
    #[must_use]
    pub fn to(session: &str) -> Self {
        Self {
            session: Some(session.into()),
            since: Some(0),
            ..Self::default()
        }
    }
}

/// How a session ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exit {
    /// Why.
    pub reason: ExitReason,
    /// The code for a command line.
    pub code: i32,
    /// Output bytes in total.
    pub offset: Offset,
}

/// A client that resumes by itself.
pub struct NativeClient {
    address: SocketAddr,
    peer: Peer,
    attach: Attach,
    progress: Progress,
    link: Option<Link<TcpStream>>,
    /// The last welcome.
    pub welcome: Welcome,
    /// Standard output or the terminal's, keyframes included, since [`NativeClient::forget`].
    pub out: Vec<u8>,
    /// Standard error.
    pub err: Vec<u8>,
    /// Offsets of the keyframes that came.
    pub keyframes: Vec<Offset>,
    /// Sizes of the session's terminal that were told.
    pub sizes: Vec<Size>,
    /// Errors that did not end the connection.
    pub errors: Vec<String>,
    /// Bytes of gaps in the output.
    pub lost: u64,
    /// Input bytes that may or may not have arrived.
    pub uncertain: u64,
    /// Times that the connection was made.
    pub connections: usize,
    exit: Option<Exit>,
    floods: bool,
}

impl NativeClient {
    /// Attaches.
    ///
    /// # Panics
    /// When the server refuses.
    pub async fn attach(server: &Server, attach: Attach) -> Self {
        Self::try_attach(server, &server.peer(), attach)
            .await
            .unwrap_or_else(|error| panic!("{error}\n{}", server.log()))
    }

    /// Opens a new session and wants its output from the first byte.
    ///
    /// # Panics
    /// When the server refuses.
    pub async fn open(server: &Server) -> Self {
        let since = Some(0);
        Self::attach(
            server,
            Attach {
                since,
                ..Attach::default()
            },
        )
        .await
    }

    /// Attaches as somebody.
    ///
    /// # Errors
    /// The server's answer.
    pub async fn try_attach(
        server: &Server,
        peer: &Peer,
        attach: Attach,
    ) -> Result<Self, LinkError> {
        let (address, peer) = (server.address("http"), peer.clone());
        let mut progress = Progress::new(attach.session.clone(), attach.since);
        let stream = TcpStream::connect(address)
            .await
            .expect("the listener takes connections");
        let (link, welcome) =
            Link::connect(stream, &peer, progress.hello(attach.role, attach.size)).await?;
        let uncertain = progress.welcomed(&welcome);
        Ok(Self {
            address,
            peer,
            attach,
            progress,
            link: Some(link),
            welcome,
            out: Vec::new(),
            err: Vec::new(),
            keyframes: Vec::new(),
            sizes: Vec::new(),
            errors: Vec::new(),
            lost: 0,
            uncertain,
            connections: 1,
            exit: None,
            floods: false,
        })
    }

    /// From now on output is compared with the producer's flood and not kept; a keyframe or a gap is an error.
    #[must_use]
    pub fn flood(mut self) -> Self {
        self.floods = true;
        self
    }

    /// The session's id.
    #[must_use]
    pub fn session(&self) -> String {
        self.welcome.session.to_string()
    }

    /// Offset of the next output byte.
    #[must_use]
    pub fn next(&self) -> Offset {
        self.progress.next().unwrap_or(0)
    }

    /// Input for the program; sent while waiting for something.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.progress.push(bytes.as_ref());
    }

    /// The end of input, after all input.
    pub fn close_input(&mut self) {
        self.progress.close_input();
    }

    /// The client's window changed.
    pub fn resize(&mut self, size: Size) {
        self.attach.size = Some(size);
        self.message(&Client::Resize(size));
    }

    /// A signal to the foreground programs.
    pub fn signal(&mut self, signal: Signal) {
        self.message(&Client::Signal(signal));
    }

    /// End the session.
    pub fn kill(&mut self) {
        self.message(&Client::Kill);
    }

    /// Any message, if there is a connection.
    pub fn message(&mut self, message: &Client<'_>) {
        if let Some(link) = &mut self.link {
            link.send(message);
        }
    }

    /// The link itself, for what no good client sends.
    ///
    /// # Panics
    /// When there is no connection.
    pub fn link(&mut self) -> &mut Link<TcpStream> {
        self.link.as_mut().expect("a connection")
    }

    /// Drops the connection without a word; the next wait resumes.
    pub fn disconnect(&mut self) {
        self.link = None;
    }

    /// Drops what was received so far.
    pub fn forget(&mut self) {
        self.out.clear();
        self.err.clear();
    }

    /// Waits until the output kept contains the text.
    ///
    /// # Panics
    /// When it does not come in time or the session ends before.
    pub async fn see(&mut self, text: &str) {
        let found = |bytes: &[u8]| {
            bytes
                .windows(text.len())
                .any(|window| window == text.as_bytes())
        };
        self.until(text, |client| found(&client.out) || found(&client.err))
            .await;
    }

    /// Waits until the condition holds.
    ///
    /// # Panics
    /// When it does not in time, or the session ends before.
    pub async fn until(&mut self, what: &str, condition: impl Fn(&Self) -> bool) {
        let start = Instant::now();
        while !condition(self) {
            let left = DEADLINE.saturating_sub(start.elapsed());
            let event = timeout(left, self.event()).await;
            assert!(
                matches!(event, Ok(true)),
                "waited in vain for {what:?}: {}",
                self.state()
            );
        }
    }

    /// Waits for the session's end; all output came before.
    ///
    /// # Panics
    /// When it does not end in time, or output is missing.
    pub async fn exit(&mut self) -> Exit {
        let start = Instant::now();
        loop {
            if let Some(exit) = &self.exit {
                assert_eq!(self.next(), exit.offset, "all output comes before the exit");
                return exit.clone();
            }
            let left = DEADLINE.saturating_sub(start.elapsed());
            assert!(
                timeout(left, self.event()).await.is_ok(),
                "no exit: {}",
                self.state()
            );
        }
    }

    /// Takes one event, resuming first if there is no connection. False after the session's end.
    ///
    /// # Panics
    /// When the server breaks the protocol or refuses to resume.
    pub async fn event(&mut self) -> bool {
        if self.exit.is_some() {
            return false;
        }
        if self.link.is_none() {
            self.resume().await;
        }
        self.feed();
        let Some(link) = &mut self.link else {
            return false;
        };
        match link.next().await {
            Ok(event) => self.on(event),
            Err(LinkError::Ws(_)) => self.link = None,
            Err(error) => panic!("{error}: {}", self.state()),
        }
        true
    }

    /// Sends what is to be sent, resuming first if there is no connection, and waits for nothing.
    ///
    /// # Panics
    /// As [`NativeClient::event`].
    pub async fn push(&mut self) {
        if self.link.is_none() {
            self.resume().await;
        }
        self.feed();
        let Some(link) = &mut self.link else { return };
        if link.flush().await.is_err() {
            self.link = None;
        }
    }

    fn feed(&mut self) {
        let Some(link) = &mut self.link else { return };
        if let Some(offset) = self.progress.take_acknowledgement() {
            link.send(&Client::Ack(offset));
        }
        while let Some((offset, bytes)) = self.progress.take_unsent() {
            link.send(&Client::Input { offset, bytes });
        }
        if self.progress.take_eof() {
            link.send(&Client::Eof);
        }
    }

    async fn resume(&mut self) {
        let start = Instant::now();
        loop {
            match self.try_resume().await {
                Ok(()) => return,
                Err(error) => assert!(
                    start.elapsed() < DEADLINE,
                    "no way back: {error}: {}",
                    self.state()
                ),
            }
            sleep(Duration::from_millis(10)).await;
        }
    }

    async fn try_resume(&mut self) -> Result<(), String> {
        let stream = TcpStream::connect(self.address)
            .await
            .map_err(|error| error.to_string())?;
        let hello = self.progress.hello(self.attach.role, self.attach.size);
        match Link::connect(stream, &self.peer, hello).await {
            Ok((link, welcome)) => {
                self.uncertain += self.progress.welcomed(&welcome);
                self.welcome = welcome;
                self.link = Some(link);
                self.connections += 1;
                Ok(())
            }
            Err(error @ LinkError::Refused { .. }) => panic!("refused on the way back: {error}"),
            Err(error) => Err(error.to_string()),
        }
    }

    fn on(&mut self, event: Event) {
        match event {
            Event::Output {
                stream,
                offset,
                bytes,
            } => {
                if let Err(error) = self.progress.output(offset, bytes.len()) {
                    panic!("{error}: {}", self.state());
                }
                match stream {
                    Stream::Out if self.floods => flood::check(offset, &bytes),
                    Stream::Out => self.out.extend_from_slice(&bytes),
                    Stream::Err => self.err.extend_from_slice(&bytes),
                }
            }
            Event::Keyframe { offset, dump } => {
                assert!(
                    !self.floods,
                    "a keyframe at {offset}, where bytes were expected: {}",
                    self.state()
                );
                self.progress.keyframe(offset);
                self.keyframes.push(offset);
                self.out.extend_from_slice(&dump);
            }
            Event::Closed {
                code: 1001 | BROKEN,
                ..
            } => self.link = None,
            Event::Closed { code, reason } => {
                panic!("closed with {code} {reason}: {}", self.state())
            }
            Event::Text(text) => self.on_text(text),
        }
    }

    fn on_text(&mut self, text: ServerText) {
        match text {
            ServerText::Resize { cols, rows, .. } => self.sizes.push(Size { cols, rows }),
            ServerText::Gap { from, to } => {
                assert!(!self.floods, "a gap {from}..{to}: {}", self.state());
                self.progress
                    .gap(from, to)
                    .expect("a gap begins where output ended");
                self.lost += to - from;
            }
            ServerText::Input { offset } => self.progress.acknowledged(offset),
            ServerText::Exit {
                reason,
                code,
                offset,
                ..
            } => {
                self.exit = Some(Exit {
                    reason,
                    code,
                    offset,
                });
                // As a page does: nothing follows, so the connection is not kept.
                self.link = None;
            }
            ServerText::Error { message, .. } => self.errors.push(message),
            ServerText::Pong { .. } => {}
            ServerText::Welcome(_) => panic!("a second welcome"),
        }
    }

    fn state(&self) -> String {
        let tail = |bytes: &[u8]| {
            String::from_utf8_lossy(&bytes[bytes.len().saturating_sub(300)..])
                .escape_debug()
                .to_string()
        };
        format!(
            "session {}, next {}, {} connections, keyframes {:?}, errors {:?}, exit {:?}, output ends with \"{}\", errors with \"{}\"",
            self.session(),
            self.next(),
            self.connections,
            self.keyframes,
            self.errors,
            self.exit,
            tail(&self.out),
            tail(&self.err)
        )
    }
}
