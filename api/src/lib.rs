//! The HTTP and WebSocket contract.
//!
//! Routes translate: they check shape and permission, hand commands to the engine and read the read
//! models. No business rule is decided here.

mod app;
mod auth;
mod bounded;
pub mod config;
mod crm;
mod extract;
mod layers;
mod number;
mod openapi;
mod perimeter;
mod problem;
mod rate_limit;
mod request;
mod routes;
mod serve;
mod state;
mod stream;
mod text;

use std::sync::Arc;

pub use auth::first::{CredentialsError, FirstCredentials, staff_email_hash};
use axum::{Router, extract::DefaultBodyLimit};
pub use config::{
    ApiConfig, BreachedPasswords, CaptchaConfig, ImpersonationConfig, LimitStore, Limits, Network,
    PerimeterConfig, SCANNERS, SESSION_MAX_AGE_S,
};
pub use problem::{ErrorEntry, error_catalogue};
pub use serve::{install_metrics, metrics_router, serve};
pub use state::ApiState;
pub use stream::sockets::{Sockets, SocketsConfig};
use utoipa::OpenApi;
use utoipa_axum::{router::OpenApiRouter, routes};
use utoipa_swagger_ui::SwaggerUi;

use crate::{
    app::{App, Shared},
    auth::routes as sign_in,
    problem::{Code, Problem},
    routes::{
        accounts, compliance, export, funding, health, kyc, market, sessions, staff, trading, user,
    },
    stream::{private, quotes},
};

/// Everything: the contract at the root and under `/api/v1`, `/health`, `/openapi.json`, `/docs`.
pub fn router(state: ApiState) -> Router {
    let app: Shared = Arc::new(App::new(state));
    perimeter::watch_sockets(&app);
    let (routes, document) = parts();
    let routes = routes.fallback(absent).with_state(Arc::clone(&app));
    let all = routes
        .clone()
        .nest("/api/v1", routes)
        .merge(SwaggerUi::new("/docs").url("/openapi.json", document));
    layers::surround(all, &app)
}

/// The OpenAPI 3.1 document.
#[must_use]
pub fn openapi() -> utoipa::openapi::OpenApi {
    parts().1
}

fn parts() -> (Router<Shared>, utoipa::openapi::OpenApi) {
    let (routes, mut document) = contract().split_for_parts();
    openapi::describe_shared(&mut document);
    (routes, document)
}

fn contract() -> OpenApiRouter<Shared> {
    OpenApiRouter::with_openapi(openapi::Frame::openapi())
        .routes(routes!(sign_in::register::register))
        .routes(routes!(sign_in::login::login))
        .routes(routes!(sign_in::login::logout))
        .routes(routes!(sign_in::refresh::refresh))
        .routes(routes!(sign_in::email::verify))
        .routes(routes!(sign_in::email::resend))
        .routes(routes!(sign_in::email::forgot))
        .routes(routes!(sign_in::password::reset))
        .routes(routes!(sign_in::password::reset_alias))
        .routes(routes!(sign_in::password::change))
        .routes(routes!(sign_in::two_factor::setup))
        .routes(routes!(sign_in::two_factor::verify))
        .routes(routes!(sign_in::two_factor::disable))
        .routes(routes!(sign_in::sso::grant, sign_in::sso::consume_crm))
        .routes(routes!(sign_in::sso::consume))
        .routes(routes!(sessions::list))
        .routes(routes!(sessions::end))
        .routes(routes!(user::me, user::change))
        .routes(routes!(accounts::accounts, accounts::open))
        .routes(routes!(kyc::kyc))
        .routes(routes!(kyc::document))
        .routes(routes!(export::export))
        .merge(uploads())
        .routes(routes!(market::symbols))
        .routes(routes!(market::quotes))
        .routes(routes!(market::candles))
        .routes(routes!(quotes::stream))
        .routes(routes!(private::private))
        .routes(routes!(trading::account::account))
        .routes(routes!(trading::place::place))
        .routes(routes!(trading::preview::preview))
        .routes(routes!(trading::order::modify, trading::order::cancel))
        .routes(routes!(trading::order::list))
        .routes(routes!(trading::position::protect))
        .routes(routes!(trading::close::close))
        .routes(routes!(trading::close::close_by))
        .routes(routes!(trading::close::close_all))
        .routes(routes!(trading::position::list))
        .routes(routes!(trading::history::list))
        .routes(routes!(trading::history::execution))
        .routes(routes!(trading::statement::statement))
        .routes(routes!(funding::deposit))
        .routes(routes!(funding::withdrawal))
        .routes(routes!(funding::cancel))
        .routes(routes!(funding::history))
        .routes(routes!(sign_in::staff::login::login))
        .routes(routes!(sign_in::staff::refresh::refresh))
        .routes(routes!(sign_in::staff::refresh::logout))
        .routes(routes!(sign_in::staff::password::change))
        .routes(routes!(staff::me))
        .routes(routes!(staff::bust))
        .routes(routes!(staff::reprice))
        .routes(routes!(compliance::events::list))
        .routes(routes!(compliance::state::state))
        .routes(routes!(compliance::replay::replay))
        .routes(routes!(compliance::statement::statement))
        .routes(routes!(compliance::verify::verify))
        .routes(routes!(compliance::audit::list))
        .routes(routes!(compliance::clients::erase))
        .routes(routes!(compliance::clients::document))
        .merge(of_crm())
        .routes(routes!(health::live))
        .routes(routes!(health::ready))
}

/// What the broker's CRM asks.
fn of_crm() -> OpenApiRouter<Shared> {
    OpenApiRouter::new()
        .routes(routes!(crm::upsert::upsert))
        .routes(routes!(crm::users::get, crm::users::patch))
        .routes(routes!(crm::users::note))
        .routes(routes!(crm::activity::list))
        .routes(routes!(crm::sessions::force_logout))
        .routes(routes!(crm::sessions::password_reset))
        .routes(routes!(crm::accounts::list))
        .routes(routes!(crm::accounts::adjust))
        .routes(routes!(crm::accounts::leverage))
        .routes(routes!(crm::funding::decide))
        .routes(routes!(crm::webhooks::list))
        .routes(routes!(crm::webhooks::get))
        .routes(routes!(crm::webhooks::resend))
        .routes(routes!(crm::webhooks::replay))
        .routes(routes!(crm::webhooks::events))
}

/// Bodies larger than the others'.
fn uploads() -> OpenApiRouter<Shared> {
    OpenApiRouter::new()
        .routes(routes!(kyc::upload))
        .layer(DefaultBodyLimit::max(kyc::UPLOAD_MAX))
}

async fn absent() -> Problem {
    Problem::with_detail(Code::NotFound, "there is no such route")
}
