//! Who is asking: passwords, access tokens, captchas, and sign-ins that fail too often.

pub(crate) mod captcha;
pub(crate) mod guard;
pub(crate) mod password;
pub(crate) mod routes;
pub(crate) mod token;
