//! Tests of the whole way from text to what runs.

use super::file::{Lag, SizePolicy};
use super::runtime::{Certificate, Target};
use super::values::Time;
use super::*;
use crate::listener::ListenUrl;
use anywire_model::Role;
use proptest::prelude::*;
use serde_json::Value;

fn good(text: &str, overlay: &Overlay) -> Config {
    let file = parse("a.yaml", text, overlay).unwrap_or_else(|problems| panic!("{problems}"));
    settle::settle(file).config
}

fn bad(text: &str) -> String {
    let overlay = Overlay::default();
    let problems = parse("a.yaml", text, &overlay).expect_err("nothing is wrong");
    problems.to_string()
}

fn flags(listen: &[&str]) -> Overlay {
    Overlay {
        listen: listen.iter().map(|&url| url.to_owned()).collect(),
        ..Overlay::default()
    }
}

const EVERYTHING: &str = r#"
services:
  shell:
    command: [bash, -l, 5]
    io: pty
    login: true
    env: {LANG: C.UTF-8, N: 5}
    keep_env: [PATH, HOME, "LC_*"]
    term: vt100
    cwd: /srv
    size: 80x24
    ttl: 10m
    idle: 1h
    max_life: 24h
    never_attached: 60s
    keep_ended: 5m
    size_policy: smallest
    lag: disconnect
    grace: 500ms
    log: 3MiB
    linger: 1s
    max_sessions: 100
  echo: {handler: echo}
listeners:
  - url: https://[::1]:7681
    service: echo
    session: lobby
    role: viewer
    auth: false
    stderr: drop
    max_connections: 1000
    max_per_address: 100
    linger: 5s
    tls: {cert: /p/cert.pem, key: /p/key.pem}
  - url: auto://127.0.0.1:7000?session=main&silent=telnet:2s&linger=0
limits: {sessions: 5, connections: 6, attachments: 7}
auth:
  required: true
  hosts: [example.org]
  origins: ["https://example.org"]
  users: {ada: {password: "$argon2id$v=19$m=19456,t=2,p=1$bm9ib2R5IGF0IGFsbA$WnP4gNFsYYQ3LwK0XYaIAHJ5TqYyWm0XlG7JXJbVYpE", role: owner}}
  tokens: {ci: {sha256: "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", role: viewer}}
  announce: [notify-send]
tls: {self_signed: true}
log: {format: json, level: info}
"#;

#[test]
fn everything_that_may_stand_there_arrives() {
    let file = parse("a.yaml", EVERYTHING, &Overlay::default()).unwrap();
    let Settled { recipes, config } = settle::settle(file);
    let shell = &recipes["shell"];
    assert_eq!(shell.argv, ["bash", "-l", "5"]);
    assert!(shell.login && !recipes.contains_key("echo"));
    let env: Vec<_> = shell.env.iter().map(|(n, v)| format!("{n}={v}")).collect();
    assert_eq!(
        env,
        ["COLORTERM=truecolor", "LANG=C.UTF-8", "N=5", "TERM=vt100"]
    );
    assert_eq!(shell.keep_env.as_ref().unwrap().len(), 3);
    assert_eq!((shell.ring_len, shell.grace_ms), (4 << 20, 500));
    let policy = &config.services["shell"];
    assert_eq!(policy.ttl, Time::secs(600));
    assert_eq!(policy.max_life, Time::secs(86_400));
    assert_eq!(policy.keep_ended, Some(Time::secs(300)));
    assert_eq!(
        (policy.size_policy, policy.lag),
        (SizePolicy::Smallest, Lag::Disconnect)
    );
    assert_eq!(config.default_service, "shell");
    let [web, auto] = &config.listeners[..] else {
        panic!()
    };
    assert_eq!(
        (&web.session, web.role, web.auth),
        (&Target::Lobby, Role::Viewer, false)
    );
    let files = Certificate::Files {
        cert: "/p/cert.pem".into(),
        key: "/p/key.pem".into(),
    };
    assert_eq!(web.tls, Some(files));
    assert_eq!(
        auto.url,
        "auto://127.0.0.1:7000".parse::<ListenUrl>().unwrap()
    );
    assert_eq!(auto.session, Target::Named("main".into()));
    assert_eq!(auto.silent.unwrap().to_string(), "telnet:2s");
    assert_eq!(
        (auto.linger, auto.service.as_str(), auto.max_connections),
        (Time::ZERO, "shell", 6)
    );
    assert_eq!(
        auto.tls,
        Some(Certificate::SelfSigned),
        "clients of auto may begin with TLS"
    );
    // It travels unchanged.
    let json = serde_json::to_string(&config).unwrap();
    assert_eq!(serde_json::from_str::<Config>(&json).unwrap(), config);
}

