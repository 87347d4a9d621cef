//! Who is let in and who is not, request by request.

use super::*;
use std::net::IpAddr;
use std::task::{Context, Poll, Waker};

const PEER: &str = "127.0.0.1:5000";

struct Door {
    admission: Admission,
    auth: bool,
    tls: bool,
}

impl std::ops::Deref for Door {
    type Target = Admission;

    fn deref(&self) -> &Admission {
        &self.admission
    }
}

fn rules() -> Rules {
    Rules {
        hosts: loopback_hosts("127.0.0.1:7681".parse().unwrap()),
        ..Rules::default()
    }
}

fn door(auth: bool, rules: Rules) -> Door {
    Door {
        admission: Admission::new(Options::new(rules)),
        auth,
        tls: false,
    }
}

fn admission(auth: bool) -> Door {
    door(auth, rules())
}

fn parts(headers: &[(&str, &str)]) -> Parts {
    let mut builder = http::Request::builder().uri("/ws");
    for (name, value) in headers {
        builder = builder.header(*name, *value);
    }
    builder.body(()).unwrap().into_parts().0
}

type Judged = Result<Option<Principal>, Refusal>;

fn run<T>(what: impl Future<Output = T>) -> T {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_all().build().unwrap().block_on(what)
}

fn judge_from(door: &Door, peer: &str, need: Need, headers: &[(&str, &str)]) -> Judged {
    let peer = Peer::Ip(peer.parse().unwrap());
    let way = Way {
        peer,
        tls: door.tls,
        auth: door.auth,
        at: "127.0.0.1:7681".parse().ok(),
        pages: None,
    };
    run(door.request(&parts(headers), way, need))
}

/// Whoever listens everywhere is reached by the machine's addresses; names are another matter.
#[test]
fn the_address_that_was_connected_to_is_a_host_of_ours() {
    let open = admission(false);
    let reached = |at: &str, host: &str| {
        let way = Way {
            peer: Peer::Ip(PEER.parse().unwrap()),
            tls: false,
            auth: false,
            at: at.parse().ok(),
            pages: None,
        };
        run(open.request(&parts(&[("host", host)]), way, Need::Principal)).is_ok()
    };
    assert!(reached("192.0.2.7:8443", "192.0.2.7:8443"));
    assert!(reached("[::ffff:192.0.2.7]:8443", "192.0.2.7:8443"));
    assert!(reached("[fd00::7]:8443", "[fd00::7]:8443"));
    assert!(reached("192.0.2.7:443", "192.0.2.7"));
    assert!(reached("[fd00::7]:80", "[fd00::7]"));
    assert!(!reached("192.0.2.7:443", "[192.0.2.7]"));
    assert!(!reached("[fd00::7]:80", "fd00::7"));
    for host in [
        "192.0.2.7",
        "192.0.2.7:08443",
        "192.0.2.7:8444",
        "192.0.2.8:8443",
        "192.0.2.7.evil.example:8443",
        "evil.example:8443",
        "",
    ] {
        assert!(!reached("192.0.2.7:8443", host), "{host}");
    }
}

fn judge(door: &Door, need: Need, headers: &[(&str, &str)]) -> Judged {
    judge_from(door, PEER, need, headers)
}

#[test]
fn only_our_host_names_are_answered() {
    let open = admission(false);
    for host in [
        "127.0.0.1:7681",
        "localhost:7681",
        "LOCALHOST:7681",
        "[::1]:7681",
    ] {
        assert!(
            judge(&open, Need::Principal, &[("host", host)]).is_ok(),
            "{host}"
        );
    }
    for host in [
        "evil.example",
        "localhost",
        "localhost:80",
        "localhost:7681.evil.example",
        "localhost:7681 ",
        "127.0.0.1:76810",
        "",
    ] {
        let result = judge(&open, Need::Nothing, &[("host", host)]);
        assert_eq!(result, Err(Refusal::Host), "{host}");
    }
    assert_eq!(judge(&open, Need::Nothing, &[]), Err(Refusal::Host));
    let two = [("host", "localhost:7681"), ("host", "evil.example")];
    assert_eq!(judge(&open, Need::Nothing, &two), Err(Refusal::Host));
}

