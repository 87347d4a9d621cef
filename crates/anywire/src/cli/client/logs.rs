//! `logs`: a session's output as it was written, byte for byte. With `--follow` it goes on where it was when the
//! server was restarted.

use super::Target;
use super::api::session_path;
use super::console::note;
use super::find::Server;
use super::http::{Driver, HttpError, begin, success, whole};
use anyhow::{Context as _, Result, bail};
use anywire_model::{ExitReason, Offset};
use bytes::Bytes;
use http::{HeaderMap, Method, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use std::io::Write as _;
use std::process::ExitCode;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// A restarted server is back within a second; after this long it is not coming.
const COME_BACK: Duration = Duration::from_secs(30);
/// Between two attempts to come back.
const RETRY: Duration = Duration::from_millis(100);

/// Print a session's output, from the oldest byte that is kept
#[derive(Clone, Debug, clap::Args)]
pub struct LogsArgs {
    #[command(flatten)]
    target: Target,
    /// The session's id or name
    session: String,
    /// Go on until the session ends
    #[arg(short, long)]
    follow: bool,
    /// The first byte wanted, counted from the session's start
    #[arg(long, value_name = "OFFSET")]
    since: Option<Offset>,
}

/// Where a reader stands.
struct Reading<'a> {
    server: &'a Server,
    /// The id once it is known: a name may move to another session.
    session: String,
    follow: bool,
    next: Option<Offset>,
}

enum Step {
    Done,
    /// The connection broke before the end.
    Broken,
}

/// Runs `logs`.
///
/// # Errors
/// When no server or no such session is found, or it is lost for longer than 30 s.
pub async fn logs(args: LogsArgs) -> Result<ExitCode> {
    let (server, _) = args.target.connect().await?;
    let mut reading = Reading {
        server: &server,
        session: args.session,
        follow: args.follow,
        next: args.since,
    };
    let mut deadline = Instant::now();
    loop {
        let before = reading.next;
        if let Step::Done = reading.step().await? {
            return Ok(ExitCode::SUCCESS);
        }
        if reading.next != before {
            deadline = Instant::now() + COME_BACK;
        } else if Instant::now() >= deadline {
            bail!(
                "the server did not come back within {} s",
                COME_BACK.as_secs()
            );
        }
        sleep(RETRY).await;
    }
}

impl Reading<'_> {
    /// One request, and what comes of it.
    async fn step(&mut self) -> Result<Step> {
        let first = self.next.is_none();
        let (answer, driver) = match self.request().await {
            Ok(begun) => begun,
            // Only who was there before waits for it to come back.
            Err(error) if first => return Err(error),
            Err(_) => return Ok(Step::Broken),
        };
        if !answer.status().is_success() {
            return self.refused(answer, driver).await;
        }
        let from = number(answer.headers(), "anywire-from");
        let from = from.context("the server does not say where its output begins")?;
        let lost = self.next.map_or(0, |next| from.saturating_sub(next));
        if lost > 0 {
            note(&format!("{lost} bytes of output are no longer there"));
        }
        self.next = Some(from);
        let ended = reason(answer.headers());
        self.copy(answer, driver, ended).await
    }

    async fn request(&self) -> Result<(Response<Incoming>, Driver)> {
        let since = self.next.map(|next| format!("&since={next}"));
        let path = format!(
            "{}{}/output?follow={}{}",
            self.server.base,
            session_path(&self.session)?,
            u8::from(self.follow),
            since.unwrap_or_default()
        );
        let request = self
            .server
            .peer
            .request(Method::GET, &path)
            .header(header::TE, "trailers")
            .body(Full::new(Bytes::new()))?;
        Ok(begin(self.server.connect().await?, request).await?)
    }

    /// What the server says instead of output.
    async fn refused(&self, answer: Response<Incoming>, driver: Driver) -> Result<Step> {
        let (answer, ()) = tokio::join!(whole(answer), driver);
        let refused = success(answer?);
        if let Err(HttpError::Status {
            status: StatusCode::SERVICE_UNAVAILABLE,
            ..
        }) = refused
            && self.next.is_some()
        {
            return Ok(Step::Broken);
        }
        let judged = self.server.judge(&self.session, refused).await;
        judged.context("reading output")?;
        Ok(Step::Broken)
    }

    /// Copies a body to standard output.
    async fn copy(
        &mut self,
        answer: Response<Incoming>,
        mut driver: Driver,
        mut ended: Option<ExitReason>,
    ) -> Result<Step> {
        let (mut out, mut body, mut driven) = (std::io::stdout(), answer.into_body(), false);
        loop {
            let frame = tokio::select! {
                biased;
                frame = body.frame() => frame,
                () = &mut driver, if !driven => {
                    driven = true;
                    continue;
                }
            };
            let frame = match frame {
                Some(Ok(frame)) => frame,
                Some(Err(_)) => return Ok(Step::Broken),
                None => break,
            };
            if let Some(trailers) = frame.trailers_ref() {
                ended = reason(trailers);
            }
            if let Ok(bytes) = frame.into_data() {
                let written = out.write_all(&bytes).and_then(|()| out.flush());
                written.context("writing output")?;
                self.next = self.next.map(|next| next + bytes.len() as u64);
            }
        }
        if let Some(reason) = ended.filter(|_| self.follow) {
            note(&reason.to_string());
        }
        Ok(Step::Done)
    }
}

fn number(headers: &HeaderMap, name: &str) -> Option<u64> {
    headers.get(name)?.to_str().ok()?.parse().ok()
}

fn reason(headers: &HeaderMap) -> Option<ExitReason> {
    let exit = headers.get("anywire-exit")?;
    serde_json::from_slice(exit.as_bytes()).ok()
}
