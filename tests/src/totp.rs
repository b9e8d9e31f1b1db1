//! Codes of an authenticator, as RFC 6238 says: written down here a second time, so that the
//! program's own arithmetic is not what it is checked with.

use std::{env, process::Command};

use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;

const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// The code of a base32 secret at an instant, in seconds since 1970.
///
/// # Panics
/// When the secret is no base32.
#[must_use]
pub fn code(secret: &str, seconds: u64) -> String {
    let mut mac = Hmac::<Sha1>::new_from_slice(&base32(secret)).expect("HMAC takes any key");
    mac.update(&(seconds / 30).to_be_bytes());
    let digest = mac.finalize().into_bytes();
    let offset = usize::from(digest[19] & 0xf);
    let word = [0, 1, 2, 3].map(|place| digest[offset + place]);
    let number = u32::from_be_bytes(word) & 0x7fff_ffff;
    format!("{:06}", number % 1_000_000)
}

/// The codes of this step and of the next one, as `oathtool` says; none (and a note) where it is
/// not installed.
///
/// # Panics
/// When it fails, or is missing where continuous integration needs it.
#[must_use]
pub fn oathtool(secret: &str) -> Option<[String; 2]> {
    let arguments = ["--totp", "-b", "--window=1", secret];
    let Ok(output) = Command::new("oathtool").args(arguments).output() else {
        let is_ci = env::var("CI").as_deref() == Ok("true");
        assert!(!is_ci, "there is no oathtool; scripts/test installs it");
        eprintln!("SKIPPED: there is no oathtool (Debian: apt-get install oathtool)");
        return None;
    };
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "oathtool failed: {said}");
    let codes = String::from_utf8_lossy(&output.stdout);
    let codes: Vec<String> = codes.lines().map(str::to_owned).collect();
    Some(codes.try_into().expect("two codes"))
}

fn base32(text: &str) -> Vec<u8> {
    let (mut bits, mut held, mut bytes) = (0_u32, 0_u32, Vec::new());
    for letter in text.bytes() {
        let value = ALPHABET.iter().position(|known| *known == letter);
        let value = value.and_then(|value| u32::try_from(value).ok());
        bits = bits << 5 | value.expect("base32");
        held += 5;
        if held >= 8 {
            held -= 8;
            bytes.push(u8::try_from(bits >> held & 0xff).expect("eight bits"));
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::code;

    #[test]
    fn codes_are_those_of_the_standard() {
        let secret = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";
        assert_eq!(code(secret, 59), "287082");
        assert_eq!(code(secret, 1_111_111_109), "081804");
    }
}
