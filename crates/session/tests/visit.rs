//! Without a seat: names, titles, pictures, and what each role may do.

mod kit;

use anywire_model::{ExitReason, Intent, Io, Role, Signal, Size};
use anywire_session::{Applied, Create, Output, Policy, Refused, RenameError, SizePolicy, Start};
use kit::{Script, Told, next, options, registry, session};
use std::time::Duration;

#[tokio::test]
async fn a_new_name_holds_and_outlives_the_server() {
    let (registry, one, script) = session(64 << 10, Io::Pty).await;
    let rename = |name: &str, role| registry.rename(&one, role, name.to_owned());
    let old = one.name();
    assert!(matches!(rename("x", Role::Writer), Err(RenameError::Role)));
    assert!(matches!(
        rename("a b", Role::Owner),
        Err(RenameError::BadName(_))
    ));
    rename("build", Role::Owner).unwrap();
    rename("build", Role::Owner).unwrap();
    assert!(registry.find(&old).is_none());
    assert_eq!(registry.find("build").unwrap().id(), one.id());
    let create = |name: &str| Create {
        name: Some(name.to_owned()),
        size: None,
    };
    assert!(registry.create("script", create("build")).await.is_err());
    let two = registry.create("script", create(&old)).await.unwrap();
    let taken = registry.rename(&two, Role::Owner, "build".to_owned());
    assert!(matches!(taken, Err(RenameError::NameTaken(_))));

    let third = Script::new(64 << 10);
    let alone = kit::registry(&third, Io::Pty);
    let session = alone.create("script", Create::default()).await.unwrap();
    alone
        .rename(&session, Role::Owner, "kept".to_owned())
        .unwrap();
    let later = registry_after(&third.after_crash(), session.id());
    assert_eq!(&*later.name(), "kept");
    drop(script);
}

fn registry_after(
    script: &std::sync::Arc<Script>,
    id: anywire_model::SessionId,
) -> anywire_session::Session {
    let registry = registry(script, Io::Pty);
    registry.adopt(script.running(id, Io::Pty))
}

#[tokio::test]
async fn each_role_may_do_its_part() {
    let (_registry, session, script) = session(64 << 10, Io::Pty).await;
    let input = Intent::Input {
        offset: None,
        bytes: b"abc",
    };
    let size = Size::checked(90, 20).unwrap();
    let writers = [
        input.clone(),
        Intent::Resize(size),
        Intent::Signal(Signal::Int),
        Intent::CloseInput,
    ];
    for intent in writers.iter().chain([&Intent::Kill]) {
        let refused = session.act(Role::Viewer, "v", intent.clone());
        assert_eq!(refused, Err(Refused::Role));
    }
    assert_eq!(script.told(), []);
    script.take_at_most(2);
    assert_eq!(
        session.act(Role::Writer, "w", input.clone()),
        Ok(Applied::Taken(2))
    );
    assert_eq!(session.act(Role::Writer, "w", input), Ok(Applied::Taken(0)));
    for intent in &writers[1..] {
        assert_eq!(
            session.act(Role::Writer, "w", intent.clone()),
            Ok(Applied::Done)
        );
    }
    assert_eq!(session.info().size, size);
    assert_eq!(
        session.act(Role::Writer, "w", Intent::Kill),
        Err(Refused::Role)
    );
    let told = [
        Told::Input(b"ab".to_vec()),
        Told::Resize(size),
        Told::Signal(Signal::Int),
        Told::CloseInput,
    ];
    assert_eq!(script.told(), told);
    assert_eq!(
        session.act(Role::Owner, "o", Intent::Kill),
        Ok(Applied::Done)
    );
    assert!(session.has_ended());
}