#[test]
fn nothing_is_a_shell_on_localhost() {
    let config = good("", &Overlay::default());
    assert_eq!(config.listeners.len(), 1);
    assert_eq!(
        config.listeners[0].url.to_string(),
        "http://localhost:7681/"
    );
    assert_eq!(
        (config.listeners[0].role, config.listeners[0].auth),
        (Role::Owner, true)
    );
    assert_eq!(config.services.len(), 1);
}

#[test]
fn flags_go_before_the_file() {
    let text = "services: {a: {command: [sh], ttl: 1h, grace: 1s}, b: {command: [sh], ttl: 1h}}\nlisteners: [{url: 'tcp://127.0.0.1:1', auth: true}]\nlog: {level: info}\n";
    let overlay = Overlay {
        ttl: Some(Time::secs(1)),
        log_level: Some("debug".into()),
        no_auth: true,
        session: Some("all".into()),
        ..flags(&[
            "tcp://127.0.0.1:2?role=viewer",
            "tcp://127.0.0.1:3?session=new",
        ])
    };
    let config = good(text, &overlay);
    assert_eq!(
        config.services["a"].ttl,
        Time::secs(1),
        "the default service"
    );
    assert_eq!(config.services["b"].ttl, Time::secs(3600), "and only that");
    assert_eq!(config.log.level.as_deref(), Some("debug"));
    let [two, three] = &config.listeners[..] else {
        panic!()
    };
    assert_eq!(
        (two.role, two.auth, &two.session),
        (Role::Viewer, false, &Target::Named("all".into()))
    );
    assert_eq!(three.session, Target::New);
    let config = good(
        text,
        &Overlay {
            command: vec!["/bin/cat".into()],
            ..Overlay::default()
        },
    );
    assert_eq!(config.default_service, "cat");
    assert_eq!(config.services.len(), 3);
    assert!(config.listeners[0].auth, "a listener's own word stays");
}

#[test]
fn an_unknown_key_is_shown_with_its_place() {
    let expected = "\
a.yaml:3:5: no key is called \"comand\"; did you mean \"command\"?
  |
3 |     comand: [bash]
  |     ^^^^^^";
    assert_eq!(bad("services:\n  a:\n    comand: [bash]\n"), expected);
}

#[test]
fn all_mistakes_are_told_at_once() {
    let text = "\
services:
  a: {command: [sh], ttl: 10, size: 80*24, io: tty}
  b: {handler: echo, command: [sh]}
  c: {}
listeners:
  - {service: a}
  - {url: 'gopher://x'}
  - {url: 'tcp://127.0.0.1:1?role=god&silent=x'}
limits: {sessions: -1}
auth: {required: maybe}
";
    let told = bad(text);
    let places: Vec<&str> = told
        .lines()
        .filter_map(|line| line.strip_prefix("a.yaml:"))
        .map(|line| line.split_once(": ").map_or(line, |(place, _)| place))
        .collect();
    let expected = [
        "2:27", "2:37", "2:48", "3:16", "4:3", "6:5", "7:11", "8:11", "8:11", "9:20", "10:18",
    ];
    assert_eq!(places, expected, "{told}");
}

