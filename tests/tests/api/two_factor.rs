//! The second factor: set up, proved, asked for, used up, switched off.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use daybook_tests::{
    Answer, Trader, World,
    client::PASSWORD,
    python,
    totp::{code, oathtool},
};
use serde_json::{Value, json};

fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.expect("after 1970").as_secs()
}

/// A client whose sign-in asks for codes.
pub(crate) struct Guarded {
    pub(crate) trader: Trader,
    secret: String,
    recovery: Vec<String>,
}

impl Guarded {
    pub(crate) async fn new(world: &World) -> Self {
        let trader = world.trader().await;
        let setup = trader
            .http
            .post("/auth/2fa/setup", &json!({}))
            .await
            .expecting(200);
        let secret = setup.text_at("/secret");
        let body = json!({ "code": code(&secret, now()) });
        let on = trader
            .http
            .post("/auth/2fa/verify", &body)
            .await
            .expecting(200);
        let recovery: Vec<String> =
            serde_json::from_value(on.json()["recoveryCodes"].clone()).expect("texts");
        Self {
            trader,
            secret,
            recovery,
        }
    }

    async fn sign_in(&self, world: &World, totp: Option<&str>) -> Answer {
        let mut body = json!({ "email": self.trader.email, "password": PASSWORD });
        if let Some(totp) = totp {
            body["totp"] = json!(totp);
        }
        world.app.http.post("/auth/login", &body).await
    }

