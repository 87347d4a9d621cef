//! Every route that exists, and some that do not, against the gate.

use super::*;
use crate::admit::Way;
use crate::http::Connection;
use crate::peer::Peer;
use crate::testing::{HOST, context};
use axum::body::Body;
use axum::response::Response;
use http::{Method, Request};
use tower_service::Service;

const PUBLIC: &[(&str, &str)] = &[
    ("GET", "/healthz"),
    ("HEAD", "/healthz"),
    ("GET", "/readyz"),
    ("HEAD", "/readyz"),
    ("GET", "/metrics"),
    ("HEAD", "/metrics"),
    ("GET", "/api/login"),
    ("HEAD", "/api/login"),
    ("POST", "/api/login"),
];

/// Origins that are not the page's own: no origin at all, a sub-domain, other ports, another scheme.
const FOREIGN: [&str; 5] = [
    "null",
    "http://evil.localhost:7681",
    "http://localhost:7682",
    "http://localhost",
    "https://localhost:7681",
];

/// A listener's router, and whether it asks for credentials.
type Door = (Router, bool);

async fn ask(door: &Door, method: &str, path: &str, headers: &[(&str, &str)]) -> Response {
    ask_from("127.0.0.1:5000", true, door, method, path, headers).await
}

async fn ask_from(
    peer: &str,
    here: bool,
    (router, auth): &Door,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
) -> Response {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let mut request = request.body(Body::empty()).unwrap();
    let peer = Peer::Ip(peer.parse().unwrap());
    let way = Way {
        peer,
        tls: false,
        auth: *auth,
        at: here.then(|| "127.0.0.1:7681".parse().unwrap()),
        pages: None,
    };
    request.extensions_mut().insert(Connection::new(way, None));
    router.clone().call(request).await.unwrap()
}

/// Paths of all routes, of the page, and of nothing.
fn paths() -> Vec<String> {
    let routes = routes().into_iter();
    let known = routes.map(|(path, _)| path.replace("{key}", "x"));
    let unknown = ["/nothing", "/api", "/api/", "/ws/x", "/../etc/passwd"].map(str::to_owned);
    let page = page::paths().chain(["/".to_owned()]);
    known.into_iter().chain(unknown).chain(page).collect()
}

fn methods() -> [Method; 7] {
    [
        Method::GET,
        Method::HEAD,
        Method::POST,
        Method::PUT,
        Method::DELETE,
        Method::OPTIONS,
        Method::PATCH,
    ]
}

fn is_public(method: &str, path: &str) -> bool {
    let page = page::paths().any(|file| file == path) || path == "/";
    PUBLIC.contains(&(method, path)) || (page && matches!(method, "GET" | "HEAD"))
}

#[tokio::test]
async fn nothing_is_open_but_what_is_meant_to_be() {
    let router = (router(context(true)), true);
    for path in paths() {
        for method in methods() {
            let method = method.as_str();
            let status = ask(&router, method, &path, &[("host", HOST)])
                .await
                .status();
            let refused = status == StatusCode::UNAUTHORIZED;
            assert_eq!(
                refused,
                !is_public(method, &path),
                "{method} {path} {status}"
            );
        }
    }
}

#[tokio::test]
async fn no_route_answers_to_other_hosts_or_origins() {
    for auth in [true, false] {
        let router = (router(context(auth)), auth);
        for path in paths() {
            for method in methods() {
                let method = method.as_str();
                let other = ask(&router, method, &path, &[("host", "evil.example")]).await;
                assert_eq!(other.status(), StatusCode::MISDIRECTED_REQUEST);
                let headers = [("host", HOST), ("origin", "http://evil.example")];
                let other = ask(&router, method, &path, &headers).await;
                assert_eq!(other.status(), StatusCode::FORBIDDEN, "{method} {path}");
                for origin in FOREIGN {
                    let headers = [("host", HOST), ("origin", origin)];
                    let other = ask(&router, method, &path, &headers).await;
                    assert_eq!(
                        other.status(),
                        StatusCode::FORBIDDEN,
                        "{method} {path} {origin}"
                    );
                }
            }
        }
    }
}

#[tokio::test]
async fn every_answer_carries_the_security_headers() {
    let router = (router(context(false)), false);
    for path in paths() {
        let response = ask(&router, "GET", &path, &[("host", HOST)]).await;
        let headers = response.headers();
        let csp = headers["content-security-policy"].to_str().unwrap();
        assert!(csp.contains("default-src 'none'") && csp.contains("frame-ancestors 'none'"));
        assert!(!csp.contains("unsafe"));
        assert_eq!(headers["x-content-type-options"], "nosniff");
        assert_eq!(headers["referrer-policy"], "no-referrer");
        assert!(headers.contains_key("cache-control"));
        if response.status().is_client_error() {
            assert_eq!(headers["content-type"], "application/problem+json");
        }
    }
}