#[test]
fn what_does_not_go_together_is_told_at_its_place() {
    let mut wrong = Vec::new();
    for (text, first_line) in [
        ("a: [", "a.yaml:1:4: this is no YAML: unclosed bracket"),
        (
            "limits: {sessions: 5, sessions: 6}",
            "a.yaml:1:23: \"sessions\" stands here twice",
        ),
        ("- a", "a.yaml:1:1: a map was expected, not a list"),
        (
            "services: {a: {command: []}}",
            "a.yaml:1:16: the command names no program",
        ),
        (
            "services: {a: {command: [sh], cwd: srv}}",
            "a.yaml:1:36: \"srv\" is no whole path: begin with /",
        ),
        (
            "listeners: [{url: 'tcp://127.0.0.1:1', service: x}]\nservices: {a: {handler: echo}}",
            "a.yaml:1:49: no service is called \"x\"; there are a",
        ),
        (
            "listeners: [{url: 'tcp://127.0.0.1:1', session: a/b}]",
            "a.yaml:1:49: \"a/b\" cannot be a session's name: 1 to 64 letters, digits, '-', '_' and '.'",
        ),
        (
            "listeners: [{url: 'tcp://127.0.0.1:1', session: 0123456789abcdef0123456789abcdef}]",
            "a.yaml:1:49: \"0123456789abcdef0123456789abcdef\" cannot be a session's name: 32 hexadecimal digits could be taken for an id",
        ),
        (
            "listeners: [{url: 'tcp://127.0.0.1:1', silent: 'tcp:1s'}]",
            "a.yaml:1:48: only a listener on auto:// or autos:// waits for what a client says first",
        ),
        (
            "listeners: [{url: 'tcp://127.0.0.1:1'}, {url: 'ws://127.0.0.1:1'}]",
            "a.yaml:1:47: another listener has this address already: http://127.0.0.1:1/",
        ),
        (
            "listeners: [{url: 'http://localhost:1'}, {url: 'tcp://127.0.0.1:1'}]",
            "a.yaml:1:48: another listener has this address already: tcp://127.0.0.1:1",
        ),
        (
            "listeners: [{url: 'tcp://127.0.0.1:1', tls: {self_signed: true}}]",
            "a.yaml:1:40: tcp://127.0.0.1:1 has no TLS: use https, tcps, telnets, framed+tls or autos",
        ),
        (
            "listeners: [{url: 'tcp://127.0.0.1:1?max_header=4KiB'}]",
            "a.yaml:1:19: framed messages come over framed://, auto:// and WebSocket",
        ),
        (
            "listeners: [{url: 'framed://127.0.0.1:1', messages: {max_depth: 200}}]",
            "a.yaml:1:65: between 1 and 127",
        ),
        (
            "services: {a: {handler: search}}\nlisteners: [{url: 'tcp://127.0.0.1:1'}]",
            "a.yaml:2:19: search answers framed messages: listen on framed://",
        ),
        ("tls: {cert: /x}", "a.yaml:1:1: cert needs a key beside it"),
        (
            "log: {level: 'a=b=c'}",
            "a.yaml:1:14: \"a=b=c\" is no filter of logs, such as info or anywire_wire=debug: ",
        ),
        (
            "log: {level: 'info,loud'}",
            "a.yaml:1:14: \"loud\" is no level of logs: off, error, warn, info, debug or trace; for a part alone, such as anywire_wire=debug",
        ),
        (
            "auth: {origins: ['https://*.example.org']}",
            "a.yaml:1:8: \"https://*.example.org\" is no origin, such as https://example.org: no path, no '*'",
        ),
        (
            "limits: {sessions: 0}",
            "a.yaml:1:20: write a number between 1 and 1000000",
        ),
    ] {
        let told = bad(text);
        if !told.starts_with(first_line) {
            wrong.push(told);
        }
    }
    assert!(
        wrong.is_empty(),
        "{}",
        wrong.join(
            "

"
        )
    );
}

#[test]
fn beyond_this_machine_takes_a_word() {
    let told = |url: &str, overlay: Overlay| {
        let overlay = Overlay {
            listen: vec![url.into()],
            ..overlay
        };
        match parse("", "", &overlay) {
            Ok(_) => String::new(),
            Err(problems) => problems.to_string(),
        }
    };
    let none = Overlay::default;
    let no_auth = || Overlay {
        no_auth: true,
        ..none()
    };
    assert!(told("http://0.0.0.0:1", none()).contains("say --insecure-no-tls"));
    assert!(told("https://0.0.0.0:1", no_auth()).contains("say --insecure-no-auth"));
    assert!(
        told("http://0.0.0.0:1", no_auth())
            .matches("other machines")
            .count()
            == 2
    );
    assert_eq!(told("https://0.0.0.0:1", none()), "");
    assert_eq!(
        told(
            "http://0.0.0.0:1",
            Overlay {
                insecure_no_tls: true,
                ..none()
            }
        ),
        ""
    );
    assert_eq!(
        told(
            "https://0.0.0.0:1",
            Overlay {
                insecure_no_auth: true,
                ..none()
            }
        ),
        ""
    );
    assert_eq!(told("http://127.0.0.1:1", no_auth()), "");
    // A listener's own word counts too, and the place is the file's.
    let text = "listeners: [{url: 'https://192.0.2.1:1', auth: false}]";
    assert!(bad(text).starts_with("a.yaml:1:19: https://192.0.2.1:1/ can be reached"));
}

