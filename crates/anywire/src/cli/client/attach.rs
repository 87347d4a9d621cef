//! `attach`: a session on this terminal, or on these pipes. It comes back by itself when the server was restarted.

use super::Target;
use super::console::{Console, note};
use super::find::Server;
use super::http::HttpError;
use super::keys::DetachKey;
use super::link::{BROKEN, Event, Link, LinkError};
use super::place::Wire;
use super::progress::Progress;
use super::table::clean;
use super::ws::WsError;
use anyhow::{Context as _, Result, bail};
use anywire_codec::dialect::native::{Client, ErrorCode, ServerText, Welcome};
use anywire_model::{Io, Role, Size};
use std::process::ExitCode;
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{Instant, sleep, timeout_at};

/// A restarted server is back within a second; after this long it is not coming.
const COME_BACK: Duration = Duration::from_secs(30);
/// The same for a server that nothing was heard of yet: it may be no server of ours.
const COME_AT_ALL: Duration = Duration::from_secs(5);
/// Between two attempts to come back.
const RETRY: Duration = Duration::from_millis(100);
/// Bytes that may wait in the link before more input is put there.
const LINK_QUEUE: usize = 64 << 10;

/// Join a session from this terminal, or connect it to this command's standard input and output
#[derive(Clone, Debug, clap::Args)]
pub struct AttachArgs {
    #[command(flatten)]
    target: Target,
    /// The session's id or name; a new session without it
    session: Option<String>,
    /// Only watch: send no input and no size
    #[arg(long)]
    view: bool,
    /// End the program's input when what is piped in ends, as in a session that this command opens; without it a session
    /// that it joins goes on
    #[arg(long, conflicts_with = "view")]
    eof: bool,
    /// The key that leaves the session running and returns here, or none
    #[arg(long, value_name = "KEY", default_value_t)]
    detach_key: DetachKey,
}

impl AttachArgs {
    /// Joining this session, which was just opened, in the usual way.
    pub(super) fn to(target: Target, session: String) -> Self {
        Self {
            target,
            session: Some(session),
            view: false,
            eof: true,
            detach_key: DetachKey::default(),
        }
    }
}

/// Runs `attach`; the exit code is the program's.
///
/// # Errors
/// When no server is found, it refuses, or it is lost for longer than 30 s.
pub async fn attach(args: AttachArgs) -> Result<ExitCode> {
    let (server, stream) = args.target.connect().await?;
    let console = Console::open().context("starting to read standard input")?;
    // A pipe wants the program's whole output as far as it is there, a terminal its screen.
    let since = (!console.is_terminal).then_some(0);
    let mut attach = Attach {
        server,
        ends_input: args.eof || args.session.is_none(),
        progress: Progress::new(args.session, since),
        console,
        role: args.view.then_some(Role::Viewer),
        detach: args.detach_key,
        input_open: !args.view,
        signals: Signals::new().context("watching signals")?,
    };
    if attach.console.is_terminal && attach.detach.is_some() {
        note(&format!("{} detaches", attach.detach));
    }
    let end = attach.run(stream).await;
    let patient = matches!(end, Ok(End::Exit { .. }));
    let name = attach
        .progress
        .session()
        .map(|id| id.chars().take(8).collect::<String>());
    attach.console.close(patient).await;
    match end? {
        End::Detached => {
            note(&format!("detached from {}", name.unwrap_or_default()));
            Ok(ExitCode::SUCCESS)
        }
        End::Exit { code, message } => {
            note(&clean(&message));
            Ok(ExitCode::from(u8::try_from(code).unwrap_or(1)))
        }
        End::Lost(why) => bail!(
            "the server did not come back within {} s: {why}",
            COME_BACK.as_secs()
        ),
    }
}

struct Attach {
    server: Server,
    progress: Progress,
    console: Console,
    role: Option<Role>,
    detach: DetachKey,
    /// Whether standard input still has something for the program.
    input_open: bool,
    /// Whether the end of standard input is the end of the program's: not in a session that others may be using.
    ends_input: bool,
    signals: Signals,
}

struct Signals {
    resized: Signal,
    terminated: Signal,
    hung_up: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self {
            resized: signal(SignalKind::window_change())?,
            terminated: signal(SignalKind::terminate())?,
            hung_up: signal(SignalKind::hangup())?,
        })
    }

    /// Waits for a signal; true when it asks this command to end, false for a new size of the terminal.
    async fn stop(&mut self) -> bool {
        tokio::select! {
            _ = self.terminated.recv() => true,
            _ = self.hung_up.recv() => true,
            _ = self.resized.recv() => false,
        }
    }
}