#[test]
fn the_origin_is_exactly_the_request_s_own_host() {
    let open = admission(false);
    let from = |origin| [("host", "localhost:7681"), ("origin", origin)];
    assert!(
        judge(
            &open,
            Need::PrincipalAndPage,
            &from("http://localhost:7681")
        )
        .is_ok()
    );
    for origin in [
        "http://127.0.0.1:7681",
        "https://localhost:7681",
        "http://localhost:7682",
        "http://localhost",
        "http://localhost:7681.evil.example",
        "http://evil.example/?http://localhost:7681",
        "http://localhost:7681/",
        "ws://localhost:7681",
        "null",
        "",
    ] {
        for need in [Need::Nothing, Need::Principal, Need::PrincipalAndPage] {
            let result = judge(&open, need, &from(origin));
            assert_eq!(result, Err(Refusal::Origin), "{origin}");
        }
    }
}

#[test]
fn what_the_browser_says_about_the_sender_counts() {
    let open = admission(false);
    let site = |site| [("host", "localhost:7681"), ("sec-fetch-site", site)];
    for other in ["cross-site", "same-site", "x"] {
        let result = judge(&open, Need::Principal, &site(other));
        assert_eq!(result, Err(Refusal::Origin));
        // A link to the page may stand anywhere.
        assert_eq!(judge(&open, Need::Nothing, &site(other)), Ok(None));
    }
    assert!(judge(&open, Need::Principal, &site("same-origin")).is_ok());
    assert!(judge(&open, Need::Principal, &site("none")).is_ok());
}

#[test]
fn a_cookie_needs_a_page_of_ours_to_open_a_socket() {
    let closed = admission(true);
    let set = closed
        .set_cookie("localhost:7681", false, Grant::NOBODY, None)
        .unwrap();
    assert!(set.contains("; HttpOnly; SameSite=Strict; "));
    let cookie = set.split(';').next().unwrap();
    let with = [("host", "localhost:7681"), ("cookie", cookie)];
    assert!(judge(&closed, Need::Principal, &with).is_ok());
    assert_eq!(
        judge(&closed, Need::PrincipalAndPage, &with),
        Err(Refusal::Origin)
    );
    let page = [&with[..], &[("origin", "http://localhost:7681")]].concat();
    assert!(judge(&closed, Need::PrincipalAndPage, &page).is_ok());
    let without = [("host", "localhost:7681")];
    assert_eq!(
        judge(&closed, Need::Principal, &without),
        Err(Refusal::Unauthorized)
    );
    assert_eq!(judge(&closed, Need::Nothing, &without), Ok(None));
}

#[test]
fn programs_may_bear_the_code_instead() {
    let closed = admission(true);
    let bear = |secret: &str| {
        let value = format!("Bearer {secret}");
        judge(
            &closed,
            Need::PrincipalAndPage,
            &[("host", "localhost:7681"), ("authorization", &value)],
        )
    };
    assert!(bear(&closed.start_code()).is_ok());
    let ticket = closed.mint_ticket(by_code(Role::Viewer));
    assert_eq!(bear(&ticket).unwrap().unwrap().role, Some(Role::Viewer));
    assert_eq!(bear(&ticket), Err(Refusal::Wrong));
    while bear("nonsense") == Err(Refusal::Wrong) {}
    assert!(matches!(bear(&closed.start_code()), Err(Refusal::Wait(_))));
}

#[test]
fn a_successor_honours_cookies() {
    let first = admission(true);
    let set = first
        .set_cookie("localhost:7681", false, by_code(Role::Writer), None)
        .unwrap();
    let vault = first.vault.lock().to_bytes();
    let mut options = Options::new(rules());
    options.vault = Some(vault);
    let next = Door {
        admission: Admission::new(options),
        auth: true,
        tls: false,
    };
    let cookie = set.split(';').next().unwrap();
    let with = [("host", "localhost:7681"), ("cookie", cookie)];
    let who = judge(&next, Need::Principal, &with).unwrap().unwrap();
    assert_eq!(who.role, Some(Role::Writer));
}