#[test]
fn what_was_taken_out_is_not_missing() {
    let told = bad("listeners: [{url: 'htp://x', role: boss}, {role: viewer}]");
    let of = |what: &str| told.matches(what).count();
    let counts = (of("no wire called"), of("none of viewer"), of("is missing"));
    assert_eq!(counts, (1, 1, 1), "{told}");
    assert!(told.contains("a.yaml:1:43: \"url\" is missing"), "{told}");
}

#[test]
fn one_broken_listener_hides_nothing_of_the_others() {
    let text = "\
services:
  a: {command: [sh]}
  b: 5
listeners:
  - {url: 'tcp://127.0.0.1:1', role: god, service: none}
  - {service: a}
  - {url: 'tcp://127.0.0.1:2', service: none}
  - {url: 'tcp://127.0.0.1:3', service: b}
  - {url: 'tcp://127.0.0.1:2', service: a}
";
    let told = bad(text);
    let places: Vec<&str> = told
        .lines()
        .filter_map(|line| line.strip_prefix("a.yaml:"))
        .collect();
    // Not of the fourth: what it names could not be read. Not of the first: it is complained about already.
    assert_eq!(places.len(), 5, "{told}");
    for (line, what) in places.iter().zip([
        "3:6: a map was expected",
        "5:38: \"god\" is none of",
        "6:5: \"url\" is missing",
        "7:41: no service is called \"none\"",
        "9:11: another listener has this address",
    ]) {
        assert!(line.starts_with(what), "{what}: {told}");
    }
    // Those of flags are judged beside a file whose own are broken.
    let problems = parse("a.yaml", text, &flags(&["tcp://127.0.0.1:1?service=none"]));
    let told = problems.unwrap_err().to_string();
    assert_eq!(told.matches("no service is called").count(), 1, "{told}");
}

#[test]
fn options_in_urls_are_judged_as_in_the_file() {
    for (url, what) in [
        ("tcp://127.0.0.1:1?rol=viewer", "did you mean \"role\"?"),
        ("tcp://127.0.0.1:1?role", "write options as name=value"),
        ("tcp://127.0.0.1:1?session=%2", "'%' stands before two"),
        ("tcp://127.0.0.1:1?linger=5", "is no duration"),
        (
            "tcp://127.0.0.1:1?role=viewer&role=owner",
            "stands in the URL and again",
        ),
        ("tcp://127.0.0.1:1?url=x", "stands in the URL and again"),
        ("https://127.0.0.1:1?cert=/x", "cert needs a key"),
        (
            "tcp://127.0.0.1:1?session=new%20one",
            "cannot be a session's name",
        ),
    ] {
        let told = parse("", "", &flags(&[url])).unwrap_err().to_string();
        assert!(told.contains(what), "{url}: {told}");
    }
    let told = parse("", "", &flags(&["gopher://x"]))
        .unwrap_err()
        .to_string();
    assert!(
        told.starts_with("-l:1:1: there is no wire called \"gopher\""),
        "{told}"
    );
    assert!(told.ends_with("1 | gopher://x\n  | ^^^^^^^^^^"), "{told}");
    let config = good("", &flags(&["https://127.0.0.1:1?cert=/c%26d.pem&key=/k"]));
    let files = Certificate::Files {
        cert: "/c&d.pem".into(),
        key: "/k".into(),
    };
    assert_eq!(config.listeners[0].tls, Some(files));
}

