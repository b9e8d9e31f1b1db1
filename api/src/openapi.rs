//! The OpenAPI 3.1 document, from the handlers' own descriptions.

use utoipa::{
    Modify, OpenApi,
    openapi::{
        Components, Content, OpenApi as Document, PathItem, Ref, RefOr, Required, Response, Schema,
        Server,
        path::Operation,
        security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme},
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

/// Which operations may be answered so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Whom {
    All,
    /// All but those of health, which ask nothing of the database and are not limited.
    Limited,
    /// Those that need a token.
    SignedIn,
    /// Those that take a body or parameters.
    Told,
    /// Those that take a body.
    Fed,
    /// Those that take an `Idempotency-Key`.
    Keyed,
}

/// An answer that does not depend on the operation, described once for all of them.
struct Shared {
    whom: Whom,
    status: &'static str,
    /// Among the document's responses.
    name: &'static str,
    /// Its codes.
    codes: &'static str,
}

const fn shared(
    whom: Whom,
    status: &'static str,
    name: &'static str,
    codes: &'static str,
) -> Shared {
    Shared {
        whom,
        status,
        name,
        codes,
    }
}

#[rustfmt::skip]
const SHARED: [Shared; 10] = [
    shared(Whom::Told,     "400", "Malformed",            "`malformed`, `unknown_field` or `invalid_value`"),
    shared(Whom::SignedIn, "401", "Unauthenticated",      "`unauthenticated` or `token_expired`"),
    shared(Whom::All,      "403", "Blocked",              "`address_blocked` or `user_agent_blocked`"),
    shared(Whom::Fed,      "413", "PayloadTooLarge",      "`payload_too_large`"),
    shared(Whom::All,      "414", "UriTooLong",           "`uri_too_long`"),
    shared(Whom::Fed,      "415", "UnsupportedMediaType", "`unsupported_media_type`"),
    shared(Whom::Keyed,    "422", "IdempotencyKeyReused", "`idempotency_key_reused`"),
    shared(Whom::Limited,  "429", "RateLimited",          "`rate_limited`"),
    shared(Whom::All,      "431", "HeadersTooLarge",      "`headers_too_large`"),
    shared(Whom::Limited,  "503", "Unavailable",          "`unavailable`"),
];

/// Adds to each operation what it may be answered whatever it does, and says which bodies may be
/// left out.
pub(crate) fn describe_shared(document: &mut Document) {
    let problem = problem_of(document).unwrap_or_else(|| RefOr::T(Content::default()));
    let components = document.components.get_or_insert_default();
    for one in &SHARED {
        let mut response = Response::new(one.codes);
        response.content.insert(PROBLEM.to_owned(), problem.clone());
        components
            .responses
            .insert(one.name.to_owned(), RefOr::T(response));
    }
    for (path, item) in &mut document.paths.paths {
        for operation in operations_of(item) {
            for one in &SHARED {
                if concerns(one.whom, path, operation) {
                    describe(operation, one);
                }
            }
            allow_no_body(operation, components);
        }
    }
}

fn operations_of(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    let operations = [
        &mut item.get,
        &mut item.post,
        &mut item.put,
        &mut item.patch,
        &mut item.delete,
    ];
    operations.into_iter().flatten()
}

fn concerns(whom: Whom, path: &str, operation: &Operation) -> bool {
    let fed = operation.request_body.is_some();
    let parameters = operation.parameters.as_deref().unwrap_or_default();
    match whom {
        Whom::All => true,
        Whom::Limited => !path.starts_with("/health"),
        Whom::SignedIn => {
            let schemes = operation.security.as_deref().unwrap_or_default();
            !schemes.is_empty() && !schemes.contains(&SecurityRequirement::default())
        }
        Whom::Told => fed || !parameters.is_empty(),
        Whom::Fed => fed,
        Whom::Keyed => parameters.iter().any(|parameter| match parameter {
            RefOr::T(parameter) => parameter.name == "Idempotency-Key",
            RefOr::Ref(_) => false,
        }),
    }
}

/// Where the operation describes such an answer itself, with other codes, these are added.
fn describe(operation: &mut Operation, shared: &Shared) {
    let responses = &mut operation.responses.responses;
    match responses.get_mut(shared.status) {
        Some(RefOr::T(response)) => {
            let first = shared.codes.split([' ', ',']).next().unwrap_or_default();
            if !response.description.contains(first) {
                response.description = format!("{}; {}", response.description, shared.codes);
            }
        }
        Some(RefOr::Ref(_)) => {}
        None => {
            let reference = Ref::from_response_name(shared.name);
            responses.insert(shared.status.to_owned(), RefOr::Ref(reference));
        }
    }
}

/// No body at all stands for an object without fields: it is not required where none of them is.
fn allow_no_body(operation: &mut Operation, components: &Components) {
    let Some(RefOr::T(body)) = &mut operation.request_body else {
        return;
    };
    let Some(RefOr::T(content)) = body.content.get("application/json") else {
        return;
    };
    let Some(RefOr::Ref(reference)) = &content.schema else {
        return;
    };
    let name = reference.ref_location.rsplit('/').next();
    if let Some(RefOr::T(Schema::Object(object))) =
        name.and_then(|name| components.schemas.get(name))
        && object.required.is_empty()
    {
        body.required = Some(Required::False);
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
