//! Sessions over plain HTTP: all that `curl` needs, what each role may do, and what is said when it cannot be.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use anywire_model::Role;
use common::client::{self, Response};
use common::{Server, Setup, soon};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const JSON: (&str, &str) = ("Content-Type", "application/json");

/// A request; `line` is the method and what follows `/api/sessions`.
async fn ask(server: &Server, line: &str, headers: &[(&str, &str)], body: &str) -> Response {
    let host = server.http.to_string();
    let (method, path) = line.split_once(' ').unwrap();
    let mut all = vec![("Host", host.as_str())];
    all.extend(headers);
    client::request(
        server.http,
        &format!("{method} /api/sessions{path}"),
        &all,
        body,
    )
    .await
}

async fn get(server: &Server, path: &str) -> Response {
    ask(server, &format!("GET {path}"), &[], "").await
}

async fn post(server: &Server, path: &str, body: Value) -> Response {
    ask(server, &format!("POST {path}"), &[JSON], &body.to_string()).await
}

fn value(response: &Response) -> Value {
    serde_json::from_str(&response.body).unwrap_or_else(|_| panic!("no JSON: {response:?}"))
}

/// Problems are told as such, with something to go by.
fn problem(response: &Response, status: u16, words: &str) {
    assert_eq!(response.status, status, "{response:?}");
    assert_eq!(
        response.header("content-type"),
        Some("application/problem+json")
    );
    let detail = value(response)["detail"].as_str().unwrap().to_owned();
    assert!(detail.contains(words), "{detail}");
}

/// A chunked body and its trailers; whether it was ended is the third.
fn chunks(body: &str) -> (String, String, bool) {
    let (mut rest, mut all) = (body, String::new());
    while let Some((size, more)) = rest.split_once("\r\n") {
        let size = usize::from_str_radix(size, 16).unwrap();
        if size == 0 {
            return (all, more.to_owned(), true);
        }
        if more.len() < size + 2 {
            return (all + more, String::new(), false);
        }
        all += &more[..size];
        rest = &more[size + 2..];
    }
    (all, String::new(), false)
}

/// A new session's id.
async fn create(server: &Server) -> String {
    let made = ask(server, "POST ", &[], "").await;
    assert_eq!(made.status, 201, "{made:?}");
    value(&made)["id"].as_str().unwrap().to_owned()
}

/// The description of the API names each key of an answer, and no other.
fn described(schema: &str, answer: &Value) {
    let api: Value = serde_json::from_str(include_str!("../../../docs/openapi.json")).unwrap();
    let written = &api["components"]["schemas"][schema]["properties"];
    let keys =
        |value: &Value| -> Vec<String> { value.as_object().unwrap().keys().cloned().collect() };
    let (mut written, mut served) = (keys(written), keys(answer));
    written.sort();
    served.sort();
    assert_eq!(written, served, "{schema}");
}

/// Reads the whole output, which also waits for the end.
async fn follow(server: &Server, key: &str, words: &str) -> (Response, String, String) {
    let line = format!("GET /{key}/output?follow=1{words}");
    let answer = ask(server, &line, &[("TE", "trailers")], "").await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let (body, trailers, ended) = chunks(&answer.body);
    assert!(ended);
    (answer, body, trailers)
}

#[tokio::test]
async fn a_session_is_made_named_and_ended() {
    let server = Setup::terminal("cat").start().await;
    let size = json!({"name": "one", "cols": 100, "rows": 30});
    let made = post(&server, "", size).await;
    assert_eq!(made.status, 201);
    let session = value(&made);
    let id = session["id"].as_str().unwrap();
    let location = format!("/api/sessions/{id}");
    assert_eq!(made.header("location"), Some(location.as_str()));
    assert_eq!(
        (&session["name"], &session["io"]),
        (&json!("one"), &json!("pty"))
    );
    assert_eq!(session["size"], json!({"cols": 100, "rows": 30}));
    assert!(session["idle_ms"].is_u64() && session["title"].is_null());
    described("Session", &session);
    assert_eq!(value(&get(&server, "/one").await)["id"], id);
    let list = value(&get(&server, "").await);
    assert_eq!(
        (list.as_array().unwrap().len(), &list[0]["id"]),
        (1, &json!(id))
    );

    let patch = async |key: &str, body: Value| {
        let body = body.to_string();
        ask(&server, &format!("PATCH /{key}"), &[JSON], &body).await
    };
    let renamed = patch("one", json!({"name": "zwei.2"})).await;
    assert_eq!(
        (renamed.status, &value(&renamed)["name"]),
        (200, &json!("zwei.2"))
    );
    problem(&get(&server, "/one").await, 404, "GET /api/sessions");
    assert_eq!(get(&server, "/zwei.2").await.status, 200);
    let other = create(&server).await;
    problem(
        &patch(&other, json!({"name": "zwei.2"})).await,
        409,
        "exists",
    );
    problem(&patch(&other, json!({"name": "a b"})).await, 400, "letters");
    problem(
        &patch(&other, json!({"title": "x"})).await,
        400,
        "unknown field",
    );

    let ended = ask(&server, &format!("DELETE /{id}"), &[], "").await;
    assert_eq!(ended.status, 202);
    follow(&server, id, "").await;
    let reason = &value(&get(&server, &format!("/{id}")).await)["exit"];
    assert_eq!(reason, &json!({"kind": "killed-by", "by": "127.0.0.1"}));
    server.shutdown().await;
}