#[test]
fn anchors_and_merges_work_and_do_not_explode() {
    let text = "services:\n  a: &a {command: [sh], ttl: 1h}\n  b: {<<: *a, command: [cat]}\n";
    let config = good(text, &Overlay::default());
    assert_eq!(config.services["b"].ttl, Time::secs(3600));
    let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for level in 1..12 {
        let last = format!("*a{}", level - 1);
        bomb.push_str(&format!(
            "a{level}: &a{level} [{}]\n",
            vec![last; 10].join(", ")
        ));
    }
    assert!(bad(&bomb).contains("more values than a configuration may have"));
    assert!(bad("a: &a [*a]").contains("this is no YAML") || bad("a: &a [*a]").contains("part of"));
    assert!(bad(&format!("a: {0}{1}", "[".repeat(50), "]".repeat(50))).contains("nested too deep"));
    assert!(bad(&format!("a: {}", "[".repeat(5000))).contains("this is no YAML"));
    for large in [
        "[".repeat(FILE_MAX),
        "{".repeat(FILE_MAX),
        "- ".repeat(FILE_MAX / 2),
        "? ".repeat(FILE_MAX / 2),
        (0..24_000).map(|n| format!("k{n}: *a\n")).collect(),
        (0..24_000).map(|n| format!("k{n}: {n}\n")).collect(),
        (0..24_000).map(|n| format!("&a{n} k{n}: {n}\n")).collect(),
        format!(
            "services: {{a: {{env: {{{}}}}}}}",
            (0..20_000)
                .map(|n| format!("k{n}: ~, "))
                .collect::<String>()
        ),
        format!(
            "listeners: [{}]",
            "{url: 'tcp://127.0.0.1:1?a=b'},".repeat(10_000)
        ),
    ] {
        let large = &large[..large.len().min(FILE_MAX)];
        assert!(!bad(large).is_empty());
    }
    assert!(bad(&"#".repeat(FILE_MAX + 1)).contains("more than a configuration may have"));
}

#[test]
fn secrets_are_not_shown() {
    let file = parse("a.yaml", EVERYTHING, &Overlay::default()).unwrap();
    let shown = show(&file).unwrap();
    assert!(
        !shown.contains("argon2id") && !shown.contains("0123456789abcdef"),
        "{shown}"
    );
    let told = bad("auth: {users: {ada: {password: hunter2, role: owner}}}");
    assert!(
        told.contains("this is no argon2 hash") && !told.contains("hunter2"),
        "{told}"
    );
}

#[test]
fn what_is_shown_is_read_as_the_same() {
    let text = EVERYTHING
        .replace("users: {ada", "users: {}\n  # {ada")
        .replace("tokens: {ci", "tokens: {}\n  # {ci");
    let file = parse("a.yaml", &text, &Overlay::default()).unwrap();
    let shown = show(&file).unwrap();
    let again = parse("b.yaml", &shown, &Overlay::default());
    assert_eq!(
        again.unwrap_or_else(|problems| panic!("{problems}\n{shown}")),
        file
    );
}

proptest! {
    #[test]
    fn any_text_survives_being_shown(text: String, name in "[A-Z_]{1,8}") {
        let text = text.replace('\0', "");
        let overlay = Overlay {
            command: vec!["sh".into(), "-c".into(), text.clone()],
            ..Overlay::default()
        };
        let mut file = parse("", "", &overlay).unwrap();
        file.services.0[0].1.env.insert(name, text);
        let shown = show(&file).unwrap();
        let again = parse("b.yaml", &shown, &Overlay::default());
        prop_assert_eq!(again.unwrap_or_else(|problems| panic!("{problems}\n{shown}")), file);
    }
}

/// Whether a value is as a schema says: the keywords that ours uses, and no other.
fn accepts(root: &Value, schema: &Value, value: &Value) -> Result<(), String> {
    let Value::Object(rules) = schema else {
        return schema
            .as_bool()
            .filter(|all| *all)
            .map(drop)
            .ok_or_else(|| "false".into());
    };
    for (rule, wanted) in rules {
        let list = |wanted: &Value| wanted.as_array().cloned().unwrap_or_default();
        let is = |kind: &str| match kind {
            "null" => value.is_null(),
            "boolean" => value.is_boolean(),
            "string" => value.is_string(),
            "integer" => value.is_i64() || value.is_u64(),
            "array" => value.is_array(),
            "object" => value.is_object(),
            other => panic!("type {other}"),
        };
        let good = match rule.as_str() {
            "$schema" | "$defs" | "title" | "description" | "default" | "format" | "pattern" => {
                true
            }
            "maximum" => value
                .as_u64()
                .is_none_or(|value| value <= wanted.as_u64().unwrap()),
            "minimum" => value
                .as_i64()
                .is_none_or(|value| value >= wanted.as_i64().unwrap()),
            "$ref" => {
                let name = wanted.as_str().unwrap().trim_start_matches('#');
                accepts(root, root.pointer(name).unwrap(), value)?;
                true
            }
            "type" => match wanted {
                Value::String(kind) => is(kind),
                kinds => list(kinds).iter().any(|kind| is(kind.as_str().unwrap())),
            },
            "enum" => list(wanted).contains(value),
            "const" => wanted == value,
            "anyOf" | "oneOf" => list(wanted)
                .iter()
                .any(|one| accepts(root, one, value).is_ok()),
            "required" => list(wanted)
                .iter()
                .all(|key| value.get(key.as_str().unwrap()).is_some()),
            "items" => {
                for item in value.as_array().into_iter().flatten() {
                    accepts(root, wanted, item)?;
                }
                true
            }
            "properties" => true,
            "additionalProperties" => {
                let known = rules.get("properties").and_then(Value::as_object);
                for (key, value) in value.as_object().into_iter().flatten() {
                    let own = known.and_then(|known| known.get(key));
                    accepts(root, own.unwrap_or(wanted), value)
                        .map_err(|why| format!("{key}: {why}"))?;
                }
                true
            }
            other => panic!("the schema has a keyword that this test does not know: {other}"),
        };
        if !good {
            return Err(format!("{rule} {wanted}: {value}"));
        }
    }
    Ok(())
}