    /// Of the step after the one that was used up: a clock may be a step off.
    fn code(&self) -> String {
        code(&self.secret, now() + 30)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_asked_for_only_once_it_was_proved() {
    let world = World::start().await;
    let trader = world.trader().await;
    let setup = trader
        .http
        .post("/auth/2fa/setup", &json!({}))
        .await
        .expecting(200);
    assert!(
        setup
            .text_at("/otpauthUrl")
            .starts_with("otpauth://totp/Daybook:")
    );
    assert!(setup.text_at("/qrSvg").contains("<svg"));
    world
        .app
        .http
        .sign_in(trader.client_id, &trader.email)
        .await;
    let wrong = json!({ "code": "000000" });
    let answer = trader.http.post("/auth/2fa/verify", &wrong).await;
    // One in three hundred thousand that it is right.
    answer.problem(400, "invalid_code");
    let me = trader.http.get("/user/me").await.expecting(200).json();
    assert_eq!(me["twoFactorEnabled"], false);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_password_alone_opens_nothing_any_more() {
    let world = World::start().await;
    let guarded = Guarded::new(&world).await;
    let me = guarded
        .trader
        .http
        .get("/user/me")
        .await
        .expecting(200)
        .json();
    assert_eq!(me["twoFactorEnabled"], true);
    guarded
        .sign_in(&world, None)
        .await
        .problem(401, "totp_required");
    guarded
        .sign_in(&world, Some("12345"))
        .await
        .problem(401, "invalid_credentials");
    guarded
        .sign_in(&world, Some(&guarded.code()))
        .await
        .expecting(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_works_once_however_many_try_it() {
    let world = World::start().await;
    let guarded = Guarded::new(&world).await;
    let code = guarded.code();
    let tries = (0..20).map(|_| guarded.sign_in(&world, Some(&code)));
    let answers = futures::future::join_all(tries).await;
    let opened = answers.iter().filter(|answer| answer.status == 200).count();
    assert_eq!(opened, 1);
    for answer in answers.iter().filter(|answer| answer.status != 200) {
        answer.problem(401, "invalid_credentials");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn recovery_codes_are_ten_and_each_works_once() {
    let world = World::start().await;
    let guarded = Guarded::new(&world).await;
    assert_eq!(guarded.recovery.len(), 10);
    // Of 31 letters and digits 28 have 138 bits.
    let letters = guarded
        .recovery
        .iter()
        .map(|code| code.replace('-', "").len());
    assert!(letters.into_iter().all(|count| count == 28));
    let shouted = guarded.recovery[3].to_uppercase().replace('-', " ");
    guarded.sign_in(&world, Some(&shouted)).await.expecting(200);
    let again = guarded.sign_in(&world, Some(&guarded.recovery[3])).await;
    again.problem(401, "invalid_credentials");
    let other = guarded.sign_in(&world, Some(&guarded.recovery[4])).await;
    other.expecting(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn guessing_codes_blocks_the_account() {
    let world = World::start_with(|launch| launch.set("LOGIN_BLOCK_AFTER", "5")).await;
    let guarded = Guarded::new(&world).await;
    for _ in 0..5 {
        let guess = guarded.sign_in(&world, Some("999999")).await;
        guess.problem(401, "invalid_credentials");
    }
    let right = guarded.sign_in(&world, Some(&guarded.code())).await;
    right.problem(429, "sign_in_blocked");
}

#[tokio::test(flavor = "multi_thread")]
async fn it_goes_off_with_password_and_code() {
    let world = World::start().await;
    let guarded = Guarded::new(&world).await;
    let http = &guarded.trader.http;
    let off = async |password: &str, code: &str| {
        let body = json!({ "password": password, "code": code });
        http.post("/auth/2fa/disable", &body).await
    };
    let code = guarded.code();
    off("not-the-password", &code)
        .await
        .problem(401, "invalid_credentials");
    off(PASSWORD, "000000").await.problem(400, "invalid_code");
    http.post("/auth/2fa/setup", &json!({}))
        .await
        .problem(409, "two_factor_on");
    off(PASSWORD, &code).await.expecting(204);
    off(PASSWORD, &code).await.problem(409, "two_factor_off");
    guarded.sign_in(&world, None).await.expecting(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_stands_in_the_book_or_in_the_clear() {
    let world = World::start().await;
    let guarded = Guarded::new(&world).await;
    let stored = world.book.kept_of_clients().await;
    assert!(!stored.contains(&guarded.secret));
    for code in &guarded.recovery {
        assert!(!stored.contains(code.as_str()));
    }
    let types = world
        .book
        .client_event_types(guarded.trader.client_id)
        .await;
    assert!(types.iter().any(|name| name == "TwoFactorEnabled"));
}

/// A second voice on what a code is.
#[tokio::test(flavor = "multi_thread")]
async fn pyotp_and_pyjwt_agree() {
    let world = World::start().await;
    let guarded = Guarded::new(&world).await;
    let theirs = python::run(
        "import pyotp, sys; print(pyotp.TOTP(sys.argv[1]).at(int(sys.argv[2])))",
        &[&guarded.secret, &(now() + 30).to_string()],
    );
    let session = guarded
        .sign_in(&world, Some(theirs.trim()))
        .await
        .expecting(200);
    let access = session.text_at("/accessToken");
    let claims = python::run(
        "import jwt, json, sys\n\
         claims = jwt.decode(sys.argv[1], sys.argv[2], algorithms=['HS256'], \
             audience='daybook-api', issuer='daybook')\n\
         print(json.dumps(claims))",
        &[&access, "tests-access-secret-0123456789abcdef"],
    );
    let claims: Value = serde_json::from_str(&claims).expect("JSON");
    assert_eq!(claims["sub"], guarded.trader.client_id.to_string());
    assert_eq!(claims["typ"], "access");
    let left = claims["exp"].as_u64().expect("a time") - now();
    assert!(left <= Duration::from_secs(900).as_secs());
}

/// A third one: the authenticator of the command line.
#[tokio::test(flavor = "multi_thread")]
async fn oathtool_agrees() {
    let world = World::start().await;
    let trader = world.trader().await;
    let setup = trader.http.post("/auth/2fa/setup", &json!({})).await;
    let secret = setup.expecting(200).text_at("/secret");
    let Some([this_step, _]) = oathtool(&secret) else {
        return;
    };
    let verified = trader
        .http
        .post("/auth/2fa/verify", &json!({ "code": this_step }))
        .await;
    verified.expecting(200);
    let sign_in = async |totp: &str| {
        let body = json!({ "email": trader.email, "password": PASSWORD, "totp": totp });
        world.app.http.post("/auth/login", &body).await
    };
    // What proved the factor is used up; the code after it is none yet.
    sign_in(&this_step)
        .await
        .problem(401, "invalid_credentials");
    let [_, next] = oathtool(&secret).expect("it was there a moment ago");
    sign_in(&next).await.expecting(200);
}