#[tokio::test]
async fn what_cannot_be_made_is_explained() {
    let server = Setup::terminal("cat").start().await;
    let refused = async |body: Value| post(&server, "", body).await;
    problem(
        &refused(json!({"service": "x"})).await,
        400,
        "no service is called \"x\"; there are: program",
    );
    problem(&refused(json!({"cols": 80})).await, 400, "belong together");
    problem(
        &refused(json!({"cols": 0, "rows": 5})).await,
        400,
        "1 to 1000",
    );
    problem(&refused(json!({"argv": ["x"]})).await, 400, "argv");
    problem(
        &refused(json!({"name": "../x"})).await,
        400,
        "1 to 64 letters",
    );
    for (name, why) in [
        ("0123456789abcdef0123456789ABCDEF", "taken for an id"),
        ("new", "means another thing"),
        ("lobby", "means another thing"),
    ] {
        problem(&refused(json!({"name": name})).await, 400, why);
    }
    problem(
        &ask(&server, "POST ", &[], "{}").await,
        415,
        "application/json",
    );
    assert_eq!(refused(json!({"name": "a"})).await.status, 201);
    problem(&refused(json!({"name": "a"})).await, 409, "exists");
    for _ in 0..15 {
        create(&server).await;
    }
    let busy = refused(json!({})).await;
    problem(&busy, 503, "16 sessions");
    assert!(busy.header("retry-after").is_some());
    let host = server.http.to_string();
    let services = "GET /api/services";
    let services = client::request(server.http, services, &[("Host", &host)], "").await;
    let expected = json!([{"name": "program", "io": "pty", "default": true}]);
    assert_eq!(value(&services), expected);
    server.shutdown().await;
}

/// At an address where nobody logs in, for one session by name.
#[tokio::test]
async fn an_address_for_one_session_says_which() {
    let mut setup = Setup::terminal("cat");
    setup.shared = true;
    let server = setup.start().await;
    let refused = ask(&server, "POST ", &[], "").await;
    problem(&refused, 403, "for the session shared only");
    server.shutdown().await;
}

#[tokio::test]
async fn what_is_misspelt_is_told_in_words() {
    let server = Setup::terminal("cat").start().await;
    let id = create(&server).await;
    for name in ["cont", "CONT", "SIGCONT"] {
        let sent = post(&server, &format!("/{id}/signal"), json!({"signal": name})).await;
        assert_eq!(sent.status, 204, "{name} {sent:?}");
    }
    let sent = post(
        &server,
        &format!("/{id}/signal"),
        json!({"signal": "SIGFOO"}),
    )
    .await;
    problem(
        &sent,
        400,
        "\"SIGFOO\" is no signal; there are hup, int, quit",
    );
    assert!(!sent.body.contains("column"), "{}", sent.body);
    for since in ["x", "-1", "", "1.5"] {
        let answer = get(&server, &format!("/{id}/output?since={since}")).await;
        problem(&answer, 400, "since: a whole number of bytes");
        assert!(!answer.body.contains("deserialize"), "{}", answer.body);
    }
    problem(
        &ask(&server, "POST ", &[JSON], "{").await,
        400,
        "the body is no JSON",
    );
    server.shutdown().await;
}

