//! Who may open a private channel, and why one ends.

use std::time::Duration;

use tokio::time::timeout;

use super::{
    live::CutOff,
    protocol::{PrivateOp, Said, error},
    socket::{Gone, Peer, close},
};
use crate::{app::Shared, auth::token::Identity, problem::Code};

const AUTH_TIMEOUT: Duration = Duration::from_secs(5);

/// Why a session ends.
pub(super) enum End {
    Gone,
    Close(u16, &'static str),
}

impl From<Gone> for End {
    fn from(_: Gone) -> Self {
        Self::Gone
    }
}

impl From<CutOff> for End {
    fn from(_: CutOff) -> Self {
        Self::Close(
            close::TRY_AGAIN_LATER,
            "too far behind: reconnect with since",
        )
    }
}

/// Says `ready` to whoever brought a token, or brings one with the first message.
pub(super) async fn authenticated(
    peer: &mut Peer,
    app: &Shared,
    identity: Option<Identity>,
) -> Result<Identity, End> {
    let identity = match identity {
        Some(identity) => identity,
        None => first_message(peer, app).await?,
    };
    peer.say_one(Said::Ready.text()).await?;
    Ok(identity)
}

async fn first_message(peer: &mut Peer, app: &Shared) -> Result<Identity, End> {
    let Ok(text) = timeout(AUTH_TIMEOUT, peer.hear()).await else {
        peer.say_one(error("auth_timeout")).await?;
        return Err(End::Close(close::AUTH_TIMEOUT, "no token came in time"));
    };
    let refused = End::Close(close::UNAUTHENTICATED, "not authenticated");
    let Ok(PrivateOp::Auth { token }) = serde_json::from_str(&text?) else {
        peer.say_one(error(Code::Unauthenticated.entry().code))
            .await?;
        return Err(refused);
    };
    match app.identify(&token) {
        Ok(identity) => Ok(identity),
        Err(refusal) => {
            peer.say_one(error(refusal.code().entry().code)).await?;
            Err(refused)
        }
    }
}
