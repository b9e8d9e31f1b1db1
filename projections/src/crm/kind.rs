//! The kinds of webhooks and what they are called: one line for each.

use daybook_domain::endpoint::Vocabulary;

macro_rules! kinds {
    ($($(#[$meta:meta])* $name:ident = $site:literal, $crm:expr, $version:literal;)+) => {
        /// What a webhook is about.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub(crate) enum Kind { $($(#[$meta])* $name),+ }

        impl Kind {
            pub(crate) const ALL: &'static [Self] = &[$(Self::$name),+];

            /// The name in the site's vocabulary; every kind has one.
            pub(crate) const fn site(self) -> &'static str {
                match self { $(Self::$name => $site),+ }
            }

            /// The name in the CRM's vocabulary, where it has one.
            pub(crate) const fn crm(self) -> Option<&'static str> {
                match self { $(Self::$name => $crm),+ }
            }

            /// Version of the shape of `data`, the same under both names.
            pub(crate) const fn version(self) -> u32 {
                match self { $(Self::$name => $version),+ }
            }
        }
    };
}

kinds! {
    /// A person signed up.
    UserCreated = "user.created", Some("client.registered"), 1;
    /// Profile, flags or limits changed.
    UserUpdated = "user.updated", None, 1;
    /// The address is the person's own.
    EmailVerified = "email.verified", None, 1;
    /// The checks that the law asks for stand elsewhere, or a document was handed in.
    KycStatusChanged = "kyc.status_changed", Some("kyc.updated"), 1;
    /// An account opened, or its leverage or state changed.
    AccountUpdated = "account.updated", Some("account.updated"), 1;
    /// An order was accepted.
    OrderPlaced = "order.placed", None, 1;
    /// A working order changed.
    OrderModified = "order.modified", None, 1;
    /// An order ended without filling.
    OrderCancelled = "order.cancelled", None, 1;
    /// A position came into being.
    PositionOpened = "position.opened", None, 1;
    /// A position has other lots or another price without being closed.
    PositionUpdated = "position.updated", None, 1;
    /// A position was closed, or part of it.
    PositionClosed = "position.closed", None, 1;
    /// A stop-out is over.
    Liquidation = "liquidation", None, 1;
    /// The margin level fell to the margin call.
    MarginCall = "margin.call", None, 1;
    /// A bucket changed.
    BalanceUpdated = "balance.updated", None, 1;
    /// Money is to come in.
    DepositRequested = "deposit.requested", None, 1;
    /// A deposit was approved, rejected or taken back.
    DepositUpdated = "deposit.updated", None, 1;
    /// Money has come in.
    DepositCompleted = "deposit.completed", Some("deposit.completed"), 1;
    /// Money is to go out, and is held.
    WithdrawalRequested = "withdrawal.requested", None, 1;
    /// A withdrawal was approved, rejected or taken back.
    WithdrawalUpdated = "withdrawal.updated", None, 1;
    /// Money has gone out.
    WithdrawalCompleted = "withdrawal.completed", Some("withdrawal.completed"), 1;
}

impl Kind {
    /// The names under which this is sent in a vocabulary.
    pub(crate) fn names(self, vocabulary: Vocabulary) -> Vec<&'static str> {
        match (vocabulary, self.crm()) {
            (Vocabulary::Site, _) | (Vocabulary::Both, None) => vec![self.site()],
            (Vocabulary::Crm, name) => name.into_iter().collect(),
            (Vocabulary::Both, Some(name)) if name == self.site() => vec![name],
            (Vocabulary::Both, Some(name)) => vec![self.site(), name],
        }
    }

    /// The kind of a name in either vocabulary.
    pub(crate) fn named(name: &str) -> Option<Self> {
        let mut all = Self::ALL.iter().copied();
        all.find(|kind| kind.site() == name || kind.crm() == Some(name))
    }
}

/// Every name that a webhook may have, in either vocabulary; what a filter may name.
#[must_use]
pub fn event_names() -> Vec<&'static str> {
    let kinds = Kind::ALL.iter();
    kinds
        .flat_map(|kind| kind.names(Vocabulary::Both))
        .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_name_means_one_kind() {
        let names = event_names();
        assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len());
        for kind in Kind::ALL {
            assert_eq!(Kind::named(kind.site()), Some(*kind));
        }
        assert_eq!(Kind::named("client.registered"), Some(Kind::UserCreated));
        assert_eq!(Kind::named("order"), None);
    }

    #[test]
    fn a_vocabulary_names_what_it_knows() {
        let names = |kind: Kind, vocabulary| kind.names(vocabulary);
        assert_eq!(
            names(Kind::UserCreated, Vocabulary::Both),
            ["user.created", "client.registered"]
        );
        assert_eq!(
            names(Kind::AccountUpdated, Vocabulary::Both),
            ["account.updated"],
            "one name, one body"
        );
        assert_eq!(
            names(Kind::UserCreated, Vocabulary::Crm),
            ["client.registered"]
        );
        assert!(names(Kind::OrderPlaced, Vocabulary::Crm).is_empty());
        assert_eq!(names(Kind::OrderPlaced, Vocabulary::Site), ["order.placed"]);
    }
}