#[tokio::test]
async fn each_role_may_do_its_part() {
    for (role, may_write, may_own) in [
        (Role::Viewer, false, false),
        (Role::Writer, true, false),
        (Role::Owner, true, true),
    ] {
        let mut setup = Setup::terminal("cat");
        setup.role = role;
        let server = setup.start().await;
        let session = server.registry.create("program", Default::default()).await;
        let id = session.unwrap().id().to_string();
        let allowed = |answer: Response, may: bool| match may {
            true => assert!(answer.status < 300, "{role:?} {answer:?}"),
            false => problem(&answer, 403, ""),
        };
        allowed(post(&server, "", json!({})).await, may_write);
        let at = |what: &str| format!("/{id}/{what}");
        allowed(
            ask(&server, &format!("POST {}", at("input")), &[], "x").await,
            may_write,
        );
        let size = json!({"cols": 90, "rows": 20});
        allowed(post(&server, &at("resize"), size).await, may_write);
        allowed(
            post(&server, &at("signal"), json!({"signal": "cont"})).await,
            may_write,
        );
        for what in ["", "/output", "/screen"] {
            let seen = get(&server, &format!("/{id}{what}")).await;
            assert_eq!(seen.status, 200, "{role:?} {seen:?}");
        }
        let name = json!({"name": "mine"}).to_string();
        let renamed = ask(&server, &format!("PATCH /{id}"), &[JSON], &name).await;
        allowed(renamed, may_own);
        allowed(
            ask(&server, &format!("DELETE /{id}"), &[], "").await,
            may_own,
        );
        server.shutdown().await;
    }
}

