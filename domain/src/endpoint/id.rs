//! Names of endpoints: short words that people type.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, de::Error as _};
use uuid::Uuid;

const LENGTH_MAX: usize = 32;
/// Under which the subjects of endpoints' secrets are derived.
const NAMESPACE: Uuid = Uuid::from_u128(0x7d1b_8a54_0f6e_5c3b_9a41_52c0_6f3d_e0a7);

/// The name of an endpoint: `crm`, `warehouse-2`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct EndpointId(Box<str>);

/// The text is no endpoint's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an endpoint's name has 1 to 32 characters of a-z, 0-9 and -")]
pub struct EndpointIdError;

impl EndpointId {
    /// The endpoint that the environment declares.
    #[must_use]
    pub fn of_environment() -> Self {
        Self("crm".into())
    }

    /// As text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Under whose data key its secrets are sealed.
    #[must_use]
    pub fn subject(&self) -> Uuid {
        Uuid::new_v5(&NAMESPACE, self.0.as_bytes())
    }
}

impl fmt::Display for EndpointId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for EndpointId {
    type Err = EndpointIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if !(1..=LENGTH_MAX).contains(&text.len()) || !text.bytes().all(allowed) {
            return Err(EndpointIdError);
        }
        Ok(Self(text.into()))
    }
}

impl<'de> Deserialize<'de> for EndpointId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(D::Error::custom)
    }
}