#[test]
fn the_kernel_vouches_for_local_users_but_not_for_pages() {
    let closed = admission(true);
    let way = Way {
        peer: Peer::User(1000),
        tls: false,
        auth: true,
        at: None,
        pages: None,
    };
    let local = |headers| run(closed.request(&parts(headers), way, Need::Principal));
    let who = local(&[]).unwrap().unwrap();
    assert_eq!((&*who.name, who.role), ("user 1000", None));
    assert_eq!(local(&[("origin", "http://x")]), Err(Refusal::Origin));
}

fn by_code(role: Role) -> Grant {
    Grant {
        account: Account::Nobody,
        role: Some(role),
        login: None,
    }
}

/// Alice may write with the password `open sesame`, the token may watch.
fn staffed(password: &str) -> (Rules, String) {
    let (token, digest) = new_token();
    let phc = cheap(password);
    let alice = User::new(&phc, Role::Writer).unwrap();
    let robot = Token::new(&digest, Role::Viewer).unwrap();
    let staffed = Rules {
        users: [("alice".parse().unwrap(), alice)].into(),
        tokens: [("robot".parse().unwrap(), robot)].into(),
        ..rules()
    };
    (staffed, token)
}

/// A hash that costs little, since tests guess often.
fn cheap(password: &str) -> String {
    use argon2::password_hash::PasswordHasher;
    let params = argon2::Params::new(8, 1, 1, None).unwrap();
    let argon = argon2::Argon2::new(argon2::Algorithm::Argon2id, argon2::Version::V0x13, params);
    let hash = argon.hash_password_with_salt(password.as_bytes(), b"sixteen byte salt");
    hash.unwrap().to_string()
}

fn authorized(door: &Door, value: &str) -> Judged {
    let headers = [("host", "localhost:7681"), ("authorization", value)];
    judge(door, Need::PrincipalAndPage, &headers)
}

fn basic(user: &str, password: &str) -> String {
    let pair = format!("{user}:{password}");
    format!("Basic {}", data_encoding::BASE64.encode(pair.as_bytes()))
}

#[test]
fn users_and_tokens_come_with_their_own_role() {
    let (rules, token) = staffed("open sesame");
    let closed = door(true, rules);
    let who = authorized(&closed, &basic("alice", "open sesame"));
    let who = who.unwrap().unwrap();
    assert_eq!((&*who.name, who.role), ("alice", Some(Role::Writer)));
    for value in [format!("Bearer {token}"), basic("", &token)] {
        let who = authorized(&closed, &value).unwrap().unwrap();
        assert_eq!((&*who.name, who.role), ("robot", Some(Role::Viewer)));
    }
    let code = closed.start_code();
    assert_eq!(
        authorized(&closed, &basic("", &code))
            .unwrap()
            .unwrap()
            .role,
        None
    );
    for (user, password) in [("alice", "open sesamf"), ("bob", "open sesame")] {
        let refused = authorized(&closed, &basic(user, password));
        assert_eq!(refused, Err(Refusal::Wrong), "{user}");
    }
    assert_eq!(closed.methods(), ["code", "password", "token"]);
}

#[test]
fn a_password_is_backed_off_by_user_wherever_the_guesses_come_from() {
    let (rules, _) = staffed("open sesame");
    let closed = door(true, rules);
    let try_from = |host: u32, password: &str| {
        let value = basic("alice", password);
        let headers = [("host", "localhost:7681"), ("authorization", &*value)];
        let peer = format!("127.0.0.{host}:5000");
        judge_from(&closed, &peer, Need::Principal, &headers)
    };
    assert!(try_from(60, "open sesame").is_ok());
    for host in 1..=10 {
        assert_eq!(try_from(host, "wrong"), Err(Refusal::Wrong));
    }
    assert!(matches!(try_from(50, "open sesame"), Err(Refusal::Wait(_))));
    assert!(try_from(60, "open sesame").is_ok(), "she was there before");
    // Whoever holds a code of the same address is not concerned.
    let value = format!("Bearer {}", closed.start_code());
    assert!(authorized(&closed, &value).is_ok());
}