enum End {
    Exit { code: i32, message: String },
    Detached,
    Lost(String),
}

impl Attach {
    async fn run(&mut self, stream: Wire) -> Result<End> {
        let mut link = match self.hello(stream).await {
            Ok(link) => link,
            Err(error) if is_unknown(&error) => {
                let wanted = self.progress.session().unwrap_or_default().to_owned();
                return Err(self.server.unknown(&wanted).await);
            }
            // It was restarted just now. Nothing was sent that would be sent twice.
            Err(error) if is_broken(&error) => {
                match self.come_back(error.to_string(), COME_AT_ALL).await? {
                    Ok(link) => link,
                    Err(End::Lost(_)) => return Err(self.failure(error)),
                    Err(end) => return Ok(end),
                }
            }
            Err(error) => return Err(self.failure(error)),
        };
        loop {
            let lost = match self.talk(&mut link).await? {
                End::Lost(why) => why,
                end => return Ok(end),
            };
            drop(link);
            link = match self.come_back(lost, COME_BACK).await? {
                Ok(link) => link,
                Err(end) => return Ok(end),
            };
        }
    }

    fn failure(&self, error: LinkError) -> anyhow::Error {
        let error = match error {
            LinkError::Ws(WsError::Http(error)) => self.server.explain(error),
            error => anyhow::Error::new(error),
        };
        error.context("attaching")
    }

    async fn hello(&mut self, stream: Wire) -> Result<Link<Wire>, LinkError> {
        let size = self
            .console
            .size()
            .filter(|_| self.role != Some(Role::Viewer));
        let hello = self.progress.hello(self.role, size);
        let path = format!("{}/ws", self.server.base);
        let (link, welcome) = Link::connect_at(stream, &self.server.peer, &path, hello).await?;
        self.welcomed(&welcome);
        Ok(link)
    }

    /// The terminal's size, unless its user only watches.
    fn size(&self) -> Option<Size> {
        self.console
            .size()
            .filter(|_| self.role != Some(Role::Viewer))
    }

    fn welcomed(&mut self, welcome: &Welcome) {
        let uncertain = self.progress.welcomed(welcome);
        if uncertain > 0 {
            note(&format!(
                "the server was restarted; the last {uncertain} bytes typed may not have arrived"
            ));
        }
        // A piped program has no line editing: there the terminal's own is wanted.
        if self.console.is_terminal && welcome.io != Io::Pipe && self.console.make_raw().is_err() {
            note("this terminal cannot be made raw");
        }
    }

    /// Tries until the server answers, the user detaches, or it has taken too long.
    async fn come_back(
        &mut self,
        why: String,
        patience: Duration,
    ) -> Result<Result<Link<Wire>, End>> {
        let deadline = Instant::now() + patience;
        let mut last = why;
        while Instant::now() < deadline {
            if let Some(stream) = self.server.try_connect().await? {
                match timeout_at(deadline, self.hello(stream)).await {
                    Ok(Ok(link)) => return Ok(Ok(link)),
                    Ok(Err(error)) if is_final(&error) => return Err(self.failure(error)),
                    Ok(Err(error)) => last = error.to_string(),
                    Err(_) => break,
                }
            }
            tokio::select! {
                () = sleep(RETRY) => {}
                input = self.console.input.recv(), if self.input_open && self.progress.has_room() => {
                    if self.typed(input) {
                        return Ok(Err(End::Detached));
                    }
                }
                // The next hello says the size as it is then.
                stop = self.signals.stop() => {
                    if stop {
                        return Ok(Err(End::Detached));
                    }
                }
            }
        }
        Ok(Err(End::Lost(last)))
    }

    /// Both ways until the connection or the session is over.
    async fn talk(&mut self, link: &mut Link<Wire>) -> Result<End> {
        loop {
            self.feed(link);
            let room = self.console.has_room();
            // A viewer's terminal is still read, for the detach key.
            let reads = if self.input_open {
                self.progress.has_room()
            } else {
                self.console.is_raw()
            };
            let console = &mut self.console;
            tokio::select! {
                event = link.next_if(room) => {
                    let event = match event {
                        Err(LinkError::Ws(error)) => return Ok(End::Lost(error.to_string())),
                        event => event?,
                    };
                    if let Some(end) = self.on(event)? {
                        return Ok(end);
                    }
                }
                open = async { console.output.reserve().await.is_ok() }, if !room => {
                    if !open {
                        bail!("standard output is closed");
                    }
                }
                input = console.input.recv(), if reads => {
                    if self.typed(input) {
                        return Ok(End::Detached);
                    }
                }
                stop = self.signals.stop() => {
                    if stop {
                        return Ok(End::Detached);
                    }
                    if let Some(size) = self.size() {
                        link.send(&Client::Resize(size));
                    }
                }
            }
        }
    }

