//! Names are the contract: every item has the documented fields, and no others.

use std::collections::BTreeSet;

use daybook_tests::World;
use serde_json::{Value, json};

#[track_caller]
fn has_fields(item: &Value, documented: &str) {
    let members = item.as_object().expect("an object");
    let found: BTreeSet<_> = members.keys().map(String::as_str).collect();
    let documented: BTreeSet<_> = documented.split_whitespace().collect();
    assert_eq!(found, documented, "{item}");
}

const ACCOUNT: &str = "accountId number kind mode currency leverage balance realBalance demoBalance
    bonusBalance held equity unrealised usedMargin freeMargin marginLevel withdrawable state
    asOfPosition";
const POSITION: &str = "positionId symbol side volume openPrice openTime stopLoss takeProfit
    trailingDistance currentPrice unrealised swap commission usedMargin";
const ORDER: &str =
    "orderId symbol side type status volume limitPrice stopPrice stopLoss takeProfit
    trailingDistance timeInForce expiresAt clientOrderId createdAt updatedAt";
const DEAL: &str =
    "kind dealId orderId positionId symbol side volume price realised commission swap
    reason time";
const RECEIPT: &str =
    "dealId quoteBid quoteAsk quoteAt source spreadMarkup slippage price commission
    conversion ruleVersion stream sequence position hash";
const SYMBOL: &str = "symbol name class base quote digits contractSize minVolume maxVolume
    volumeStep maxLeverage swapLong swapShort sessionOpen enabled";

#[tokio::test(flavor = "multi_thread")]
async fn items_have_the_documented_fields() {
    let world = World::start().await;
    let trader = world.trader().await;
    let filled = trader.market("EURUSD", "buy", "0.10").await;
    let limit = json!({ "symbol": "EURUSD", "side": "buy", "type": "limit", "volume": "0.10", "limitPrice": "1.05000" });
    let working = trader.order(&limit).await.expecting(201);

    has_fields(&trader.account().await.json(), ACCOUNT);
    has_fields(&trader.positions().await[0], POSITION);
    has_fields(&trader.working_orders().await[0], ORDER);
    has_fields(&trader.items("/trading/history").await[0], DEAL);
    let receipt = format!("/trading/execution/{}", filled.text_at("/execution/dealId"));
    has_fields(
        &trader.http.get(&receipt).await.expecting(200).json(),
        RECEIPT,
    );
    let symbols = trader
        .http
        .get("/market/symbols")
        .await
        .expecting(200)
        .json();
    has_fields(&symbols[0], SYMBOL);
    let quotes = trader
        .http
        .get("/market/quotes?symbols=EURUSD")
        .await
        .json();
    has_fields(&quotes[0], "symbol bid ask time stale");
    let accounts = trader.http.get("/user/accounts").await.json();
    has_fields(
        &accounts[0],
        "accountId number kind mode currency leverage balance state",
    );
    let me = trader.http.get("/user/me").await.json();
    has_fields(
        &me,
        "clientId email emailVerified firstName lastName phone country kycStatus tier
         twoFactorEnabled tradingEnabled defaultAccountId",
    );

    has_fields(&filled.json(), "orderId status positionId execution");
    has_fields(&working.json(), "orderId status");
    let close = format!("/trading/close/{}", filled.text_at("/positionId"));
    let closed = trader.http.post(&close, &json!({})).await.expecting(200);
    has_fields(
        &closed.json(),
        "dealId positionId closedVolume price realised remainingVolume",
    );
}
