//! From asking to money, or to nothing; and money that is not there.

use daybook_tests::World;
use serde_json::{Value, json};

use super::{cancel, decide, deposit, done, funded, history, money, refused, requested, withdraw};

#[tokio::test(flavor = "multi_thread")]
async fn a_deposit_is_money_once_staff_say_that_it_has_come() {
    let world = World::start().await;
    let trader = world.verified_trader().await;
    let first = requested(deposit(&trader, "500.5").await);
    let items = history(&world, &trader).await;
    assert_eq!(items.len(), 1);
    let item = &items[0];
    assert_eq!(
        (&item["requestId"], &item["accountId"], &item["method"]),
        (&json!(first), &json!(trader.live), &json!("card"))
    );
    let told = ["kind", "amount", "currency", "status"].map(|name| item[name].clone());
    assert_eq!(told, ["deposit", "500.50", "USD", "requested"]);
    assert!(item.get("reason").is_none() && item.get("destination").is_none());
    assert_eq!(item["createdAt"], item["updatedAt"]);

    let listed = done(&world, &["funding", "list"]).await;
    assert!(
        listed.contains(&first) && listed.contains("card"),
        "{listed}"
    );
    decide(&world, "approve", &first).await;
    assert_eq!(money(&world, &trader).await, ["0.00", "0.00", "0.00"]);
    refused(&world, "approve", &first, "funding_not_open").await;
    cancel(&trader, &first)
        .await
        .problem(409, "funding_not_open");
    let complete = ["funding", "complete", &first, "--reference", "TX-1"];
    done(&world, &complete).await;
    assert_eq!(money(&world, &trader).await, ["500.50", "0.00", "500.50"]);
    let item = history(&world, &trader).await.remove(0);
    assert_eq!(
        (&item["status"], &item["reference"]),
        (&json!("completed"), &json!("TX-1"))
    );
    for verdict in ["approve", "complete", "reject"] {
        refused(&world, verdict, &first, "funding_not_open").await;
    }
    cancel(&trader, &first)
        .await
        .problem(409, "funding_not_open");
    assert_eq!(money(&world, &trader).await[0], "500.50", "paid once");

    let second = requested(deposit(&trader, "1").await);
    let reject = [
        "funding",
        "reject",
        &second,
        "--reason",
        "a stranger's card",
    ];
    done(&world, &reject).await;
    let third = requested(deposit(&trader, "2").await);
    cancel(&trader, &third).await.expecting(204);
    let items = history(&world, &trader).await;
    let told: Vec<_> = items.iter().map(|item| item["status"].clone()).collect();
    assert_eq!(told, ["cancelled", "rejected", "completed"]);
    assert_eq!(items[1]["reason"], "a stranger's card");
    assert!(!done(&world, &["funding", "list"]).await.contains(&first));
    let all = done(&world, &["funding", "list", "--all", "--json"]).await;
    let all: Value = serde_json::from_str(&all).expect("JSON");
    assert_eq!(all.as_array().map(Vec::len), Some(3));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_withdrawal_holds_its_amount_from_its_asking_to_its_end() {
    let world = World::start().await;
    let trader = funded(&world, "1000").await;
    let paid = requested(withdraw(&trader, "400").await);
    assert_eq!(
        money(&world, &trader).await,
        ["1000.00", "400.00", "600.00"]
    );
    let back = requested(withdraw(&trader, "100").await);
    let refused_one = requested(withdraw(&trader, "50").await);
    assert_eq!(
        money(&world, &trader).await,
        ["1000.00", "550.00", "450.00"]
    );
    cancel(&trader, &back).await.expecting(204);
    decide(&world, "reject", &refused_one).await;
    assert_eq!(
        money(&world, &trader).await,
        ["1000.00", "400.00", "600.00"]
    );
    decide(&world, "approve", &paid).await;
    cancel(&trader, &paid)
        .await
        .problem(409, "funding_not_open");
    decide(&world, "complete", &paid).await;
    assert_eq!(money(&world, &trader).await, ["600.00", "0.00", "600.00"]);
    cancel(&trader, &back)
        .await
        .problem(409, "funding_not_open");
    refused(&world, "complete", &refused_one, "funding_not_open").await;
    // Completed directly.
    let direct = requested(withdraw(&trader, "600").await);
    decide(&world, "complete", &direct).await;
    assert_eq!(money(&world, &trader).await, ["0.00", "0.00", "0.00"]);
    assert_eq!(
        world.book.event_types(trader.live).await[1..],
        [
            "FundsAdjusted",
            "WithdrawalRequested",
            "WithdrawalRequested",
            "WithdrawalRequested",
            "WithdrawalCancelled",
            "WithdrawalRejected",
            "WithdrawalApproved",
            "WithdrawalCompleted",
            "WithdrawalRequested",
            "WithdrawalCompleted",
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn money_that_is_not_there_is_refused_in_the_contracts_own_words() {
    let world = World::start().await;
    let trader = funded(&world, "250").await;
    let head = world.book.head().await;
    let answer = withdraw(&trader, "500").await;
    answer.problem(400, "insufficient_funds");
    let request_id = answer.header("x-request-id").expect("a request id");
    let expected = format!(
        r#"{{"type":"urn:daybook:error:insufficient_funds","title":"Insufficient funds","status":400,"detail":"250.00 USD is available, 500.00 USD is required","code":"insufficient_funds","requestId":"{request_id}","error":"Insufficient real funds for withdrawal","required":500.00,"available":250.00}}"#
    );
    assert_eq!(answer.text, expected, "byte for byte");
    assert_eq!(world.book.head().await, head, "nothing was appended");
    assert_eq!(history(&world, &trader).await, Vec::<Value>::new());

    // Completion looks again: what was held may have been lost meanwhile.
    let request = requested(withdraw(&trader, "250").await);
    let live = trader.live.to_string();
    let fee = ["accounts", "adjust", &live, "-10", "--bucket", "real"];
    done(&world, &fee).await;
    refused(&world, "complete", &request, "insufficient_funds").await;
    assert_eq!(money(&world, &trader).await, ["240.00", "250.00", "0.00"]);
}
