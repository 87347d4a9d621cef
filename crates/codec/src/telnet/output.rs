//! From a program's bytes to the client's, in place.

use super::{IAC, Kind, Telnet};
use memchr::{memchr, memchr_iter, memchr3};

const CR: u8 = b'\r';
const LF: u8 = b'\n';

impl Telnet {
    /// Turns the data in `out` from `from` on into what is sent.
    ///
    /// For a terminal and in BINARY only IAC is doubled, which costs one search when there is none. (A terminal's bare
    /// CR stays without the NUL of RFC 854: every client takes CR and something else as just that.) For lines, LF
    /// becomes CR LF and a bare CR gets its NUL, which may come at the start of the next piece.
    pub fn escape(&mut self, out: &mut Vec<u8>, from: usize) {
        if self.kind == Kind::Terminal || self.binary_out() {
            escape_iac(out, from);
        } else {
            self.escape_lines(out, from);
        }
    }

    fn escape_lines(&mut self, out: &mut Vec<u8>, from: usize) {
        let data = &out[from..];
        let pending = std::mem::take(&mut self.out_cr);
        if data.is_empty() {
            self.out_cr = pending;
            return;
        }
        if !pending && memchr3(IAC, LF, CR, data).is_none() {
            return;
        }
        let mut sent = Vec::with_capacity(data.len() + data.len() / 8 + 8);
        let (mut rest, mut after_cr) = (data, pending);
        while let Some(&first) = rest.first() {
            if std::mem::take(&mut after_cr) {
                if first == LF {
                    sent.push(LF);
                    rest = &rest[1..];
                    continue;
                }
                sent.push(0);
            }
            let run = memchr3(IAC, LF, CR, rest).unwrap_or(rest.len());
            sent.extend_from_slice(&rest[..run]);
            rest = &rest[run..];
            match rest.first() {
                None => break,
                Some(&IAC) => sent.extend_from_slice(&[IAC, IAC]),
                Some(&LF) => sent.extend_from_slice(b"\r\n"),
                Some(_) => {
                    sent.push(CR);
                    after_cr = true;
                }
            }
            rest = &rest[1..];
        }
        self.out_cr = after_cr;
        out.truncate(from);
        out.append(&mut sent);
    }
}

/// Doubles every IAC in `out` from `from` on.
pub fn escape_iac(out: &mut Vec<u8>, from: usize) {
    if memchr(IAC, &out[from..]).is_none() {
        return;
    }
    let len = out.len();
    let extra = memchr_iter(IAC, &out[from..]).count();
    out.resize(len + extra, 0);
    // From the end on, so that nothing is overwritten that was not moved.
    let (mut read, mut write) = (len, len + extra);
    while read < write {
        (read, write) = (read - 1, write - 1);
        out[write] = out[read];
        if out[read] == IAC {
            write -= 1;
            out[write] = IAC;
        }
    }
}