#[tokio::test]
async fn input_goes_in_and_output_comes_out_to_the_end() {
    let server = Setup::script("cat; echo problem >&2; exit 3").start().await;
    let id = create(&server).await;
    let input = format!("/{id}/input");
    // Whatever a form or a script would send: it is the page's rule that keeps strangers out.
    let form = ("Content-Type", "application/x-www-form-urlencoded");
    let given = ask(&server, &format!("POST {input}"), &[form], "hello\n").await;
    assert_eq!(value(&given), json!({"taken": 6}));
    while value(&get(&server, &format!("/{id}")).await)["head"] != 6 {
        tokio::task::yield_now().await;
    }
    let long = "0123456789abcdef".repeat(20_000);
    let last = format!("POST {input}?eof=1");
    let given = ask(&server, &last, &[], &long);
    let (given, (answer, body, trailers)) = tokio::join!(given, follow(&server, &id, "&since=2"));
    assert_eq!(value(&given), json!({"taken": long.len()}));
    assert_eq!(answer.header("anywire-from"), Some("2"));
    // The two outputs may cross each other; each of them is in order.
    let whole = format!("hello\n{long}problem\n");
    assert_eq!(body.len(), whole.len() - 2);
    let (_, out, _) = follow(&server, &id, "&stream=out").await;
    assert!(out == format!("hello\n{long}"));
    assert!(
        trailers.contains(&format!("anywire-next: {}\r\n", whole.len())),
        "{trailers}"
    );
    assert!(
        trailers.contains(r#"anywire-exit: {"kind":"code","code":3}"#),
        "{trailers}"
    );

    // What has ended says so at once; its outputs can be had apart.
    let out = get(&server, &format!("/{id}/output")).await;
    assert_eq!(
        out.header("anywire-exit"),
        Some(r#"{"kind":"code","code":3}"#)
    );
    assert_eq!(
        out.header("anywire-head"),
        Some(whole.len().to_string().as_str())
    );
    assert_eq!(
        (out.header("content-length"), out.body.len()),
        (out.header("anywire-head"), whole.len())
    );
    let (_, err, _) = follow(&server, &id, "&stream=err").await;
    assert_eq!(err, "problem\n");
    let late = ask(&server, &format!("POST {input}"), &[], "x").await;
    problem(&late, 409, "exited with code 3");
    server.shutdown().await;
}

#[tokio::test]
async fn a_program_that_does_not_read_keeps_nobody_waiting() {
    let server = Setup::script("exec sleep 1000").start().await;
    let id = create(&server).await;
    // However much lies in the pipe before it is full: one request ends with less than it brought.
    let much = "x".repeat(1 << 20);
    let mut taken = 1 << 20;
    while taken == 1 << 20 {
        let given = ask(&server, &format!("POST /{id}/input"), &[], &much).await;
        taken = value(&given)["taken"].as_u64().unwrap();
    }
    assert!(taken < 1 << 20, "{taken}");
    let too_much = "x".repeat((1 << 20) + 1);
    let refused = ask(&server, &format!("POST /{id}/input"), &[], &too_much).await;
    problem(&refused, 413, "1048576");
    server.shutdown().await;
}

#[tokio::test]
async fn a_request_for_what_is_not_there_is_told_where_it_is() {
    let mut setup = Setup::script("read go; yes 0123456789abcde | head -c 400000; read end");
    setup.ring_len = 1;
    let server = setup.start().await;
    let id = create(&server).await;
    problem(
        &get(&server, &format!("/{id}/output?since=1")).await,
        416,
        "ends at 0",
    );
    problem(
        &get(&server, &format!("/{id}/output?sinse=1")).await,
        400,
        "sinse",
    );
    problem(
        &get(&server, &format!("/{id}/output?follow=yes")).await,
        400,
        "1 or 0",
    );
    problem(
        &get(&server, &format!("/{id}/screen")).await,
        409,
        "no terminal",
    );
    ask(&server, &format!("POST /{id}/input"), &[], "go\n").await;
    while value(&get(&server, &format!("/{id}")).await)["head"] != 400_000 {
        tokio::task::yield_now().await;
    }
    let gone = get(&server, &format!("/{id}/output?since=7&exact=1")).await;
    problem(&gone, 410, "no longer kept");
    let late = get(&server, &format!("/{id}/output?since=7")).await;
    let from: usize = late.header("anywire-from").unwrap().parse().unwrap();
    assert_eq!(gone.header("anywire-from"), late.header("anywire-from"));
    assert!(
        from > 250_000 && from + late.body.len() == 400_000,
        "{from}"
    );
    let line = "0123456789abcde\n";
    assert!(late.body.starts_with(&line[from % 16..]) && late.body.ends_with(line));
    let exact = get(&server, &format!("/{id}/output?since={from}&exact=1")).await;
    assert_eq!((exact.status, exact.body), (200, late.body));
    server.shutdown().await;
}

/// Somebody who follows and does not read: nothing waits for him, and his output is cut rather than mended.
#[tokio::test]
async fn who_falls_too_far_behind_is_cut_off() {
    let mut setup = Setup::script("read go; yes 0123456789abcde | head -c 40000000");
    setup.ring_len = 64 << 10;
    let server = setup.start().await;
    let id = create(&server).await;
    let mut slow = TcpStream::connect(server.http).await.unwrap();
    let request = format!(
        "GET /api/sessions/{id}/output?follow=1 HTTP/1.1\r\nHost: {}\r\n\r\n",
        server.http
    );
    slow.write_all(request.as_bytes()).await.unwrap();
    let mut head = vec![0; 15];
    soon(slow.read_exact(&mut head)).await.unwrap();
    assert_eq!(head, b"HTTP/1.1 200 OK");
    ask(&server, &format!("POST /{id}/input"), &[], "go\n").await;
    while value(&get(&server, &format!("/{id}")).await)["exit"].is_null() {
        tokio::task::yield_now().await;
    }
    let mut rest = Vec::new();
    let _ = soon(slow.read_to_end(&mut rest)).await;
    let rest = String::from_utf8(rest).unwrap();
    let (headers, body) = rest.split_once("\r\n\r\n").unwrap();
    assert!(headers.contains("anywire-from: 0"), "{headers}");
    let (body, _, ended) = chunks(body);
    assert!(!ended && body.len() < 40_000_000, "{} bytes", body.len());
    let line = b"0123456789abcde\n";
    assert!(
        body.bytes()
            .enumerate()
            .all(|(at, byte)| byte == line[at % 16])
    );
    server.shutdown().await;
}

#[tokio::test]
async fn the_screen_is_text_or_json() {
    let server = Setup::terminal(
        "read go; printf '\\033]2;title\\007\\033[31mred\\033[m and\\r\\nplain'; read end",
    )
    .start()
    .await;
    let id = create(&server).await;
    let size = json!({"cols": 20, "rows": 4});
    assert_eq!(
        post(&server, &format!("/{id}/resize"), size).await.status,
        204
    );
    ask(&server, &format!("POST /{id}/input"), &[], "go\n").await;
    let path = format!("/{id}/screen");
    let mut text = get(&server, &path).await;
    while !text.body.contains("plain") {
        text = get(&server, &path).await;
    }
    assert_eq!(
        text.header("content-type"),
        Some("text/plain; charset=utf-8")
    );
    assert_eq!(text.body, "go\nred and\nplain\n\n");
    let json_wanted = [("Accept", "application/json")];
    let answer = ask(&server, &format!("GET {path}?cells=1"), &json_wanted, "").await;
    let screen = value(&answer);
    described("Screen", &screen);
    assert_eq!(screen["rows"], json!(["go", "red and", "plain", ""]));
    assert_eq!(screen["title"], "title");
    assert_eq!(
        screen["cursor"],
        json!({"row": 2, "col": 5, "visible": true})
    );
    assert_eq!(screen["modes"]["alternate"], false);
    assert_eq!(
        screen["cells"][1][0],
        json!({"col": 0, "text": "red", "sgr": "31"})
    );
    let from = answer.header("anywire-from").unwrap().to_owned();
    let shown = value(&get(&server, &format!("/{id}")).await);
    assert_eq!(
        (from, &shown["title"]),
        (shown["head"].to_string(), &json!("title"))
    );
    assert_eq!(
        get(&server, &format!("{path}?format=json"))
            .await
            .header("content-type"),
        Some("application/json")
    );
    server.shutdown().await;
}

/// Every sample of an OpenMetrics text: name with labels, and value. Anything else is an error.
fn samples(text: &str) -> std::collections::BTreeMap<String, f64> {
    assert!(text.ends_with("# EOF\n"));
    let mut samples = std::collections::BTreeMap::new();
    for line in text.lines() {
        if let Some(comment) = line.strip_prefix("# ") {
            let word = comment.split(' ').next().unwrap();
            assert!(["HELP", "TYPE", "UNIT", "EOF"].contains(&word), "{line}");
            continue;
        }
        let (name, number) = line.rsplit_once(' ').unwrap();
        let family = name.split('{').next().unwrap();
        assert!(family.starts_with("anywire_"), "{line}");
        assert!(
            family.bytes().all(|c| c.is_ascii_lowercase() || c == b'_'),
            "{line}"
        );
        let number: f64 = number.parse().unwrap();
        assert!(samples.insert(name.to_owned(), number).is_none(), "{line}");
    }
    samples
}

#[tokio::test]
async fn the_figures_are_told() {
    let server = Setup::script("cat").start().await;
    let host = server.http.to_string();
    let fetch = async |path: &str| {
        client::request(server.http, &format!("GET {path}"), &[("Host", &host)], "").await
    };
    assert_eq!(fetch("/readyz").await.status, 200);
    let id = create(&server).await;
    let mut raw = TcpStream::connect(server.tcp).await.unwrap();
    raw.write_all(b"12345").await.unwrap();
    let mut echo = [0; 5];
    soon(raw.read_exact(&mut echo)).await.unwrap();
    ask(&server, &format!("POST /{id}/input?eof=1"), &[], "abc").await;
    follow(&server, &id, "").await;
    let evil = [("Host", host.as_str()), ("Origin", "http://evil.example")];
    client::request(server.http, "GET /api/sessions", &evil, "").await;
    let answer = fetch("/metrics").await;
    assert!(
        answer
            .header("content-type")
            .unwrap()
            .starts_with("application/openmetrics-text")
    );
    let samples = samples(&answer.body);
    for (name, expected) in [
        ("anywire_ready", 1.0),
        ("anywire_sessions{state=\"running\",io=\"pipe\"}", 1.0),
        ("anywire_sessions{state=\"ended\",io=\"pipe\"}", 1.0),
        ("anywire_sessions_begun_total{how=\"started\"}", 2.0),
        ("anywire_session_exits_total{reason=\"code\"}", 1.0),
        ("anywire_attachments_open{wire=\"tcp\"}", 1.0),
        ("anywire_attachments_open{wire=\"rest\"}", 0.0),
        ("anywire_attachments_total{wire=\"rest\"}", 1.0),
        ("anywire_received_bytes_total{wire=\"tcp\"}", 5.0),
        ("anywire_sent_bytes_total{wire=\"tcp\"}", 5.0),
        ("anywire_received_bytes_total{wire=\"rest\"}", 3.0),
        ("anywire_sent_bytes_total{wire=\"rest\"}", 3.0),
        ("anywire_auth_total{result=\"origin\"}", 1.0),
        ("anywire_lag_actions_total{action=\"drop\"}", 0.0),
        ("anywire_resumes_total{kind=\"exact\"}", 0.0),
    ] {
        assert_eq!(
            samples.get(name),
            Some(&expected),
            "{name}\n{}",
            answer.body
        );
    }
    server.metrics.set_ready(false);
    problem(&fetch("/readyz").await, 503, "stopping");
    server.shutdown().await;
}