#[test]
fn a_remembered_password_is_no_way_around_the_wait() {
    let (rules, _) = staffed("open sesame");
    let closed = door(true, rules);
    let right = basic("alice", "open sesame");
    assert!(authorized(&closed, &right).is_ok());
    while authorized(&closed, &basic("alice", "wrong")) == Err(Refusal::Wrong) {}
    assert!(matches!(authorized(&closed, &right), Err(Refusal::Wait(_))));
}

#[test]
fn wrong_tokens_and_tickets_lock_nobody_out() {
    let (rules, token) = staffed("open sesame");
    let closed = door(true, rules);
    for _ in 0..50 {
        let wrong = format!("Bearer {}", new_token().0);
        assert_eq!(authorized(&closed, &wrong), Err(Refusal::Wrong));
    }
    assert!(authorized(&closed, &format!("Bearer {token}")).is_ok());
    assert!(authorized(&closed, &basic("alice", "open sesame")).is_ok());
}

#[test]
fn few_passwords_wait_to_be_checked() {
    let (rules, _) = staffed("open sesame");
    let closed = door(true, rules);
    let from = IpAddr::from([127, 0, 0, 1]);
    let guess = || {
        let (user, password) = ("nobody", "x");
        Box::pin(closed.login(from, Secret::Password { user, password }))
    };
    let busy = run(async {
        let mut all: Vec<_> = (0..100).map(|_| guess()).collect();
        let mut context = Context::from_waker(Waker::noop());
        let polled = all.iter_mut().map(|one| one.as_mut().poll(&mut context));
        let busy = Poll::Ready(Err(Refusal::Busy));
        polled.filter(|answer| *answer == busy).count()
    });
    assert_eq!(busy, 100 - 32);
}

fn cookie_of(door: &Door, grant: Grant) -> String {
    let set = door
        .set_cookie("localhost:7681", door.tls, grant, None)
        .unwrap();
    set.split(';').next().unwrap().to_owned()
}

fn with_cookie(door: &Door, cookie: &str) -> Judged {
    let headers = [("host", "localhost:7681"), ("cookie", cookie)];
    judge(door, Need::Principal, &headers)
}

#[test]
fn a_cookie_ends_with_the_logout_the_password_and_the_account() {
    let (first, _) = staffed("open sesame");
    let closed = door(true, first.clone());
    let grant = || Grant {
        account: Account::User("alice".into()),
        role: Some(Role::Writer),
        login: None,
    };
    let (one, two) = (cookie_of(&closed, grant()), cookie_of(&closed, grant()));
    let code = cookie_of(&closed, Grant::NOBODY);
    assert_eq!(&*with_cookie(&closed, &one).unwrap().unwrap().name, "alice");

    let headers = parts(&[("host", "localhost:7681"), ("cookie", &one)]).headers;
    let forget = closed.log_out(&headers, false);
    assert!(forget.starts_with("anywire-7681=; ") && forget.contains("Max-Age=0"));
    assert_eq!(with_cookie(&closed, &one), Err(Refusal::Unauthorized));
    assert!(with_cookie(&closed, &two).is_ok());

    closed.reload(staffed("another").0);
    assert_eq!(with_cookie(&closed, &two), Err(Refusal::Unauthorized));
    closed.reload(first);
    assert!(with_cookie(&closed, &two).is_ok());
    closed.reload(rules());
    assert_eq!(with_cookie(&closed, &two), Err(Refusal::Unauthorized));
    assert!(with_cookie(&closed, &code).is_ok());
}

