//! Registration, sign-in and everything that guards them. **Permission:** public, unless a route
//! says otherwise. Answers never tell whether an address is registered.

pub(crate) mod email;
pub(crate) mod login;
pub(crate) mod password;
pub(crate) mod refresh;
pub(crate) mod register;
pub(crate) mod sso;
pub(crate) mod staff;
pub(crate) mod two_factor;

use daybook_domain::{ClientId, client::normalised_email};
use uuid::Uuid;

use super::UNIQUE_EMAIL;
use crate::{app::App, problem::Answered};

/// The look-up hash of an address, however it is written.
pub(crate) fn email_hash(app: &App, email: &str) -> String {
    let keys = app.handles.store.keys();
    keys.lookup_hash(UNIQUE_EMAIL, &normalised_email(email))
}

/// Whose address it is.
pub(crate) async fn owner_of(app: &App, email_hash: &str) -> Answered<Option<Uuid>> {
    let owner = app.handles.store.unique_owner(UNIQUE_EMAIL, email_hash);
    Ok(owner.await?)
}

/// The client whose address it is.
pub(crate) async fn client_of(app: &App, email: &str) -> Answered<Option<ClientId>> {
    let owner = owner_of(app, &email_hash(app, email)).await?;
    Ok(owner.map(ClientId))
}
