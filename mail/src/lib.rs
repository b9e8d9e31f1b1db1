//! Mails, derived from the book.
//!
//! An event causes a mail; a row of the outbox says that it is due; what stands in it is put
//! together from the client's own stream when it is sent. Nothing is ever sent inside a request.
//!
//! [`link`] holds the tokens of the links in mails and needs none of the rest: without the feature
//! `outbox` it is all there is.

pub mod link;

#[cfg(feature = "outbox")]
mod cause;
#[cfg(feature = "outbox")]
mod compose;
#[cfg(feature = "outbox")]
mod courier;
#[cfg(feature = "outbox")]
mod dispatcher;
#[cfg(feature = "outbox")]
mod follower;
#[cfg(feature = "outbox")]
mod held;
#[cfg(feature = "outbox")]
pub mod kept;
#[cfg(feature = "outbox")]
mod markup;
#[cfg(feature = "outbox")]
mod outbox;
#[cfg(feature = "outbox")]
mod rows;
#[cfg(feature = "outbox")]
mod smtp;
#[cfg(feature = "outbox")]
mod telemetry;
#[cfg(feature = "outbox")]
mod template;

#[cfg(feature = "outbox")]
pub use held::{HeldError, HeldMail, HeldMails, MailState};
#[cfg(feature = "outbox")]
pub use kept::{KeptMail, KeptMails};
pub use link::{EmailVerification, LinkError, Links, PasswordReset};
#[cfg(feature = "outbox")]
pub use outbox::{Outbox, OutboxConfig, Pace};
#[cfg(feature = "outbox")]
pub use smtp::{Sender, SmtpUrl};
#[cfg(feature = "outbox")]
pub use template::Template;
