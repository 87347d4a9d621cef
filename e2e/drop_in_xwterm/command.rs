//! The command line.

use super::kit::{BINARY, config, get, http, logged, run, words, ws};
use anywire_testkit::xwterm::{Poller, Socket, request};
use anywire_testkit::{Config, wait_until};

#[test]
fn the_command_line_is_the_sample_server_s() {
    let config = |arguments: &[&str]| {
        let output = run(&[arguments, &["--print-config"]].concat());
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {output:?}");
        words(&output.stdout)
    };
    let plain = config(&[]);
    for line in [
        "url: \"http://127.0.0.1:8000/\"",
        "url: \"http://127.0.0.1:8001/\"",
        "dialect: xwterm\n",
        "dialect: xwterm-ws\n",
        "size: \"120x40\"",
        "command: [bash]",
        "upload_dir: /uploads",
    ] {
        assert!(plain.contains(line), "{line}:\n{plain}");
    }
    let given = config(&["--bind", "127.0.0.9", "--HTTP", "18000", "-Ws", "18001"]);
    assert!(given.contains("http://127.0.0.9:18000/") && given.contains("http://127.0.0.9:18001/"));
    assert!(!config(&["--no-http"]).contains("dialect: xwterm\n"));
    assert!(!config(&["--no-websocket"]).contains("xwterm-ws"));
    let note = run(&["--aiohttp-workaround", "-use-conhost", "-print-config"]);
    assert!(words(&note.stderr).contains("not needed"));
    assert!(words(&note.stderr).contains("no effect"));
    for (arguments, what) in [
        (&["-no-http", "-no-websocket"][..], "nothing is left"),
        (&["-http"], "needs a value"),
        (&["-initial-size", "0x5"], "-initial-size"),
        (&["--nonsense"], "no option"),
        (&["quiet"], "is no option"),
        (&["-docdir", "/dev/null/none"], "is no folder"),
        (
            &["-docdir", "/tmp", "-upload-dir", "/tmp"],
            "a folder of their own",
        ),
        (
            &["-docdir", "/usr/bin", "-upload-dir", "/usr"],
            "a folder of their own",
        ),
        (&["-bind", "0.0.0.0"], " -insecure-no-auth"),
        (
            &["-bind", "0.0.0.0", "-insecure-no-auth"],
            " -insecure-no-tls",
        ),
    ] {
        let output = run(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(
            words(&output.stderr).contains(what),
            "{arguments:?}: {output:?}"
        );
    }
    let help = run(&["-h"]);
    assert_eq!(help.status.code(), Some(0));
    for option in [
        "-bind",
        "-bindaddr",
        "-httpport",
        "-wsport",
        "-websocketport",
        "-docroot",
        "-wwwroot",
        "-default-size",
        "-no-websocket",
        "-no-welcome",
        "-quiet",
        "-debug",
        "-fix-aiohttp",
    ] {
        assert!(words(&help.stdout).contains(option), "{option}");
    }
}

#[tokio::test]
async fn what_is_printed_runs_as_the_same_server() {
    let printed = run(&[
        "-http",
        "0",
        "-ws",
        "0",
        "-initial-size",
        "99x33",
        "--print-config",
    ]);
    // Uploads would lie in the root of this machine, where it was printed.
    let printed = words(&printed.stdout).replace("    upload_dir: /uploads\n", "");
    let server = Config::new(BINARY)
        .with("printed.yaml", &printed)
        .preset(&["serve", "-c", "printed.yaml"], 2)
        .start();
    let mut page = Poller::silent(&server, "printed");
    page.send("stty size\r").await;
    page.see("33 99").await;
    let mut socket = Socket::connect(ws(&server), "/", None).await.unwrap();
    socket.keys("stty size\r").await;
    socket.see("33 99").await;
    // Where there are no pages, there is one.
    let embedded = get(&server, "/").await;
    assert!(embedded.text().contains("anywire xwterm"));
    server.stop().await;
}

#[tokio::test]
async fn the_docroot_is_as_typed_and_quiet_is_quiet() {
    let server = config(&["-docdir", "MyDir", "-upload-dir", "Up"])
        .with("MyDir/index.html", "mine")
        .start();
    assert_eq!(get(&server, "/").await.text(), "mine");
    let put = request(http(&server), "PUT", "/x", &[], b"up").await;
    assert_eq!(put.status, 200);
    assert_eq!(std::fs::read(server.dir().join("Up/x")).unwrap(), b"up");
    assert_eq!(get(&server, "/uploads/x").await.text(), "up");
    server.stop().await;
    // Where there is no example, the pages are here.
    let server = Config::new(BINARY)
        .preset(&["xwterm", "-http", "0", "-ws", "0"], 2)
        .with("index.html", "here")
        .start();
    assert_eq!(get(&server, "/").await.text(), "here");
    assert!(server.dir().join("uploads").is_dir());
    server.stop().await;
    let server = config(&["-quiet"])
        .preset(&["xwterm", "-http", "0", "-ws", "0", "-quiet"], 0)
        .start();
    wait_until("a server", || server.server_pid()).await;
    assert!(server.urls().is_empty());
    server.stop().await;
}

/// What the preset prints until its listeners are ready.
async fn first_lines(arguments: &[&str], listeners: usize) -> Vec<String> {
    let all = [&["xwterm", "-http", "0", "-ws", "0"], arguments].concat();
    let server = config(&[]).preset(&all, listeners).start();
    wait_until("a server", || server.server_pid()).await;
    let dir = server.dir().join("run");
    wait_until("its socket", || {
        std::fs::read_dir(&dir).ok()?.flatten().next()
    })
    .await;
    let printed = server.printed();
    server.stop().await;
    printed
}

#[tokio::test]
async fn it_says_welcome_and_where_it_is() {
    let lines = first_lines(&[], 2).await;
    assert!(lines[0].starts_with("anywire xwterm rel. "), "{lines:?}");
    assert!(
        lines[1].starts_with("\x1b[36m"),
        "a note in cyan: {lines:?}"
    );
    assert!(
        lines[2].starts_with("\x1b[33m"),
        "a warning in yellow: {lines:?}"
    );
    let ready = |kind: &str| {
        let start = format!("*** {kind} server ready - bind address=127.0.0.1:");
        let rest = lines.iter().find_map(|line| line.strip_prefix(&start));
        let rest = rest.unwrap_or_else(|| panic!("no {start}: {lines:?}"));
        let port = rest.split(' ').next().unwrap_or_default();
        assert!(
            port.parse::<u16>().is_ok_and(|port| port > 0),
            "the real port: {rest}"
        );
        rest.to_owned()
    };
    assert!(ready("HTTP").contains(" root=/") && ready("HTTP").ends_with("/example"));
    ready("Websocket");
    let bare = first_lines(&["-no-welcome"], 2).await;
    assert!(
        bare[0].starts_with("*** HTTP server ready"),
        "only the banner is gone: {bare:?}"
    );
    let quiet = first_lines(&["-quiet"], 0).await;
    assert!(quiet.is_empty(), "{quiet:?}");
}

#[tokio::test]
async fn the_log_has_a_line_for_each_event_and_no_keys() {
    let server = config(&["-debug", "-idle", "1"]).start();
    let mut page = Poller::open(&server, "told", "25x80").await;
    page.send("stty -echo; secret=hunter2; echo do\"\"ne\r")
        .await;
    page.see("done").await;
    page.ask("size=26x81").await;
    request(http(&server), "PUT", "/file", &[], b"content").await;
    get(&server, "/?kill=told&session=asker").await;
    Poller::open(&server, "left", "25x80").await;
    let expected = [
        "a session is known",
        "its shell is started",
        "a size is asked for",
        "a size is applied",
        "uploaded",
        "killed",
        "nobody uses it any more",
    ];
    wait_until("all lines", || {
        let log = logged(&server);
        expected.iter().all(|line| log.contains(line)).then_some(())
    })
    .await;
    assert!(!logged(&server).contains("hunter2"));
    server.stop().await;
}

#[test]
fn the_environment_says_which_terminal() {
    let config = |term: Option<&str>| {
        let mut command = std::process::Command::new(BINARY);
        command
            .args(["xwterm", "-print-config"])
            .current_dir("/")
            .env_remove("TERM");
        if let Some(term) = term {
            command.env("TERM", term);
        }
        let output = command.output().expect("the binary runs");
        assert!(output.status.success(), "{output:?}");
        words(&output.stdout)
    };
    // A service without a word about it has xterm-256color.
    for unset in [None, Some("")] {
        let config = config(unset);
        assert!(
            !config.contains("term:") || config.contains("term: xterm-256color"),
            "{config}"
        );
    }
    assert!(config(Some("vt220")).contains("term: vt220"));
}

#[tokio::test]
async fn the_shell_is_where_and_as_the_server_is() {
    let server = config(&[])
        .variable("TERM", "")
        .variable("INHERITED", "as it was")
        .start();
    let mut page = Poller::open(&server, "shell", "25x200").await;
    page.send("echo =$TERM=$0=$INHERITED=; pwd; shopt -q login_shell || echo no lo\"\"gin\r")
        .await;
    // Without a terminal of its own, the server gives a good one.
    page.see("=xterm-256color=bash=as it was=\r\n").await;
    page.see(&format!("{}\r\n", server.dir().display())).await;
    page.see("no login").await;
    server.stop().await;
}