#[tokio::test]
async fn a_size_is_for_the_policy_to_take() {
    use SizePolicy::{Fixed, Largest, Owner};
    let size = Size::checked(90, 20).unwrap();
    for (policy, role, answer) in [
        (Fixed, Role::Owner, Err(Refused::FixedSize)),
        (Owner, Role::Writer, Err(Refused::Role)),
        (Owner, Role::Owner, Ok(Applied::Done)),
        (Largest, Role::Writer, Ok(Applied::Done)),
    ] {
        let script = Script::new(64 << 10);
        let registry = kit::registry_with(Policy {
            size: policy,
            ..Policy::new(Duration::from_secs(60))
        })(&script, Io::Pty);
        let session = registry.create("script", Create::default()).await.unwrap();
        let before = session.info().size;
        let acted = session.act(role, "somebody", Intent::Resize(size));
        assert_eq!(acted, answer, "{policy:?}");
        let after = if answer.is_ok() { size } else { before };
        assert_eq!(session.info().size, after, "{policy:?}");
        let told = if answer.is_ok() {
            vec![Told::Resize(size)]
        } else {
            Vec::new()
        };
        assert_eq!(script.told(), told, "{policy:?}");
    }
}

#[tokio::test]
async fn a_picture_and_a_title_need_no_seat() {
    let (_registry, session, script) = session(64 << 10, Io::Pty).await;
    assert_eq!(session.title(), None);
    script
        .write(b"\x1b]0;the title\x07hello\r\n\x1b[1mworld")
        .await;
    let (offset, picture) = session.picture(true).await.unwrap();
    assert_eq!(offset, script.log.head());
    assert_eq!(picture.rows[..2], ["hello", "world"]);
    assert_eq!(picture.title.as_deref(), Some("the title"));
    assert_eq!(session.title().as_deref(), Some("the title"));
    assert_eq!(picture.cells.unwrap()[1][0].sgr, "1");
}

#[tokio::test]
async fn bytes_begin_at_the_oldest_one_kept_without_a_picture() {
    let (_registry, session, script) = session(64 << 10, Io::Pty).await;
    session.picture(false).await;
    for _ in 0..30 {
        script
            .write(&kit::reference(script.log.head(), 10_000))
            .await;
    }
    let extent = session.extent();
    assert!(extent.start > 0);
    let mut attachment = session.attach(options(Start::Bytes(5))).unwrap();
    assert_eq!(
        (attachment.welcome().from, attachment.welcome().keyframe),
        (extent.start, false)
    );
    let mut bytes = Vec::new();
    let output = next(&mut attachment, &mut bytes, 100).await;
    assert!(matches!(output, Output::Bytes { offset, .. } if offset == extent.start));
    assert_eq!(bytes, kit::reference(extent.start, bytes.len()));
}

/// A session that was made on request, and that nobody ever attaches to, lives as long as its service says.
#[tokio::test(start_paused = true)]
async fn what_is_used_without_a_seat_is_not_overdue() {
    let (registry, used, script) = session(64 << 10, Io::Pty).await;
    let swept = registry.clone();
    let ended = async |limit: u64| {
        let sweep = tokio::time::timeout(Duration::from_secs(limit), swept.sweep());
        assert!(sweep.await.is_err());
        !script.told().is_empty()
    };
    used.touch();
    assert!(!ended(500).await);
    used.act(Role::Writer, "w", Intent::Resize(Size::DEFAULT))
        .unwrap();
    assert!(!ended(500).await);
    assert!(ended(200).await);
    assert_eq!(script.told()[0], Told::Kill(ExitReason::Idle));
}

/// A picture of a large terminal takes a processor for a while, which must not be that of everybody's keys.
#[test]
fn pictures_are_not_drawn_where_connections_are_served() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(1)
        .build()
        .unwrap();
    runtime.block_on(async {
        let (_registry, session, script) = session(64 << 10, Io::Pty).await;
        script.write(b"seen").await;
        let (let_go, held) = std::sync::mpsc::channel::<()>();
        let busy = tokio::task::spawn_blocking(move || held.recv());
        let asked = session.clone();
        let drawing = tokio::spawn(async move { asked.picture(false).await });
        for _ in 0..1000 {
            tokio::task::yield_now().await;
        }
        assert!(!drawing.is_finished());
        drop(let_go);
        assert!(busy.await.unwrap().is_err());
        let (_, picture) = drawing.await.unwrap().unwrap();
        assert!(picture.rows[0].starts_with("seen"));
    });
}