/// Who sees the cookie, as a server at another port of the same host does, has half of what is needed.
#[test]
fn a_cookie_with_a_page_s_key_is_worth_nothing_without_it() {
    let closed = admission(true);
    let key = "a-key-of-the-page-0123456789";
    let set = closed.set_cookie("localhost:7681", false, Grant::NOBODY, Some(key));
    let cookie = set.unwrap().split(';').next().unwrap().to_owned();
    let origin = ("origin", "http://localhost:7681");
    let with = |more: &[(&str, &str)]| {
        let headers = [
            &[("host", "localhost:7681"), ("cookie", &cookie), origin],
            more,
        ]
        .concat();
        let needs = [Need::Principal, Need::PrincipalAndPage];
        needs.map(|need| judge(&closed, need, &headers).map(|_| ()))
    };
    let refused = [Err(Refusal::Unauthorized); 2];
    let protocols = format!("anywire.v1, anywire.key.{key}");
    assert_eq!(with(&[("anywire-key", key)]), [Ok(()); 2]);
    assert_eq!(with(&[("sec-websocket-protocol", &protocols)]), [Ok(()); 2]);
    assert_eq!(with(&[]), refused);
    assert_eq!(with(&[("anywire-key", "")]), refused);
    assert_eq!(
        with(&[("anywire-key", "another-key-0123456789abc")]),
        refused
    );
    assert_eq!(with(&[("sec-websocket-protocol", "anywire.v1")]), refused);
}

/// What was passed on by a ticket ends with the login that passed it on, and not the other way round.
#[test]
fn a_logout_ends_what_came_of_its_tickets() {
    let closed = admission(true);
    let come_by = |cookie: &str| with_cookie(&closed, cookie).unwrap().unwrap();
    let ticket_of = |cookie: &str| {
        let Principal { account, login, .. } = come_by(cookie);
        closed.mint_ticket(Grant {
            account,
            role: Some(Role::Viewer),
            login: login.map(|login| *login),
        })
    };
    let redeem = |ticket: &str| run(closed.login([127, 0, 0, 1].into(), Secret::Ticket(ticket)));
    let log_out = |cookie: &str| {
        let headers = parts(&[("host", "localhost:7681"), ("cookie", cookie)]).headers;
        closed.log_out(&headers, false);
    };
    let owner = cookie_of(&closed, Grant::NOBODY);
    let [first, second] = [(); 2].map(|()| {
        let grant = redeem(&ticket_of(&owner)).unwrap();
        cookie_of(&closed, grant)
    });
    let third = cookie_of(&closed, redeem(&ticket_of(&second)).unwrap());
    let unused = ticket_of(&second);
    log_out(&first);
    assert_eq!(with_cookie(&closed, &first), Err(Refusal::Unauthorized));
    assert!(
        [&owner, &second, &third]
            .iter()
            .all(|cookie| with_cookie(&closed, cookie).is_ok())
    );
    log_out(&owner);
    for cookie in [&owner, &second, &third] {
        assert_eq!(with_cookie(&closed, cookie), Err(Refusal::Unauthorized));
    }
    assert_eq!(redeem(&unused), Err(Refusal::Wrong));
    assert!(with_cookie(&closed, &cookie_of(&closed, Grant::NOBODY)).is_ok());
}

#[test]
fn a_new_start_code_leaves_cookies_alone() {
    let told: Arc<Mutex<Vec<String>>> = Arc::default();
    let tell = told.clone();
    let mut options = Options::new(rules());
    options.announce = Box::new(move |code| tell.lock().push(code.to_owned()));
    let closed = Door {
        admission: Admission::new(options),
        auth: true,
        tls: false,
    };
    let (old, cookie) = (closed.start_code(), cookie_of(&closed, Grant::NOBODY));
    let new = closed.rotate();
    assert_eq!(*told.lock(), [old.clone(), new.clone()]);
    let bear = |code: &str| authorized(&closed, &format!("Bearer {code}"));
    assert_eq!(bear(&old), Err(Refusal::Wrong));
    assert!(bear(&new).is_ok());
    assert!(with_cookie(&closed, &cookie).is_ok());
}

