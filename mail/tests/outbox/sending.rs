//! To a mail server that takes mails, refuses them, is away, or does not know us.

use std::{net::TcpListener, time::Duration};

use daybook_domain::ClientCommand;

use crate::{sink::Sink, world::World};

#[tokio::test]
async fn a_mail_arrives_with_both_parts_under_the_rows_name() {
    let Some(mut sink) = Sink::start(&[]).await else {
        return;
    };
    let world = World::start().await.with_server(&sink.url());
    let outbox = world.outbox();
    let person = world.person().await;
    let mail = sink.next().await;
    let rows = world.rows_when(|rows| rows[0].sent).await;
    assert_eq!(mail["sender"], "no-reply@example.com");
    assert_eq!(mail["recipients"][0], person.email);
    assert_eq!(mail["type"], "multipart/alternative");
    let headers = &mail["headers"];
    assert_eq!(headers["subject"], "Confirm your e-mail address");
    assert_eq!(headers["from"], "Daybook <no-reply@example.com>");
    assert_eq!(headers["to"], person.email);
    assert_eq!(headers["auto-submitted"], "auto-generated");
    let id = format!("<{}@example.com>", rows[0].id);
    assert_eq!(headers["message-id"], id);
    for part in ["text", "html"] {
        let part = mail[part].as_str().unwrap();
        assert!(part.contains("/verify-email?token=ey"), "{part}");
    }
    assert_eq!(world.kept().list().unwrap(), [], "nothing is kept here");
    outbox.stop().await;
}

#[tokio::test]
async fn what_a_server_refuses_for_now_is_sent_later_and_once() {
    let refusals = ["451 try later", "452 and later"];
    let Some(mut sink) = Sink::start(&refusals).await else {
        return;
    };
    let world = World::start().await.with_server(&sink.url());
    let outbox = world.outbox();
    let person = world.person().await;
    for refusal in refusals {
        assert_eq!(sink.next().await["refused"], refusal);
    }
    assert_eq!(sink.next().await["recipients"][0], person.email);
    let rows = world.rows_when(|rows| rows[0].sent).await;
    assert_eq!((rows[0].attempts, &rows[0].last_error), (3, &None));
    assert!(sink.is_silent().await);
    outbox.stop().await;
}

#[tokio::test]
async fn what_a_server_refuses_for_ever_is_given_up_at_once() {
    let refusal = "550 5.1.1 <ada@example.com> user unknown";
    let Some(mut sink) = Sink::start(&[refusal]).await else {
        return;
    };
    let world = World::start().await.with_server(&sink.url());
    let outbox = world.outbox();
    world.person().await;
    assert_eq!(sink.next().await["refused"], refusal);
    let rows = world.rows_when(|rows| rows[0].given_up).await;
    assert_eq!(rows[0].attempts, 1);
    let why = rows[0].last_error.as_deref().unwrap();
    assert_eq!(why, "permanent error (550): 5.1.1 … user unknown");
    assert!(sink.is_silent().await);
    outbox.stop().await;
}

#[tokio::test]
async fn a_server_that_is_away_is_waited_for() {
    let port = {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().port()
    };
    let world = World::start().await;
    let world = world.with_server(&format!("smtp://127.0.0.1:{port}"));
    let outbox = world.outbox();
    let person = world.person().await;
    let rows = world
        .rows_when(|rows| !rows.is_empty() && rows[0].attempts >= 2)
        .await;
    let why = rows[0].last_error.as_deref().unwrap();
    assert!(why.contains("refused"), "{why}");
    let Some(mut sink) = Sink::start_at(port, "-", &[]).await else {
        return;
    };
    assert_eq!(sink.next().await["recipients"][0], person.email);
    world.rows_when(|rows| rows[0].sent).await;
    outbox.stop().await;
}

