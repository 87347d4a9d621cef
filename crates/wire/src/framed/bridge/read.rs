//! One answer's worth of output.

use anywire_codec::framed::Reply;
use anywire_model::{CloseReason, ExitReason, Offset, Size, Stream};
use anywire_session::{Attachment, Output};
use data_encoding::BASE64;
use serde_json::{Map, Value, json};
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// How long a picture of a screen may take.
const KEYFRAME: Duration = Duration::from_secs(5);

/// What was read.
struct Found {
    /// Where `bytes` begin.
    from: Offset,
    /// Where output goes on.
    next: Offset,
    bytes: Vec<u8>,
    stream: Stream,
    keyframe: bool,
    gap: Option<(Offset, Offset)>,
    size: Option<Size>,
    exit: Option<ExitReason>,
}

/// At most `max` bytes, of one stream, or a picture of the screen; waits for something to come for as long as `wait`.
/// Also says where the next answer begins.
pub(super) async fn output(
    mut attachment: Attachment,
    max: usize,
    wait: Duration,
) -> (Reply, Offset) {
    let welcome = attachment.welcome();
    let wait = if welcome.keyframe {
        wait.max(KEYFRAME)
    } else {
        wait
    };
    let deadline = Instant::now() + wait;
    let mut found = Found {
        from: welcome.from,
        next: welcome.from,
        bytes: Vec::new(),
        stream: Stream::Out,
        keyframe: false,
        gap: None,
        size: None,
        exit: None,
    };
    while !found.take(&mut attachment, max) {
        if !found.bytes.is_empty() || timeout_at(deadline, attachment.ready()).await.is_err() {
            break;
        }
    }
    found.whole_characters();
    let next = found.next;
    (found.reply(), next)
}

impl Found {
    /// Takes what is there; true if the answer is complete.
    fn take(&mut self, attachment: &mut Attachment, max: usize) -> bool {
        loop {
            let before = self.bytes.len();
            if before >= max {
                return true;
            }
            match attachment.next(&mut self.bytes, max - before) {
                Output::Pending => return false,
                Output::Bytes {
                    offset,
                    stream,
                    len,
                } => {
                    if before == 0 {
                        (self.from, self.stream) = (offset, stream);
                    } else if stream != self.stream {
                        self.bytes.truncate(before);
                        return true;
                    }
                    self.next = offset + len as u64;
                }
                // What breaks the row of bytes waits for the next answer.
                Output::Keyframe { .. } | Output::Gap { .. } if before > 0 => return true,
                Output::Keyframe { offset, size, dump } => {
                    (self.from, self.next) = (offset, offset);
                    (self.keyframe, self.size) = (true, Some(size));
                    self.bytes = dump.to_vec();
                    return true;
                }
                Output::Gap { from, to } => (self.gap, self.next) = (Some((from, to)), to),
                Output::Resize { size, .. } => self.size = Some(size),
                Output::Closed(reason) => {
                    if let CloseReason::Exit(reason) = reason {
                        self.exit = Some(reason);
                    }
                    return true;
                }
            }
        }
    }

    /// Leaves a character that has not come whole to the next answer, if there is more than it.
    fn whole_characters(&mut self) {
        if self.keyframe || self.exit.is_some() {
            return;
        }
        if let Err(error) = std::str::from_utf8(&self.bytes)
            && error.error_len().is_none()
            && error.valid_up_to() > 0
        {
            self.next -= (self.bytes.len() - error.valid_up_to()) as u64;
            self.bytes.truncate(error.valid_up_to());
        }
    }

    fn reply(self) -> Reply {
        let mut answer = Map::new();
        let mut put = |key: &str, value: Value| answer.insert(key.to_owned(), value);
        put("result", "ok".into());
        put("offset", self.from.into());
        put("next", self.next.into());
        match String::from_utf8(self.bytes) {
            Ok(text) => put("data", text.into()),
            Err(error) => put("base64", BASE64.encode(error.as_bytes()).into()),
        };
        if self.keyframe {
            put("keyframe", true.into());
        }
        if self.stream == Stream::Err {
            put("stream", "err".into());
        }
        if let Some((from, to)) = self.gap {
            put("gap", json!({"from": from, "to": to}));
        }
        if let Some(size) = self.size {
            put("cols", size.cols.into());
            put("rows", size.rows.into());
        }
        if let Some(exit) = self.exit {
            put("message", exit.to_string().into());
            put("code", exit.code().into());
            put("exit", json!(exit));
        }
        Reply::json(&answer)
    }
}