#[test]
fn behind_tls_cookie_and_origin_are_those_of_https() {
    let closed = Door {
        tls: true,
        ..admission(true)
    };
    let cookie = cookie_of(&closed, Grant::NOBODY);
    assert!(cookie.starts_with("__Host-anywire-7681="), "{cookie}");
    let set = closed.set_cookie("localhost:7681", true, Grant::NOBODY, None);
    assert!(set.unwrap().ends_with("; Secure"));
    let from = |origin| {
        let headers = [
            ("host", "localhost:7681"),
            ("cookie", &*cookie),
            ("origin", origin),
        ];
        judge(&closed, Need::PrincipalAndPage, &headers)
    };
    assert!(from("https://localhost:7681").is_ok());
    assert_eq!(from("http://localhost:7681"), Err(Refusal::Origin));
    // Nor is it worth anything without TLS.
    let plain = Door {
        tls: false,
        ..closed
    };
    assert_eq!(with_cookie(&plain, &cookie), Err(Refusal::Unauthorized));
}

#[test]
fn further_origins_are_exact_and_null_is_none() {
    let mut rules = rules();
    rules.hosts.push("term.example".to_owned());
    rules.origins = vec!["https://term.example".to_owned(), "null".to_owned()];
    let open = door(false, rules);
    let from = |origin| {
        let headers = [("host", "term.example"), ("origin", origin)];
        judge(&open, Need::PrincipalAndPage, &headers)
    };
    assert!(from("https://term.example").is_ok());
    for origin in [
        "null",
        "https://term.example.evil",
        "https://x.term.example",
        "https://term.example:444",
    ] {
        assert_eq!(from(origin), Err(Refusal::Origin), "{origin}");
    }
}

#[test]
fn a_monitor_needs_credentials_unless_it_is_on_this_machine() {
    let closed = admission(true);
    let headers = [("host", "localhost:7681")];
    let ask = |peer| judge_from(&closed, peer, Need::PrincipalUnlessLocal, &headers);
    assert!(ask("127.0.0.1:5000").is_ok());
    assert!(ask("[::ffff:127.0.0.1]:5000").is_ok());
    assert_eq!(ask("192.0.2.1:5000"), Err(Refusal::Unauthorized));
    let forwarded = [headers[0], ("x-forwarded-for", "192.0.2.1")];
    let result = judge(&closed, Need::PrincipalUnlessLocal, &forwarded);
    assert_eq!(result, Err(Refusal::Unauthorized));
    // A page's origin counts here too.
    let page = [headers[0], ("origin", "http://evil.example")];
    let result = judge(&closed, Need::PrincipalUnlessLocal, &page);
    assert_eq!(result, Err(Refusal::Origin));
}

/// Answers from a list; notes what is shown.
struct Script<'a>(Vec<&'a str>, String);

impl Typist for Script<'_> {
    async fn say(&mut self, text: &str) -> Option<()> {
        self.1 += text;
        Some(())
    }

    async fn line(&mut self, _secret: bool) -> Option<String> {
        (!self.0.is_empty()).then(|| self.0.remove(0).to_owned())
    }
}

#[test]
fn people_type_a_code_a_token_or_a_name_and_a_password() {
    let (rules, token) = staffed("open sesame");
    let context = crate::testing::context(true);
    context.admission.reload(rules);
    let code = context.admission.start_code();
    let from = "127.0.0.1".parse().unwrap();
    let type_in = |lines: &[&str]| {
        let mut script = Script(lines.to_vec(), String::new());
        let grant = run(typed_login(&context, from, &mut script));
        (grant.map(|grant| grant.account), script.1)
    };
    assert_eq!(type_in(&[&code]).0, Some(Account::Nobody));
    assert_eq!(type_in(&[&token]).0, Some(Account::Token("robot".into())));
    let (who, shown) = type_in(&["alice", "wrong", "alice", "open sesame"]);
    assert_eq!(who, Some(Account::User("alice".into())));
    assert_eq!(
        shown,
        "start code or user: password: wrong password\r\nstart code or user: password: "
    );
    let (who, shown) = type_in(&["a", "b", "c", &code]);
    assert_eq!(who, None);
    assert!(
        shown.starts_with("start code or user: no start code, token or user"),
        "{shown}"
    );
    type_in(&["d"]);
    let (who, shown) = type_in(&[&code]);
    assert_eq!(who, None);
    assert!(
        shown.contains("too many failures; try again in "),
        "{shown}"
    );
}