#[tokio::test]
async fn a_login_that_is_refused_is_no_reason_to_give_up() {
    let Some(mut sink) = Sink::start_at(0, "daybook:right", &[]).await else {
        return;
    };
    let with = |password: &str| format!("smtp://daybook:{password}@127.0.0.1:{}", sink.port);
    let (wrong, right) = (with("wrong"), with("right"));
    let world = World::start().await.with_server(&wrong);
    let outbox = world.outbox();
    let email = world.person().await.email;
    assert_eq!(sink.next().await["refused"], "535");
    let rows = world.rows_when(|rows| rows[0].last_error.is_some()).await;
    assert!(!rows[0].given_up, "{rows:?}");
    outbox.stop().await;
    let world = world.with_server(&right);
    let outbox = world.outbox();
    loop {
        let told = sink.next().await;
        if told.get("refused").is_none() {
            assert_eq!(told["recipients"][0], email);
            break;
        }
    }
    world.rows_when(|rows| rows[0].sent).await;
    outbox.stop().await;
}

/// The node dies between writing the mail down and sending it, and again after that.
#[tokio::test]
async fn a_restart_sends_what_was_not_sent_and_nothing_twice() {
    let Some(mut sink) = Sink::start(&[]).await else {
        return;
    };
    let mut world = World::start().await.with_server("smtp://127.0.0.1:1");
    world.config.pace.retry_first = Duration::from_secs(3600);
    let outbox = world.outbox();
    let mut person = world.person().await;
    person.does(&ClientCommand::RepeatRegistration).await;
    world
        .rows_when(|rows| rows.len() == 2 && rows.iter().all(|row| row.last_error.is_some()))
        .await;
    outbox.abort().await;
    drop(person);

    let world = world.with_server(&sink.url());
    world
        .execute("update public.mails set due_at = now()")
        .await;
    let outbox = world.outbox();
    let mut arrived = Vec::new();
    for _ in 0..2 {
        let mail = sink.next().await;
        arrived.push(mail["headers"]["message-id"].as_str().unwrap().to_owned());
    }
    let rows = world
        .rows_when(|rows| rows.iter().all(|row| row.sent))
        .await;
    let mut ids: Vec<_> = rows
        .iter()
        .map(|row| format!("<{}@example.com>", row.id))
        .collect();
    ids.sort_unstable();
    arrived.sort_unstable();
    assert_eq!(arrived, ids);
    outbox.abort().await;
    let outbox = world.outbox();
    assert!(sink.is_silent().await);
    outbox.stop().await;
}

#[tokio::test]
async fn a_mail_that_was_under_way_when_its_node_died_is_sent_after_its_claim() {
    let Some(mut sink) = Sink::start(&[]).await else {
        return;
    };
    let mut world = World::start().await.with_server(&sink.url());
    world.config.pace.claim = Duration::from_secs(2);
    let person = world.person().await;
    // As a node leaves it that dies after the claim: counted, and not due yet.
    let outbox = world.outbox();
    world
        .rows_when(|rows| !rows.is_empty() && rows[0].sent)
        .await;
    sink.next().await;
    outbox.abort().await;
    world
        .execute(
            "update public.mails set sent_at = null, attempts = 1, \
                 due_at = clock_timestamp() + interval '2 seconds'",
        )
        .await;
    let outbox = world.outbox();
    assert!(sink.is_silent().await, "the claim still holds");
    assert_eq!(sink.next().await["recipients"][0], person.email);
    world
        .rows_when(|rows| rows[0].sent && rows[0].attempts == 2)
        .await;
    outbox.stop().await;
}

/// A server without TLS gets nothing where TLS was asked for.
#[tokio::test]
async fn a_mail_for_a_secure_server_goes_to_no_other() {
    let Some(mut sink) = Sink::start(&[]).await else {
        return;
    };
    let port = sink.port;
    for url in [
        format!("smtps://127.0.0.1:{port}"),
        format!("smtp://127.0.0.1:{port}?tls=required"),
    ] {
        let world = World::start().await.with_server(&url);
        let outbox = world.outbox();
        world.person().await;
        let failed = |row: &crate::world::Row| row.attempts > 1 && row.last_error.is_some();
        let rows = world.rows_when(|rows| rows.iter().any(failed)).await;
        assert!(!rows[0].sent && !rows[0].given_up, "{url}: {rows:?}");
        println!("{url}: {:?}", rows[0].last_error);
        outbox.stop().await;
    }
    assert!(sink.is_silent().await);
}
