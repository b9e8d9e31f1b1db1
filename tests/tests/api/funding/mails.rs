//! What becomes of money is told by mail too.

use daybook_tests::{Trader, World, mailbox};
use serde_json::Value;

use super::{cancel, decide, deposit, done, funded, requested, withdraw};

/// The only mail with these words in its subject.
async fn mail(world: &World, trader: &Trader, subject: &str) -> String {
    let mail: Value = mailbox::newest(&world.app, &trader.email, subject, 1).await;
    mail["text"].as_str().expect("a text").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_step_of_a_request_is_told_by_mail_with_its_amount() {
    let world = World::start().await;
    let trader = funded(&world, "1000.00").await;
    let arrived = requested(deposit(&trader, "250.00").await);
    decide(&world, "approve", &arrived).await;
    let complete = ["funding", "complete", &arrived, "--reference", "SEPA-8841"];
    done(&world, &complete).await;
    let refused = requested(deposit(&trader, "70.00").await);
    let reject = ["funding", "reject", &refused, "--reason", "no such card"];
    done(&world, &reject).await;
    let paid = requested(withdraw(&trader, "120.50").await);
    decide(&world, "approve", &paid).await;
    decide(&world, "complete", &paid).await;

    let text = mail(&world, &trader, "deposit has arrived").await;
    assert!(
        text.contains("250.00 USD") && text.contains("SEPA-8841"),
        "{text}"
    );
    let text = mail(&world, &trader, "deposit was rejected").await;
    assert!(
        text.contains("70.00 USD") && text.contains("no such card"),
        "{text}"
    );
    for step in ["withdrawal was approved", "withdrawal was paid"] {
        let text = mail(&world, &trader, step).await;
        assert!(text.contains("120.50 USD"), "{text}");
        assert!(!text.contains("Reference"), "nobody gave one: {text}");
    }
    let text = mail(&world, &trader, "withdrawal was requested").await;
    assert!(
        text.contains("120.50 USD") && text.contains("change your password"),
        "{text}"
    );

    // The client's own cancellation is no news to the client.
    let taken_back = requested(withdraw(&trader, "10.00").await);
    cancel(&trader, &taken_back).await.expecting(204);
    mailbox::newest(&world.app, &trader.email, "withdrawal was requested", 2).await;
    let output = world.app.run(&["--json", "mail", "list"]).await;
    let listed: Vec<Value> = serde_json::from_slice(&output.stdout).expect("JSON");
    let ended = |mail: &&Value| {
        mail["subject"]
            .as_str()
            .is_some_and(|it| it.contains("ended"))
    };
    assert_eq!(listed.iter().filter(ended).count(), 0, "{listed:?}");
}
