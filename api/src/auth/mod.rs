//! Who is asking: passwords, second factors, sessions and their tokens, and sign-ins that fail too
//! often.

pub(crate) mod act;
pub(crate) mod breached;
pub(crate) mod browser;
pub(crate) mod captcha;
pub(crate) mod ended;
pub(crate) mod first;
pub(crate) mod guard;
pub(crate) mod hashing;
pub(crate) mod link;
pub(crate) mod password;
pub(crate) mod routes;
pub(crate) mod session;
mod signing;
pub(crate) mod sso;
pub(crate) mod staff_act;
pub(crate) mod token;
pub(crate) mod totp;

/// Kind of the unique row that an address has, and of its look-up hash.
pub(crate) const UNIQUE_EMAIL: &str = "email";
/// The same for staff, whose addresses are apart from those of clients.
pub(crate) const UNIQUE_STAFF_EMAIL: &str = "staff_email";
/// Name of the secret that a password's hash is.
pub(crate) const SECRET_PASSWORD: &str = "password";
