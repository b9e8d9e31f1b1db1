//! Second factors: codes of an authenticator (RFC 6238: SHA-1, six digits, 30 seconds) and recovery
//! codes.

use chrono::{DateTime, Utc};
use daybook_domain::client::Factor;
use daybook_store::{Keyring, StoreError, SubjectKey};
use qrcode::{
    QrCode,
    render::{svg, unicode},
};
use rand::RngExt as _;
use totp_rs::{Builder, Secret, Totp};

use crate::problem::{Answered, Code, Problem};

/// The secret in force, sealed.
pub(crate) const SECRET_TOTP: &str = "totp";
/// One that was set up and not proved yet, sealed.
pub(crate) const SECRET_TOTP_PENDING: &str = "totp_pending";
/// JSON array of keyed hashes, in the codes' order.
pub(crate) const SECRET_RECOVERY: &str = "recovery_codes";

const ISSUER: &str = "Daybook";
/// 160 bits, as RFC 4226 asks for.
const SECRET_BYTES: usize = 20;
const STEP_S: u64 = 30;
/// Steps that clocks may differ by.
const SKEW: u16 = 1;
const RECOVERY_CODES: usize = 10;
const RECOVERY_KIND: &str = "recovery_code";
/// Without letters and digits that look alike: 138 bits in seven groups of four.
const RECOVERY_ALPHABET: &[u8; 31] = b"abcdefghjkmnpqrstuvwxyz23456789";
const RECOVERY_GROUPS: usize = 7;
const RECOVERY_GROUP: usize = 4;
const QR_SIDE: u32 = 200;

/// A second factor to be set up.
pub(crate) struct Setup {
    /// Base32, for typing.
    pub(crate) secret: String,
    /// For a click.
    pub(crate) url: String,
    /// For a camera.
    pub(crate) qr_svg: String,
}

/// The same for a camera in front of a terminal.
pub(crate) fn qr_text(url: &str) -> Answered<String> {
    let code = QrCode::new(url.as_bytes()).map_err(failed)?;
    Ok(code.render::<unicode::Dense1x2>().build())
}

/// Makes a new secret for the address that the authenticator will show.
pub(crate) fn set_up(email: &str) -> Answered<Setup> {
    let mut bytes = [0_u8; SECRET_BYTES];
    rand::rng().fill(&mut bytes);
    let secret = Secret::from(bytes.to_vec());
    let base32 = secret.to_base32();
    // A colon separates the issuer in the label.
    let account = email.replace(':', " ");
    let url = builder(secret)
        .with_account_name(account)
        .with_issuer(Some(ISSUER))
        .build()
        .and_then(|totp| totp.to_url())
        .map_err(failed)?;
    let code = QrCode::new(url.as_bytes()).map_err(failed)?;
    let image = code.render::<svg::Color<'_>>();
    let qr_svg = { image }.min_dimensions(QR_SIDE, QR_SIDE).build();
    Ok(Setup {
        secret: base32,
        url,
        qr_svg,
    })
}

/// The time step that a code is of, if it is right at `now`, give or take a step.
pub(crate) fn step_of(secret: &str, code: &str, now: DateTime<Utc>) -> Answered<Option<i64>> {
    let seconds = u64::try_from(now.timestamp()).unwrap_or_default();
    let found = totp(secret)?.check(code.trim(), seconds);
    Ok(found.and_then(|step| i64::try_from(step).ok()))
}

fn totp(secret: &str) -> Answered<Totp> {
    let secret = Secret::try_from_base32(secret).map_err(failed)?;
    builder(secret)
        .with_account_name(ISSUER)
        .with_issuer(None::<&str>)
        .build()
        .map_err(failed)
}

fn builder(secret: Secret) -> Builder {
    Builder::new()
        .with_secret(secret)
        .with_skew(SKEW)
        .with_step_duration(STEP_S)
}

fn failed(error: impl std::fmt::Display) -> Problem {
    tracing::error!("a second factor could not be made or read: {error}");
    Problem::new(Code::Internal)
}

