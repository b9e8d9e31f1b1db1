//! Mails of the running program, kept in its data directory.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    time::Duration,
};

use daybook_tests::{World, client::registration, within};
use serde_json::Value;

/// From the answer of a request to the mail that it causes, the command's own start included.
const SOON: Duration = Duration::from_secs(3);

async fn command(world: &World, arguments: &[&str]) -> Value {
    let output = world.app.run(arguments).await;
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{arguments:?}: {told}");
    serde_json::from_slice(&output.stdout).expect("JSON")
}

/// The mails to an address, once there are some.
async fn mails_to(world: &World, email: &str) -> Vec<Value> {
    within(SOON, &format!("a mail to {email}"), || async {
        let listed = command(world, &["mail", "list", "--json"]).await;
        let mut mails = listed.as_array().expect("an array").clone();
        mails.retain(|mail| mail["to"] == email);
        (!mails.is_empty()).then_some(mails)
    })
    .await
}

fn mode(path: &Path) -> u32 {
    let metadata = fs::metadata(path).expect("it is there");
    metadata.permissions().mode() & 0o777
}

#[tokio::test(flavor = "multi_thread")]
async fn who_registers_gets_a_mail_with_a_link() {
    let world =
        World::start_with(|launch| launch.set("APP_URL", "https://trade.example.com")).await;
    let email = "ada.mail@example.test";
    let body = registration(email);
    let registered = world.app.http.post("/auth/register", &body).await;
    registered.expecting(201);
    let mails = mails_to(&world, email).await;
    let [mail] = mails.as_slice() else {
        panic!("one mail expected: {mails:?}");
    };
    assert_eq!(mail["subject"], "Confirm your e-mail address");
    let sent_at = mail["sentAt"].as_str().unwrap_or_default();
    assert!(sent_at.ends_with('Z'), "{sent_at}");
    let link = "https://trade.example.com/verify-email?token=";
    let token = |part: &str| {
        let part = mail[part].as_str().unwrap_or_default();
        let (_, from) = part.split_once(link).expect("a link");
        let end = from.find(|c: char| !(c.is_alphanumeric() || "-_.".contains(c)));
        from[..end.unwrap_or(from.len())].to_owned()
    };
    assert_eq!(token("text").split('.').count(), 3, "{}", token("text"));
    assert_eq!(token("text"), token("html"));

    let id = mail["id"].as_str().unwrap_or_default();
    let shown = command(&world, &["mail", "show", id, "--json"]).await;
    assert_eq!(shown, *mail);
    let output = world.app.run(&["mail", "show", id]).await;
    assert!(String::from_utf8_lossy(&output.stdout).contains(link));
    let unknown = "00000000-0000-5000-8000-000000000000";
    let output = world.app.run(&["mail", "show", unknown]).await;
    assert_eq!(output.status.code(), Some(1));
    let output = world.app.run(&["mail", "list"]).await;
    assert!(String::from_utf8_lossy(&output.stdout).contains(email));

    let directory = PathBuf::from(world.app.launch().get("DAYBOOK_DATA_DIR").expect("set"));
    let directory = directory.join("mails");
    assert_eq!(mode(&directory), 0o700);
    for file in fs::read_dir(&directory).expect("it is there") {
        assert_eq!(mode(&file.expect("an entry").path()), 0o600);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_server_sends_no_mail_twice() {
    let mut world = World::start().await;
    let trader = world.trader().await;
    mails_to(&world, &trader.email).await;
    world.app.kill().await;
    world.app.launch_again();
    world.app.ready().await;
    let other = world.trader().await;
    mails_to(&world, &other.email).await;
    assert_eq!(mails_to(&world, &trader.email).await.len(), 1);
}

/// A mail server that nobody answers for holds up nothing, and its password is shown nowhere.
#[tokio::test(flavor = "multi_thread")]
async fn a_mail_server_that_is_away_holds_up_nothing() {
    let world = World::start_with(|launch| {
        launch
            .set("SMTP_URL", "smtp://daybook:hunter2@127.0.0.1:1")
            .set("MAIL_FROM", "Desk <desk@example.com>")
    })
    .await;
    let trader = world.trader().await;
    trader.market("EURUSD", "buy", "0.10").await;
    world.app.logged("mail failed").await;
    let (status, health) = world.app.health().await.expect("it answers");
    assert_eq!(status, 200, "{health}");
    let shown = command(&world, &["config", "--json"]).await;
    assert!(!shown.to_string().contains("hunter2"));
    assert!(shown.to_string().contains("Desk <desk@example.com>"));
    assert!(!world.app.stderr().contains("hunter2"));
    assert!(!world.app.stderr().contains(&trader.email));
    let kept = command(&world, &["mail", "list", "--json"]).await;
    assert_eq!(kept, serde_json::json!([]));
}
