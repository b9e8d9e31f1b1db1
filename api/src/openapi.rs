//! The OpenAPI 3.1 document, from the handlers' own descriptions.

use utoipa::{
    Modify, OpenApi,
    openapi::{
        OpenApi as Document, Server,
        security::{HttpAuthScheme, HttpBuilder, SecurityScheme},
    },
};

/// What stands around the routes.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Daybook",
        description = "An event-sourced trading ledger. Money, prices and volumes are strings; \
            times are RFC 3339 in UTC. A command's answer carries `Daybook-Position`; a read waits \
            for `Daybook-Min-Position`, else for the caller's own last command. Errors are \
            `application/problem+json`, their codes in docs/ERRORS.md. Limits are told in \
            `RateLimit-Limit`, `RateLimit-Remaining` and `RateLimit-Reset`.",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
    ),
    tags(
        (name = "auth", description = "Registration and sign-in"),
        (name = "me", description = "The client"),
        (name = "market", description = "Instruments, quotes, candles; public"),
        (name = "trading", description = "Accounts, orders, positions, deals"),
        (name = "crm", description = "The broker's CRM, by its service token"),
        (name = "operations", description = "Health"),
    ),
    modifiers(&Surroundings),
)]
pub(crate) struct Frame;

struct Surroundings;

impl Modify for Surroundings {
    fn modify(&self, document: &mut Document) {
        document.servers = Some(vec![Server::new("/api/v1"), Server::new("/")]);
        let bearer = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .bearer_format("JWT")
            .description(Some("The access token of POST /auth/login"))
            .build();
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("bearer", SecurityScheme::Http(bearer));
        let crm = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some(
                "`CRM_SERVICE_TOKEN` itself, or a JWT signed with it (HS256, `exp` required); the \
                 operator in `X-Crm-Actor`",
            ))
            .build();
        components.add_security_scheme("crm", SecurityScheme::Http(crm));
    }
}
