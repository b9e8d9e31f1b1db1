//! The OpenAPI 3.1 document, from the handlers' own descriptions.

use utoipa::{
    Modify, OpenApi,
    openapi::{
        Content, OpenApi as Document, RefOr, Response, Server,
        security::{HttpAuthScheme, HttpBuilder, SecurityScheme},
    },
};

const PROBLEM: &str = "application/problem+json";

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
        (name = "funding", description = "Deposits and withdrawals"),
        (name = "staff", description = "People of the broker's: sign-in, corrections of deals"),
        (name = "compliance", description = "The book as it stands, for compliance and admins; each look is noted"),
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
        let staff = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .bearer_format("JWT")
            .description(Some(
                "The access token of POST /staff/auth/login; the role named is the least that may",
            ))
            .build();
        components.add_security_scheme("staff", SecurityScheme::Http(staff));
        let crm = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some(
                "`CRM_SERVICE_TOKEN` itself, or a JWT signed with it (HS256, `exp` required); the \
                 operator in `X-Crm-Actor`. POST /sso/impersonate takes `SSO_IMPERSONATION_SECRET` too",
            ))
            .build();
        components.add_security_scheme("crm", SecurityScheme::Http(crm));
    }
}

/// Adds to each operation what every one may be answered before it is looked at.
pub(crate) fn describe_perimeter(document: &mut Document) {
    const BLOCKED: &str = "`address_blocked` or `user_agent_blocked`";
    let problem = problem_of(document).unwrap_or_else(|| RefOr::T(Content::default()));
    for item in document.paths.paths.values_mut() {
        let operations = [
            &mut item.get,
            &mut item.post,
            &mut item.put,
            &mut item.patch,
            &mut item.delete,
        ];
        for operation in operations.into_iter().flatten() {
            let responses = &mut operation.responses.responses;
            match responses.get_mut("403") {
                Some(RefOr::T(response)) => {
                    response.description = format!("{}; {BLOCKED}", response.description);
                }
                Some(RefOr::Ref(_)) => {}
                None => {
                    let mut response = Response::new(BLOCKED);
                    response.content.insert(PROBLEM.to_owned(), problem.clone());
                    responses.insert("403".to_owned(), RefOr::T(response));
                }
            }
        }
    }
}

/// How the document describes a problem wherever there is one.
fn problem_of(document: &Document) -> Option<RefOr<Content>> {
    let items = document.paths.paths.values();
    let operations = items.flat_map(|item| [&item.get, &item.post]).flatten();
    let mut responses = operations.flat_map(|operation| operation.responses.responses.values());
    responses.find_map(|response| match response {
        RefOr::T(response) => response.content.get(PROBLEM).cloned(),
        RefOr::Ref(_) => None,
    })
}
