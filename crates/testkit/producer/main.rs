//! A program for tests: every output byte known from its offset, and each way of refusing to die.
//!
//! `producer MODE [NUMBER]`; output goes to standard output, which is made raw when it is a terminal so that bytes
//! arrive as they were written. `ready` is printed first where a test must know that the mode is in force.

use rustix::process::{Signal, setsid};
use rustix::termios::{self, OptionalActions};
use signal_hook::iterator::Signals;
use std::io::{self, BufRead as _, Read as _, Write};
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

const HELP: &str = "\
producer MODE [N]
  flood N          N numbered lines of 16 bytes, then exit 0
  flood-exit N     as flood, but exit with code N % 256
  forever          numbered lines without an end
  both N           N numbered lines on standard output and on standard error
  steps            a numbered line, another for each byte of input, then exit 0 at end of file
  count            counts input bytes, prints `N bytes, sum S` at end of file or at the byte 0x04
  ignore-signals   ready; ignores HUP, INT, QUIT, TERM
  double-fork      ready PID; leaves a daemon behind that ignores HUP and TERM, then waits
  setsid           ready PID; starts a child in a session of its own, then waits
  hold-slave N     ready PID; exits with code N while a background child keeps the terminal open
  hup-writer N     ready; at HUP or TERM writes N numbered lines and exits 7
  wait             ready; waits
  exit N           exits with code N
  die              ends itself by SIGKILL
";

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let mode = args.next().unwrap_or_default();
    let number: u64 = args.next().and_then(|text| text.parse().ok()).unwrap_or(0);
    match run(&mode, number) {
        Ok(code) => ExitCode::from(code as u8),
        Err(error) => {
            eprintln!("producer: {error}");
            ExitCode::from(99)
        }
    }
}

fn run(mode: &str, number: u64) -> io::Result<u64> {
    match mode {
        "flood" => flood(&mut io::stdout(), number).map(|()| 0),
        "flood-exit" => flood(&mut io::stdout(), number).map(|()| number),
        "forever" => flood(&mut io::stdout(), u64::MAX).map(|()| 0),
        "both" => both(number).map(|()| 0),
        "steps" => steps().map(|()| 0),
        "count" => count().map(|()| 0),
        "ignore-signals" => stubborn("ready"),
        "daemon" => stubborn(""),
        "double-fork" => double_fork(),
        "middle" => middle(),
        "setsid" => own_session(),
        "alone" => setsid().map_err(io::Error::from).and_then(|_| stubborn("")),
        "hold-slave" => hold_slave().map(|()| number),
        "hup-writer" => hup_writer(number),
        "wait" => {
            say("ready")?;
            wait()
        }
        "exit" => Ok(number),
        "die" => {
            rustix::process::kill_process(rustix::process::getpid(), Signal::KILL)?;
            wait()
        }
        _ => {
            eprint!("{HELP}");
            Ok(98)
        }
    }
}

/// A terminal would turn each line feed into two bytes and echo input.
fn make_raw() -> io::Result<()> {
    if termios::isatty(io::stdout()) {
        let mut raw = termios::tcgetattr(io::stdout())?;
        raw.make_raw();
        termios::tcsetattr(io::stdout(), OptionalActions::Now, &raw)?;
    }
    Ok(())
}

fn flood(out: &mut impl Write, lines: u64) -> io::Result<()> {
    make_raw()?;
    // Odd pieces: no reader may depend on the borders of writes.
    let mut piece = Vec::with_capacity(8192);
    for line in 0..lines {
        writeln!(piece, "{line:015}")?;
        if piece.len() > 1000 + (line % 7) as usize * 1000 {
            out.write_all(&piece)?;
            piece.clear();
        }
    }
    out.write_all(&piece)?;
    out.flush()
}

fn both(lines: u64) -> io::Result<()> {
    std::thread::scope(|scope| {
        let error = scope.spawn(|| flood(&mut io::stderr(), lines));
        flood(&mut io::stdout(), lines)?;
        error.join().unwrap_or(Err(io::ErrorKind::Other.into()))
    })
}

/// The first line says that the terminal is raw: what is typed from then on is not echoed.
fn steps() -> io::Result<()> {
    make_raw()?;
    let mut out = io::stdout().lock();
    let mut line = |number: usize| {
        writeln!(out, "{number:015}")?;
        out.flush()
    };
    line(0)?;
    for (before, byte) in io::stdin().lock().bytes().enumerate() {
        byte?;
        line(before + 1)?;
    }
    Ok(())
}

/// Input in any order or number shows in the sum: each byte is weighted with its position.
fn count() -> io::Result<()> {
    make_raw()?;
    say("ready")?;
    let (mut count, mut sum, mut input) = (0_u64, 0_u64, io::stdin().lock());
    loop {
        let chunk = input.fill_buf()?;
        let end = chunk.iter().position(|&byte| byte == 4);
        let bytes = &chunk[..end.unwrap_or(chunk.len())];
        for &byte in bytes {
            count += 1;
            sum = sum.wrapping_add(count.wrapping_mul(u64::from(byte)));
        }
        let (used, done) = (bytes.len(), end.is_some() || chunk.is_empty());
        input.consume(used);
        if done {
            return say(&format!("{count} bytes, sum {sum}"));
        }
    }
}

fn say(text: &str) -> io::Result<()> {
    if text.is_empty() {
        return Ok(());
    }
    let mut out = io::stdout().lock();
    write!(out, "{text}\r\n")?;
    out.flush()
}

fn wait() -> ! {
    loop {
        std::thread::sleep(Duration::from_secs(3600));
    }
}

fn stubborn(word: &str) -> io::Result<u64> {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};
    let mut signals = Signals::new([SIGHUP, SIGINT, SIGQUIT, SIGTERM])?;
    say(word)?;
    signals.forever().for_each(drop);
    wait()
}

/// Another of us, which reports nothing.
fn again(mode: &str) -> io::Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg(mode);
    Ok(command)
}

fn double_fork() -> io::Result<u64> {
    let middle = again("middle")?.stdout(Stdio::piped()).output()?;
    say(&format!(
        "ready {}",
        String::from_utf8_lossy(&middle.stdout).trim()
    ))?;
    stubborn("")
}

/// Starts the daemon and exits: the daemon's parent is gone.
fn middle() -> io::Result<u64> {
    let null = || Stdio::null();
    let daemon = again("alone")?
        .stdin(null())
        .stdout(null())
        .stderr(null())
        .spawn()?;
    println!("{}", daemon.id());
    Ok(0)
}

fn own_session() -> io::Result<u64> {
    let child = again("alone")?.spawn()?;
    say(&format!("ready {}", child.id()))?;
    wait()
}

fn hold_slave() -> io::Result<()> {
    let child = again("daemon")?.spawn()?;
    say(&format!("ready {}", child.id()))
}

fn hup_writer(lines: u64) -> io::Result<u64> {
    use signal_hook::consts::{SIGHUP, SIGTERM};
    let mut signals = Signals::new([SIGHUP, SIGTERM])?;
    make_raw()?;
    say("ready")?;
    signals.forever().next();
    flood(&mut io::stdout(), lines)?;
    Ok(7)
}
