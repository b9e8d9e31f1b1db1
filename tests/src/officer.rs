//! Somebody of the broker's: taken in on the command line, signed in with password and code.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use uuid::Uuid;

use crate::{answer::Answer, app::App, client::Http, totp::code, wait::within};

/// Steps of an authenticator's clock, in seconds.
const STEP_S: u64 = 30;

/// A member of staff and what they sign in with.
pub struct Officer {
    /// Identifier.
    pub staff_id: Uuid,
    /// Address.
    pub email: String,
    /// The first password.
    pub password: String,
    /// Base32.
    pub secret: String,
}

impl Officer {
    /// Takes somebody in, beside the running server.
    ///
    /// # Panics
    /// When the command fails.
    pub async fn create(app: &App, role: &str) -> Self {
        let email = format!("{role}-{}@broker.test", Uuid::now_v7().simple());
        let arguments = ["staff", "create", "--email", &email, "--role", role];
        let told = told(app, &arguments).await;
        Self::of(&told)
    }

    /// What the command printed as JSON.
    ///
    /// # Panics
    /// When something is missing.
    #[must_use]
    pub fn of(told: &Value) -> Self {
        let text = |name: &str| match told[name].as_str() {
            Some(text) => text.to_owned(),
            None => panic!("no {name} in {told}"),
        };
        let url = text("otpauthUrl");
        let secret = url
            .split("secret=")
            .nth(1)
            .and_then(|rest| rest.split('&').next());
        Self {
            staff_id: text("staffId").parse().expect("a uuid"),
            email: text("email"),
            password: text("password"),
            secret: secret.expect("a secret in the URL").to_owned(),
        }
    }

    /// The code of this moment, or of so many steps beside it.
    #[must_use]
    pub fn code(&self, steps: i64) -> String {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = since.map_or(0, |since| since.as_secs());
        code(
            &self.secret,
            now.saturating_add_signed(steps * STEP_S.cast_signed()),
        )
    }

    /// Asks to sign in.
    pub async fn log_in(&self, http: &Http, totp: Option<&str>) -> Answer {
        let mut body = json!({ "email": self.email, "password": self.password });
        if let Some(totp) = totp {
            body["totp"] = json!(totp);
        }
        http.post("/staff/auth/login", &body).await
    }

    /// Signs in with the code of now; that of the step after it is still good.
    pub async fn sign_in(&self, http: &Http) -> Http {
        let session = self.log_in(http, Some(&self.code(0))).await;
        http.bearer(&session.expecting(200).text_at("/accessToken"))
    }
}

/// Somebody of this role, signed in.
pub async fn officer(app: &App, role: &str) -> (Officer, Http) {
    let officer = Officer::create(app, role).await;
    let http = officer.sign_in(&app.http).await;
    (officer, http)
}

/// Runs a command and reads the JSON that it prints.
///
/// # Panics
/// When it fails.
pub async fn told(app: &App, arguments: &[&str]) -> Value {
    let output = app.run(&[arguments, &["--json"]].concat()).await;
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {errors}");
    serde_json::from_slice(&output.stdout).expect("JSON")
}

/// Waits until a token is worth nothing, at most a second.
pub async fn refused_within_a_second(http: &Http, path: &str) {
    within(Duration::from_secs(1), "the end of the session", || async {
        (http.get(path).await.status == 401).then_some(())
    })
    .await;
}
