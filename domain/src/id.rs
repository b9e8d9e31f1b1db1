//! Identifiers. Made outside the domain (UUIDv7) and handed in with commands.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

macro_rules! identifier {
    ($(#[$meta:meta])* $name:ident) => {
        $(#[$meta])*
        #[derive(
            Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
        )]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.parse().map(Self)
            }
        }

        impl From<Uuid> for $name {
            fn from(id: Uuid) -> Self {
                Self(id)
            }
        }
    };
}

identifier!(
    /// One person.
    ClientId
);
identifier!(
    /// One person of the broker's.
    StaffId
);
identifier!(
    /// One signed-in session: its access and refresh tokens carry it.
    SessionId
);
identifier!(
    /// One permission to come in a client's place.
    GrantId
);
identifier!(
    /// One document that a client has handed in.
    DocumentId
);
identifier!(
    /// One trading account.
    AccountId
);
identifier!(
    /// One order, from its placement to its end.
    OrderId
);
identifier!(
    /// One position; it keeps its identifier through partial closes.
    PositionId
);
identifier!(
    /// One request for money to come in or go out, from its asking to its end.
    FundingId
);
identifier!(
    /// One deal: a fill that opens, reduces or closes a position. Names its execution receipt.
    DealId
);
