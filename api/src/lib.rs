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
mod problem;
mod rate_limit;
mod request;
mod routes;
mod serve;
mod state;
mod stream;
mod text;

use std::sync::Arc;

use axum::Router;
pub use config::{ApiConfig, Limits, Network};
pub use problem::{ErrorEntry, error_catalogue};
pub use serve::{install_metrics, metrics_router, serve};
pub use state::ApiState;
pub use stream::sockets::{Sockets, SocketsConfig};
use utoipa::OpenApi;
use utoipa_axum::{router::OpenApiRouter, routes};
use utoipa_swagger_ui::SwaggerUi;

use crate::{
    app::{App, Shared},
    problem::{Code, Problem},
    routes::{accounts, health, market, trading, user},
    stream::{private, quotes},
};

/// Everything: the contract at the root and under `/api/v1`, `/health`, `/openapi.json`, `/docs`.
pub fn router(state: ApiState) -> Router {
    let app: Shared = Arc::new(App::new(state));
    let (routes, document) = contract().split_for_parts();
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
    contract().split_for_parts().1
}

fn contract() -> OpenApiRouter<Shared> {
    OpenApiRouter::with_openapi(openapi::Frame::openapi())
        .routes(routes!(auth::routes::register))
        .routes(routes!(auth::routes::login))
        .routes(routes!(user::me, user::change))
        .routes(routes!(accounts::accounts, accounts::open))
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
        .routes(routes!(crm::webhooks::list))
        .routes(routes!(crm::webhooks::get))
        .routes(routes!(crm::webhooks::resend))
        .routes(routes!(crm::webhooks::replay))
        .routes(routes!(crm::webhooks::events))
        .routes(routes!(health::live))
        .routes(routes!(health::ready))
}

async fn absent() -> Problem {
    Problem::with_detail(Code::NotFound, "there is no such route")
}
