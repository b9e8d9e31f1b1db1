//! The mails there are, by name. Names are stored.

use std::time::Duration;

const HOUR: Duration = Duration::from_secs(60 * 60);
const INVITED: Duration = Duration::from_secs(3 * 24 * 60 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

macro_rules! templates {
    ($($(#[$doc:meta])* $variant:ident = $name:literal, good_for $good_for:expr;)*) => {
        /// A mail's text, in `mail/templates`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Template {
            $($(#[$doc])* $variant,)*
        }

        impl Template {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The name that is stored.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }

            /// After so long nobody is served by it any more: it is not sent.
            #[must_use]
            pub const fn good_for(self) -> Duration {
                match self {
                    $(Self::$variant => $good_for,)*
                }
            }

            /// Its first line; no subject is made of values.
            #[must_use]
            pub fn subject(self) -> &'static str {
                self.source().lines().next().unwrap_or_default()
            }

            pub(crate) const fn source(self) -> &'static str {
                match self {
                    $(Self::$variant => include_str!(concat!("../templates/", $name, ".txt")),)*
                }
            }
        }
    };
}

templates! {
    /// A link to verify the address.
    VerifyEmail = "verify_email", good_for DAY;
    /// Somebody signed up with an address that has an account.
    AlreadyRegistered = "already_registered", good_for DAY;
    /// A link to choose a new password; it is good for as long.
    ResetPassword = "reset_password", good_for HOUR;
    /// A link to choose a first password; it is good for as long.
    Invitation = "invitation", good_for INVITED;
    /// There is another password.
    PasswordChanged = "password_changed", good_for DAY;
    /// A sign-in from where nobody was seen before.
    NewSignIn = "new_sign_in", good_for DAY;
    /// A second factor is asked for.
    SecondFactorOn = "second_factor_on", good_for DAY;
    /// None any more.
    SecondFactorOff = "second_factor_off", good_for DAY;
    /// The documents are in order.
    KycApproved = "kyc_approved", good_for DAY;
    /// They are not.
    KycRejected = "kyc_rejected", good_for DAY;
    /// They were, too long ago.
    KycExpired = "kyc_expired", good_for DAY;
    /// Money has come.
    DepositCompleted = "deposit_completed", good_for DAY;
    /// It will not.
    DepositRejected = "deposit_rejected", good_for DAY;
    /// Money is to go out, and is held.
    WithdrawalRequested = "withdrawal_requested", good_for DAY;
    /// It will be paid.
    WithdrawalApproved = "withdrawal_approved", good_for DAY;
    /// It has gone.
    WithdrawalCompleted = "withdrawal_completed", good_for DAY;
    /// It will not be paid.
    WithdrawalRejected = "withdrawal_rejected", good_for DAY;
    /// Nor this one: what it held was lost.
    WithdrawalEnded = "withdrawal_ended", good_for DAY;
}

impl Template {
    /// Whether it tells of a deposit or withdrawal.
    pub(crate) const fn is_about_money(self) -> bool {
        match self {
            Self::DepositCompleted
            | Self::DepositRejected
            | Self::WithdrawalRequested
            | Self::WithdrawalApproved
            | Self::WithdrawalCompleted
            | Self::WithdrawalRejected
            | Self::WithdrawalEnded => true,
            Self::VerifyEmail
            | Self::AlreadyRegistered
            | Self::ResetPassword
            | Self::Invitation
            | Self::PasswordChanged
            | Self::NewSignIn
            | Self::SecondFactorOn
            | Self::SecondFactorOff
            | Self::KycApproved
            | Self::KycRejected
            | Self::KycExpired => false,
        }
    }

    /// The template of this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .copied()
            .find(|template| template.as_str() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::markup::{Values, render};

    /// What [`crate::compose`] gives, whatever the template.
    fn sample() -> Values {
        [
            ("home", "https://trade.example.com"),
            ("hello", "Hello Ada,"),
            ("when", "21 September 2026, 14:13 UTC"),
            ("link", "https://trade.example.com/page?token=aaa.bbb.ccc"),
            ("news", "device and network"),
            ("program", "Mozilla/5.0 (X11; Linux x86_64) <script>"),
            ("address", "203.0.113.7"),
            ("amount", "120.50 USD"),
            ("reason", "no such bank"),
            ("reference", "SEPA-8841"),
            ("notes", "The passport's second page is not legible"),
        ]
        .map(|(name, value)| (name, Some(value.to_owned())))
        .into()
    }

    #[test]
    fn every_mail_reads_as_it_was_last_read() {
        for template in Template::ALL {
            let mail = render(template.source(), &sample()).unwrap();
            assert_eq!(mail.subject, template.subject());
            let shown = format!("{}\n\n{}\n{}", mail.subject, mail.text, mail.html);
            insta::assert_snapshot!(template.as_str(), shown);
        }
    }

    #[test]
    fn names_are_read_as_they_are_written() {
        for template in Template::ALL {
            assert_eq!(Template::parse(template.as_str()), Some(*template));
        }
        assert_eq!(Template::parse("no_such"), None);
    }
}