    /// Puts input into the link, as much as may wait there.
    fn feed(&mut self, link: &mut Link<Wire>) {
        if let Some(offset) = self.progress.take_acknowledgement() {
            link.send(&Client::Ack(offset));
        }
        while link.queued() < LINK_QUEUE {
            match self.progress.take_unsent() {
                Some((offset, bytes)) => link.send(&Client::Input { offset, bytes }),
                None => break,
            }
        }
        if self.progress.take_eof() {
            link.send(&Client::Eof);
        }
    }

    /// Takes what was typed, `None` at end of file; true when the user detaches.
    fn typed(&mut self, input: Option<Vec<u8>>) -> bool {
        let Some(bytes) = input else {
            let detach = self.console.is_raw();
            self.input_open = false;
            // Where a terminal is not raw somebody has typed this end.
            if self.ends_input || (self.console.is_terminal && !detach) {
                self.progress.close_input();
            } else if !detach {
                note(
                    "the end of input: only watching now; ctrl-c leaves (--eof ends the program's input)",
                );
            }
            // A terminal that hangs up is no end of file for the program.
            return detach;
        };
        let before = if self.console.is_raw() {
            self.detach.before(&bytes)
        } else {
            None
        };
        if self.input_open {
            self.progress.push(before.unwrap_or(&bytes));
        }
        before.is_some()
    }

    fn on(&mut self, event: Event) -> Result<Option<End>> {
        match event {
            Event::Output {
                stream,
                offset,
                bytes,
            } => {
                self.progress.output(offset, bytes.len())?;
                self.console.show(stream, bytes).context("writing output")?;
            }
            Event::Keyframe { offset, dump } => {
                self.progress.keyframe(offset);
                self.console.show_keyframe(dump).context("writing output")?;
            }
            Event::Text(ServerText::Gap { from, to }) => {
                self.progress.gap(from, to)?;
                note(&format!(
                    "{} bytes of output are no longer there",
                    to.saturating_sub(from)
                ));
            }
            Event::Text(ServerText::Input { offset }) => self.progress.acknowledged(offset),
            Event::Text(ServerText::Exit { code, message, .. }) => {
                return Ok(Some(End::Exit { code, message }));
            }
            Event::Text(ServerText::Error { message, .. }) => note(&clean(&message)),
            Event::Text(
                ServerText::Welcome(_) | ServerText::Resize { .. } | ServerText::Pong { .. },
            ) => {}
            Event::Closed { code, reason } if may_come_back(code) => {
                return Ok(Some(End::Lost(reason)));
            }
            Event::Closed { code, reason } => {
                bail!("the server closed the connection: {reason} (code {code})")
            }
        }
        Ok(None)
    }
}

/// Whether a close code (RFC 6455 section 7.4.1, docs/protocol.md) leaves hope: going away, broken, internal error,
/// restart, try later, too slow.
fn may_come_back(code: u16) -> bool {
    matches!(code, 1001 | BROKEN | 1011..=1013) || code == ErrorCode::TooSlow.close_code()
}

/// Whether a failed attempt to come back is an answer rather than a server that is not there yet.
fn is_final(error: &LinkError) -> bool {
    match error {
        LinkError::Ws(WsError::Http(HttpError::Status { status, .. })) => status.is_client_error(),
        LinkError::Ws(WsError::Http(_) | WsError::Io(_)) | LinkError::NoWelcome => false,
        LinkError::Closed { code, .. } => !may_come_back(*code),
        _ => true,
    }
}

/// Whether the connection ended before a first welcome in a way that a server's death has.
fn is_broken(error: &LinkError) -> bool {
    match error {
        LinkError::Ws(WsError::Http(HttpError::Http(error))) => {
            let io = std::error::Error::source(error)
                .is_some_and(<dyn std::error::Error + 'static>::is::<std::io::Error>);
            io || error.is_incomplete_message() || error.is_canceled() || error.is_closed()
        }
        LinkError::Ws(WsError::Io(_)) => true,
        LinkError::Closed { code, .. } => may_come_back(*code),
        _ => false,
    }
}

/// Whether no session has the name that was asked for.
fn is_unknown(error: &LinkError) -> bool {
    let code = ErrorCode::NoSuchSession;
    matches!(error, LinkError::Refused { code: said, .. } if *said == code)
}