#[tokio::test]
async fn programs_are_told_what_to_bring_and_pages_are_not() {
    let router = (router(context(true)), true);
    let challenged = async |headers: &[(&str, &str)]| {
        let headers = [&[("host", HOST)], headers].concat();
        let response = ask(&router, "GET", "/api/sessions", &headers).await;
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
        response.headers().contains_key("www-authenticate")
    };
    assert!(challenged(&[]).await);
    assert!(challenged(&[("user-agent", "curl/8.0")]).await);
    assert!(!challenged(&[("user-agent", "Mozilla/5.0 (X11)")]).await);
    assert!(!challenged(&[("sec-fetch-site", "same-origin")]).await);
    assert!(!challenged(&[("origin", "http://localhost:7681")]).await);
}

#[tokio::test]
async fn the_start_code_is_not_told_over_the_network() {
    for auth in [true, false] {
        let context = context(auth);
        let code = context.admission.start_code();
        let router = (router(context), auth);
        let bearer = format!("Bearer {code}");
        for (method, path) in [("GET", "/api/code"), ("POST", "/api/code/rotate")] {
            let headers = [("host", HOST), ("authorization", bearer.as_str())];
            let response = ask(&router, method, path, &headers).await;
            assert_eq!(response.status(), StatusCode::FORBIDDEN);
        }
    }
}

#[tokio::test]
async fn unknown_addresses_and_methods_are_told_apart() {
    let router = (router(context(false)), false);
    let status = async |method, path| {
        let response = ask(&router, method, path, &[("host", HOST)]).await;
        (response.status().as_u16(), response.headers().clone())
    };
    assert_eq!(status("GET", "/nothing").await.0, 404);
    assert_eq!(status("POST", "/nothing").await.0, 404);
    let (code, headers) = status("PUT", "/api/sessions").await;
    assert_eq!(
        (code, &headers["allow"]),
        (405, &"GET,HEAD,POST".parse().unwrap())
    );
    assert_eq!(headers["content-type"], "application/problem+json");
    // The listener's role is the viewer's.
    assert_eq!(status("DELETE", "/api/sessions/x").await.0, 403);
    assert_eq!(status("GET", "/api/sessions").await.0, 200);
}

/// What watches over a server needs no credentials on the server's own machine, and only there.
#[tokio::test]
async fn figures_are_for_who_is_here_or_logged_in() {
    let router = (router(context(true)), true);
    for path in ["/readyz", "/metrics"] {
        for (peer, here, forwarded, open) in [
            ("127.0.0.1:5000", true, "", true),
            ("[::ffff:127.0.0.1]:5000", true, "", true),
            ("127.0.0.1:5000", false, "", false),
            ("192.0.2.7:5000", true, "", false),
            ("192.0.2.7:5000", false, "", false),
            ("127.0.0.1:5000", true, "x-forwarded-for", false),
            ("127.0.0.1:5000", true, "forwarded", false),
        ] {
            let mut headers = vec![("host", HOST)];
            if !forwarded.is_empty() {
                headers.push((forwarded, "192.0.2.7"));
            }
            let answer = ask_from(peer, here, &router, "GET", path, &headers).await;
            let refused = answer.status() == StatusCode::UNAUTHORIZED;
            assert_eq!(refused, !open, "{path} {peer} {here} {forwarded}");
        }
    }
}

/// The description of the API names every route with every method, and nothing else.
#[tokio::test]
async fn the_api_is_described() {
    let described: serde_json::Value = serde_json::from_str(api::OPENAPI).unwrap();
    assert!(described["openapi"].as_str().unwrap().starts_with("3.1."));
    let mut written = Vec::new();
    for (path, item) in described["paths"].as_object().unwrap() {
        let verbs = item.as_object().unwrap().keys();
        let verbs = verbs.filter(|verb| *verb != "parameters");
        written.extend(verbs.map(|verb| format!("{} {path}", verb.to_uppercase())));
    }
    let router = (router(context(false)), false);
    let mut served = Vec::new();
    for (path, _) in routes() {
        let answer = ask(
            &router,
            "TRACE",
            &path.replace("{key}", "x"),
            &[("host", HOST)],
        )
        .await;
        assert_eq!(answer.status(), StatusCode::METHOD_NOT_ALLOWED, "{path}");
        let allowed = answer.headers()["allow"].to_str().unwrap().split(',');
        let allowed = allowed.filter(|verb| *verb != "HEAD");
        served.extend(allowed.map(|verb| format!("{verb} {path}")));
    }
    written.sort();
    served.sort();
    assert_eq!(written, served);
}