/// New recovery codes, and what is kept of them.
pub(crate) fn recovery_codes(keys: &Keyring) -> (Vec<String>, String) {
    let mut random = rand::rng();
    let mut code = || {
        let mut letter = || {
            let place = random.random_range(0..RECOVERY_ALPHABET.len());
            char::from(RECOVERY_ALPHABET[place])
        };
        let groups: Vec<String> = (0..RECOVERY_GROUPS)
            .map(|_| (0..RECOVERY_GROUP).map(|_| letter()).collect())
            .collect();
        groups.join("-")
    };
    let codes: Vec<String> = (0..RECOVERY_CODES).map(|_| code()).collect();
    let hashes: Vec<String> = codes.iter().map(|code| recovery_hash(keys, code)).collect();
    let kept = serde_json::to_string(&hashes).expect("invariant: texts are JSON");
    (codes, kept)
}

/// What was shown, as far as it is right in itself; whether it was used before is the client's
/// stream to say.
pub(crate) fn factor_of(
    keys: &Keyring,
    key: &SubjectKey,
    kept: &Kept,
    shown: &str,
    now: DateTime<Utc>,
) -> Answered<Option<Factor>> {
    let plain = shown.trim();
    if plain.len() == 6 && plain.bytes().all(|byte| byte.is_ascii_digit()) {
        let secret = open(key, SECRET_TOTP, &kept.totp)?;
        let step = step_of(&secret, plain, now)?;
        return Ok(step.map(|step| Factor::Totp { step }));
    }
    let hashes: Vec<String> = serde_json::from_str(&kept.recovery).map_err(failed)?;
    let shown = recovery_hash(keys, plain);
    let index = hashes.iter().position(|hash| *hash == shown);
    let index = index.and_then(|index| u8::try_from(index).ok());
    Ok(index.map(|index| Factor::RecoveryCode { index }))
}

/// What is kept of a second factor.
pub(crate) struct Kept {
    /// Sealed.
    pub(crate) totp: String,
    /// Hashes.
    pub(crate) recovery: String,
}

/// A secret that rests sealed.
pub(crate) fn open(key: &SubjectKey, name: &str, sealed: &str) -> Result<String, StoreError> {
    key.open(name, sealed)
}

fn recovery_hash(keys: &Keyring, code: &str) -> String {
    let plain: String = code.chars().filter(char::is_ascii_alphanumeric).collect();
    keys.lookup_hash(RECOVERY_KIND, &plain.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(seconds, 0).unwrap()
    }

    /// The secret of RFC 6238's appendix B; its codes there have eight digits, of which ours are
    /// the last six.
    const RFC: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";

    #[test]
    fn codes_are_those_of_rfc_6238() {
        for (seconds, code) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_234_567_890, "005924"),
            (2_000_000_000, "279037"),
        ] {
            let step = step_of(RFC, code, at(seconds)).unwrap();
            assert_eq!(step, Some(seconds / 30), "{code}");
        }
    }

    #[test]
    fn a_clock_may_be_a_step_off_and_no_more() {
        for (seconds, right) in [(29, true), (59, true), (89, true), (90, false)] {
            let step = step_of(RFC, "287082", at(seconds)).unwrap();
            assert_eq!(step, right.then_some(1), "{seconds}");
        }
        assert_eq!(step_of(RFC, "287083", at(59)).unwrap(), None);
        assert_eq!(step_of(RFC, "", at(59)).unwrap(), None);
    }

    #[test]
    fn what_is_set_up_names_the_address_and_shows_a_picture() {
        let setup = set_up("ada@example.com").unwrap();
        assert!(
            setup.url.starts_with("otpauth://totp/Daybook:"),
            "{}",
            setup.url
        );
        assert!(setup.url.contains(&setup.secret));
        assert!(setup.qr_svg.contains("<svg"));
        assert_ne!(setup.secret, set_up("ada@example.com").unwrap().secret);
    }
}