/// A tree as JSON, as another reader of YAML would make it.
fn json(node: &Node) -> Value {
    match &node.kind {
        Kind::Null => Value::Null,
        Kind::Scalar { text, plain } => {
            let number = text.parse::<i64>().ok().filter(|_| *plain).map(Value::from);
            let truth = text
                .parse::<bool>()
                .ok()
                .filter(|_| *plain)
                .map(Value::from);
            number.or(truth).unwrap_or_else(|| text.clone().into())
        }
        Kind::List(items) => items.iter().map(json).collect(),
        Kind::Map(entries) => entries
            .iter()
            .map(|(key, value)| (key.name.clone(), json(value)))
            .collect(),
    }
}

#[test]
fn the_schema_accepts_what_we_accept_and_not_what_we_refuse() {
    let schema = schema().to_value();
    let check = |text: &str| accepts(&schema, &schema, &json(&tree::parse(text).unwrap()));
    check(&EVERYTHING.replace(", 5]", "]").replace(", N: 5", "")).unwrap();
    check(include_str!("../../../../examples/anywire.yaml")).unwrap();
    for wrong in [
        "servces: {}",
        "services: {a: {comand: [sh]}}",
        "services: {a: {command: sh}}",
        "services: {a: {lag: never}}",
        "services: {a: {ttl: 10}}",
        "listeners: [{service: a}]",
        "listeners: [{url: 'tcp://127.0.0.1:1', role: god}]",
        "auth: {users: {ada: {role: owner}}}",
        "limits: {sessions: -1}",
        "auth: {required: perhaps}",
    ] {
        assert!(check(wrong).is_err(), "{wrong}");
        bad(wrong);
    }
}

#[test]
fn the_example_and_the_documentation_are_good() {
    parse(
        "anywire.yaml",
        include_str!("../../../../examples/anywire.yaml"),
        &Overlay::default(),
    )
    .unwrap_or_else(|problems| panic!("{problems}"));
    let docs = include_str!("../../../../docs/config.md");
    let recipes = include_str!("../../../../docs/recipes.md");
    for (name, docs) in [("docs/config.md", docs), ("docs/recipes.md", recipes)] {
        let samples: Vec<&str> = docs
            .split("```yaml\n")
            .skip(1)
            .filter_map(|rest| rest.split("```").next())
            .collect();
        assert!(!samples.is_empty());
        for sample in samples {
            parse(name, sample, &Overlay::default())
                .unwrap_or_else(|problems| panic!("{problems}"));
        }
    }
    // Each key is explained.
    let schema = schema().to_value();
    let mut objects = vec![&schema];
    objects.extend(schema["$defs"].as_object().unwrap().values());
    for key in objects
        .iter()
        .filter_map(|object| object["properties"].as_object())
        .flat_map(|keys| keys.keys())
    {
        assert!(
            docs.contains(&format!("{key}:")) || docs.contains(&format!("`{key}`")),
            "{key}"
        );
    }
}

proptest! {
    #[test]
    fn noise_never_panics(noise: String, cut in 0..EVERYTHING.len(), at in 0..EVERYTHING.len(), insert in "[ \\[\\]{}:,&*!|>'\"%@`#\n-]{1,3}") {
        fuzz(&noise);
        fuzz(&EVERYTHING[..cut]);
        if EVERYTHING.is_char_boundary(at) {
            fuzz(&format!("{}{insert}{}", &EVERYTHING[..at], &EVERYTHING[at..]));
        }
    }
}
