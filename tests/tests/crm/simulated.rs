//! The simulated CRM by itself: what `daybook simulate crm` offers to whoever builds against it.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use daybook_tests::SimulatedCrm;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;

const TOKEN: &str = "the token of the service API";
const SSO: &str = "the secret of the CRM's own tokens";
const ADA: &str = "/api/service/clients/ada%2Bone%40example.test";

async fn started() -> SimulatedCrm {
    let crm = SimulatedCrm::start(&[
        ("CRM_API_TOKEN", TOKEN),
        ("CRM_SSO_SECRET", SSO),
        ("API_URL", "https://site.example/"),
    ])
    .await;
    crm.knows(&json!({
        "email": "Ada+One@example.test",
        "externalId": "A-1",
        "accounts": [{ "number": 7 }],
    }))
    .await;
    crm
}

#[tokio::test(flavor = "multi_thread")]
async fn its_service_api_knows_whom_it_was_told_of() {
    let crm = started().await;
    for stranger in [crm.http().clone(), crm.http().bearer("another token")] {
        stranger.get(ADA).await.expecting(401);
    }
    let site = crm.http().bearer(TOKEN);
    let ada = site.get(ADA).await.expecting(200).json();
    assert_eq!(ada["externalId"], "A-1");
    assert_eq!(ada["kycStatus"], "none");
    let accounts = site.get("/api/service/accounts/ada+one@example.test").await;
    assert_eq!(accounts.expecting(200).json()["items"][0]["number"], 7);
    let change = json!({ "kycStatus": "pending", "documents": 1 });
    let changed = site.patch(&format!("{ADA}/kyc"), &change).await;
    assert_eq!(changed.expecting(200).json()["kycStatus"], "pending");
    let note = json!({ "comment": "called back", "by": "staff:1" });
    for _ in 0..2 {
        let said = site.call(reqwest::Method::POST, &format!("{ADA}/notes"));
        said.key("once").json(&note).send().await.expecting(201);
    }
    let activity = site.get(&format!("{ADA}/activity")).await.expecting(200);
    let activity = activity.json();
    let kinds: Vec<&Value> = activity["items"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|item| &item["kind"])
        .collect();
    assert_eq!(kinds, ["kyc", "note"], "the same key counts once");
    assert_eq!(activity["items"][1]["what"], note);
    for path in ["/api/service/clients/eve@example.test", "/api/service/x/y"] {
        site.get(path).await.expecting(404);
    }
    let garbled = site.patch(&format!("{ADA}/kyc"), &json!({})).await;
    garbled.expecting(400);
}

#[tokio::test(flavor = "multi_thread")]
async fn its_faults_hold_for_the_service_api_too() {
    let crm = started().await;
    let site = crm.http().bearer(TOKEN);
    crm.fails(&json!({ "fault": "error", "status": 503, "times": 1 }))
        .await;
    site.get(ADA).await.expecting(503);
    site.get(ADA).await.expecting(200);
    crm.fails(&json!({ "fault": "down", "matching": "/activity" }))
        .await;
    let cut = site.call(reqwest::Method::GET, &format!("{ADA}/activity"));
    assert!(cut.try_send().await.is_err());
    site.get(ADA).await.expecting(200);
    let answered: Vec<Value> = crm
        .calls()
        .await
        .into_iter()
        .map(|call| call["answered"].clone())
        .collect();
    assert_eq!(answered, [json!(503), json!(200), Value::Null, json!(200)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn it_makes_tokens_for_its_operators() {
    let crm = started().await;
    let wanted = json!({ "clientEmail": "ada@example.test", "impersonatedBy": "jane" });
    let made = crm.http().post("/control/sso", &wanted).await;
    let made = made.expecting(200);
    let token = made.text_at("/token");
    let url = format!("https://site.example/sso/impersonate?token={token}");
    assert_eq!(made.text_at("/url"), url);
    let (signed, signature) = token.rsplit_once('.').expect("a JWT");
    let mut mac = Hmac::<Sha256>::new_from_slice(SSO.as_bytes()).expect("any length is a key");
    mac.update(signed.as_bytes());
    let expected = URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes());
    assert_eq!(signature, expected);
    let claims = signed.split('.').nth(1).expect("claims");
    let claims = URL_SAFE_NO_PAD.decode(claims).expect("base64");
    let claims: Value = serde_json::from_slice(&claims).expect("JSON");
    assert_eq!(claims["clientEmail"], "ada@example.test");
    assert_eq!(claims["impersonatedBy"], "jane");
    let seconds = |name: &str| claims[name].as_i64().expect("a time");
    assert_eq!(seconds("exp") - seconds("iat"), 300);
    assert!(claims["jti"].as_str().is_some_and(|jti| jti.len() == 36));
    let lacking = crm.http().post("/control/sso", &json!({})).await;
    lacking.expecting(400);
}
