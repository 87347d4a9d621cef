//! `anywire request`: one message, one answer, and an exit code that says how it went.

use super::talk::{Answer, Talk, TalkError, Way};
use super::url::Url;
use super::{UNREACHABLE, USAGE, fail, runtime};
use crate::cli::client::clean;
use crate::cli::password::PasswordArgs;
use crate::cli::tls::Trust;
use anyhow::{Context as _, Result};
use anywire_codec::framed::Reply;
use serde_json::{Value, json};
use std::io::{IsTerminal as _, Read as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// The type of a request that is no JSON, as the tutorial's client names it.
const BINARY_TYPE: &str = "binary/custom-client-binary-type";
/// Bytes of a file that is sent.
const MAX_FILE: u64 = 64 << 20;

/// Options of `request`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Exit code: 0 for an answer, 1 for an error reply, 2 for wrong usage, 3 when there is no connection \
    or no answer in time."
)]
pub(crate) struct RequestArgs {
    /// The server: framed://HOST:PORT, ws://HOST:PORT, with TLS framed+tls:// or wss://, or framed+unix:///PATH
    #[arg(value_parser = Url::framed)]
    url: Url,
    /// The action: `search` goes as JSON, any other as bytes, action and value in a row
    #[arg(required_unless_present = "binary")]
    action: Option<String>,
    /// Its value
    #[arg(required_unless_present = "binary")]
    value: Option<String>,
    /// Send every action as JSON, and print the answer's JSON as it is
    #[arg(long, conflicts_with_all = ["hex", "binary"])]
    json: bool,
    /// Print the answer's content in hexadecimal digits
    #[arg(long)]
    hex: bool,
    /// Send the bytes of a file, `-` for standard input, in place of an action
    #[arg(long, value_name = "FILE", conflicts_with_all = ["action", "value"])]
    binary: Option<PathBuf>,
    /// Seconds to wait for the answer
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..))]
    timeout: u32,
    #[command(flatten)]
    password: PasswordArgs,
    #[command(flatten)]
    trust: Trust,
}

/// Runs `request`.
pub(crate) fn request(args: RequestArgs) -> Result<ExitCode> {
    let prepared = message(&args).and_then(|message| {
        let way = Way::new(args.url.clone(), &args.trust)?;
        let password = args.password.resolve("Password: ")?;
        if password.is_some() {
            way.warn();
        }
        Ok((message, way, password))
    });
    let (message, way, password) = match prepared {
        Ok(prepared) => prepared,
        Err(error) => return Ok(fail(USAGE, &format!("{error:#}"))),
    };
    let patience = Duration::from_secs(args.timeout.into());
    let asking = async {
        let mut talk = Talk::open(&way, password.as_deref(), patience).await?;
        talk.ask(&message, false).await
    };
    let asking = async {
        tokio::select! {
            answer = asking => answer,
            // Whoever was asked for a password has this signal waited for.
            _ = tokio::signal::ctrl_c() => Err(TalkError::Interrupted),
        }
    };
    match runtime()?.block_on(asking) {
        Ok(answer) => print(&args, &answer),
        Err(error @ TalkError::Refused(_)) => Ok(fail(1, &error)),
        Err(error) => Ok(fail(UNREACHABLE, &error)),
    }
}

/// What is sent.
fn message(args: &RequestArgs) -> Result<Reply> {
    if let Some(path) = &args.binary {
        let doing = || format!("reading {}", path.display());
        let mut bytes = Vec::new();
        if path.as_os_str() == "-" {
            std::io::stdin().take(MAX_FILE + 1).read_to_end(&mut bytes)
        } else {
            let file = std::fs::File::open(path).with_context(doing)?;
            file.take(MAX_FILE + 1).read_to_end(&mut bytes)
        }
        .with_context(doing)?;
        anyhow::ensure!(
            bytes.len() as u64 <= MAX_FILE,
            "{} is larger than 64 MiB",
            path.display()
        );
        return Ok(Reply::binary(BINARY_TYPE, bytes));
    }
    let action = args.action.as_deref().unwrap_or_default();
    let value = args.value.as_deref().unwrap_or_default();
    Ok(if args.json || action == "search" {
        Reply::json(&json!({"action": action, "value": value}))
    } else {
        Reply::binary(BINARY_TYPE, [action, value].concat())
    })
}

fn print(args: &RequestArgs, answer: &Answer) -> Result<ExitCode> {
    let value = answer.json();
    let is_terminal = std::io::stdout().is_terminal();
    let mut out = if args.hex {
        data_encoding::HEXLOWER.encode(&answer.content).into_bytes()
    } else {
        let result = value.as_ref().and_then(|value| value.get("result"));
        match result {
            Some(Value::String(text)) if !args.json => text.clone().into_bytes(),
            _ => answer.content.clone(),
        }
    };
    if is_terminal {
        // What a server says does not steer the terminal that it is printed on.
        let text = String::from_utf8_lossy(&out);
        let lines: Vec<String> = text.split('\n').map(clean).collect();
        out = lines.join("\n").into_bytes();
    }
    // A file of bytes was sent, and bytes come back.
    if is_terminal || args.hex || args.binary.is_none() || value.is_some() {
        out.push(b'\n');
    }
    crate::print::print(out)?;
    let is_error = value.is_some_and(|value| {
        // The original says so in its text only.
        let text = value.get("result").and_then(Value::as_str);
        value.get("error").is_some() || text.is_some_and(|text| text.starts_with("Error: "))
    });
    Ok(ExitCode::from(u8::from(is_error)))
}
