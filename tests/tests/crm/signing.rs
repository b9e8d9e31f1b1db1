//! Signatures: ours by arithmetic of the tests' own, and by the Standard Webhooks library.

use std::{env, path::PathBuf, process::Stdio};

use daybook_tests::binary::repository;
use serde_json::json;
use tokio::{io::AsyncWriteExt as _, process::Command};

use crate::support::{SECRET, Told};

const STANDARD: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// Verifies with the library's own code; prints the event's name.
const VERIFY: &str = "
import json, sys
from standardwebhooks.webhooks import Webhook, WebhookVerificationError
given = json.load(sys.stdin)
body = Webhook(given['secret']).verify(given['body'], given['headers'])
try:
    Webhook(given['secret']).verify(given['body'] + ' ', given['headers'])
    sys.exit('a changed body was believed')
except WebhookVerificationError:
    print(body['event'])
";

#[tokio::test(flavor = "multi_thread")]
async fn during_a_rotation_both_secrets_sign() {
    let told = Told::start_with(|launch| {
        launch
            .set("SITE_WEBHOOK_SECRET", STANDARD)
            .set("SITE_WEBHOOK_SECRET_PREVIOUS", SECRET)
    })
    .await;
    told.world.trader().await;
    told.settled().await;
    let received = told.crm.all();
    assert!(!received.is_empty());
    for one in received {
        one.assert_signed(STANDARD, 0);
        one.assert_signed(SECRET, 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_library_of_standard_webhooks_believes_a_delivery() {
    let Some(python) = python().await else {
        return;
    };
    let told = Told::start_with(|launch| launch.set("SITE_WEBHOOK_SECRET", STANDARD)).await;
    told.world.trader().await;
    told.settled().await;
    let one = told.crm.all().remove(0);
    let given = json!({ "secret": STANDARD, "body": one.body, "headers": one.headers });
    let mut verifying = Command::new(&python)
        .args(["-c", VERIFY])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .expect("python runs");
    let mut stdin = verifying.stdin.take().expect("it is piped");
    let text = given.to_string();
    stdin.write_all(text.as_bytes()).await.expect("it reads");
    drop(stdin);
    let output = verifying.wait_with_output().await.expect("it ends");
    assert!(output.status.success());
    let printed = String::from_utf8_lossy(&output.stdout);
    assert_eq!(printed.trim(), one.event());
}

/// The Python that scripts/test sets up; none (and a note) where it was not.
async fn python() -> Option<PathBuf> {
    let named = env::var_os("DAYBOOK_PYTHON").map(PathBuf::from);
    let python = named.unwrap_or_else(|| repository().join(".venv/bin/python"));
    let tried = Command::new(&python)
        .args(["-c", "import standardwebhooks"])
        .output()
        .await;
    if tried.is_ok_and(|output| output.status.success()) {
        return Some(python);
    }
    let missing = format!("{} has no standardwebhooks", python.display());
    let is_ci = env::var("CI").as_deref() == Ok("true");
    assert!(!is_ci, "{missing}; scripts/test installs it");
    eprintln!("SKIPPED: {missing}");
    None
}
