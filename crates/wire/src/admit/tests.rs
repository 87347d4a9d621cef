//! Who is let in and who is not, request by request.

use super::*;

const PEER: &str = "127.0.0.1:5000";

struct Door {
    admission: Admission,
    auth: bool,
}

impl std::ops::Deref for Door {
    type Target = Admission;

    fn deref(&self) -> &Admission {
        &self.admission
    }
}

fn admission(auth: bool) -> Door {
    let admission = Admission::new(Options {
        hosts: loopback_hosts("127.0.0.1:7681".parse().unwrap()),
        vault: None,
        save: Box::new(|_| {}),
    });
    Door { admission, auth }
}

fn parts(headers: &[(&str, &str)]) -> Parts {
    let mut builder = http::Request::builder().uri("/ws");
    for (name, value) in headers {
        builder = builder.header(*name, *value);
    }
    builder.body(()).unwrap().into_parts().0
}

fn judge(door: &Door, need: Need, headers: &[(&str, &str)]) -> Result<Option<Principal>, Refusal> {
    let peer = Peer::Ip(PEER.parse().unwrap());
    door.request(&parts(headers), peer, need, door.auth)
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
    let set = closed.set_cookie("localhost:7681", None);
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
    let ticket = closed.mint_ticket(Some(Role::Viewer));
    assert_eq!(bear(&ticket).unwrap().unwrap().role, Some(Role::Viewer));
    assert_eq!(bear(&ticket), Err(Refusal::Unauthorized));
    while bear("nonsense") == Err(Refusal::Unauthorized) {}
    assert!(matches!(bear(&closed.start_code()), Err(Refusal::Wait(_))));
}

#[test]
fn a_successor_honours_cookies() {
    let first = admission(true);
    let set = first.set_cookie("localhost:7681", Some(Role::Writer));
    let vault = first.vault.lock().to_bytes();
    let admission = Admission::new(Options {
        hosts: loopback_hosts("127.0.0.1:7681".parse().unwrap()),
        vault: Some(vault),
        save: Box::new(|_| {}),
    });
    let next = Door {
        admission,
        auth: true,
    };
    let cookie = set.split(';').next().unwrap();
    let with = [("host", "localhost:7681"), ("cookie", cookie)];
    let who = judge(&next, Need::Principal, &with).unwrap().unwrap();
    assert_eq!(who.role, Some(Role::Writer));
}

#[test]
fn the_kernel_vouches_for_local_users_but_not_for_pages() {
    let closed = admission(true);
    let local = |headers| closed.request(&parts(headers), Peer::User(1000), Need::Principal, true);
    let who = local(&[]).unwrap().unwrap();
    assert_eq!((&*who.name, who.role), ("user 1000", Some(Role::Owner)));
    assert_eq!(local(&[("origin", "http://x")]), Err(Refusal::Origin));
}
