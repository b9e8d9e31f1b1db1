//! `POST /crm/users`: whom the CRM knows becomes a client, or is one already.

use axum::{extract::State, response::Response};
use daybook_domain::{
    Client, ClientCommand, ClientId, ClientRejection, Timestamp, client::Registration,
};
use daybook_engine::{Answer, EngineError, RegisterRequest, Reply};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    named::{self, UNIQUE_EXTERNAL_ID, by_external_id},
    wishes::{self, FlagsBody, LimitsBody},
};
use crate::{
    app::{App, Shared},
    auth::{
        UNIQUE_EMAIL,
        routes::{email_hash, owner_of, register::accounts},
    },
    extract::{CrmChange, JsonBody, answer, answered},
    problem::{Answered, Code, Problem, ProblemBody},
};

/// Somebody else may be faster with the same name or address so often.
const TRIES: usize = 5;

/// A person as the CRM knows them.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct UpsertBody {
    /// The CRM's own identifier of the person: 1 to 128 characters.
    #[schema(example = "C-10433")]
    external_id: String,
    #[schema(example = "ada@example.com")]
    email: String,
    #[schema(example = "Ada")]
    first_name: String,
    #[schema(example = "Lovelace")]
    last_name: String,
    #[schema(example = "+44 20 7946 0000")]
    phone: Option<String>,
    /// ISO 3166-1 alpha-2.
    #[schema(example = "GB")]
    country: Option<String>,
    flags: Option<FlagsBody>,
    limits: Option<LimitsBody>,
}

/// Which client it is.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct UpsertedBody {
    #[schema(example = "01997d0a-5a3e-7d31-9a53-0a4f2f1c7a00")]
    client_id: String,
    /// False where they were a client already.
    created: bool,
}

/// Makes a client of a person, or brings one up to date, by the CRM's own identifier. Whoever is a
/// client by their address is linked. A new client gets a demo and a live account, and a mail with
/// a link to choose a password.
#[utoipa::path(post, path = "/crm/users", operation_id = "upsertUser", tag = "crm", request_body = UpsertBody,
    params(("Idempotency-Key" = Option<String>, Header, description = "Makes repeating safe for 24 hours")),
    security(("crm" = [])),
    responses(
        (status = 200, description = "A client already, now as asked", body = UpsertedBody),
        (status = 201, description = "A client from now on", body = UpsertedBody),
        (status = 400, description = "Malformed", body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, description = "`unauthenticated`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "The address is linked to another `externalId`, or the client has another address", body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "`insufficient_margin`: what is open needs a leverage above the limit; `idempotency_key_reused`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "`overloaded`, `unavailable` or `not_leader`", body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub(crate) async fn upsert(
    State(app): State<Shared>,
    asked: CrmChange,
    JsonBody { value, bytes }: JsonBody<UpsertBody>,
) -> Answered<Response> {
    let key = asked.idempotency(&bytes);
    if let Some(reply) = app.engine()?.answered(&key).await? {
        return Ok(answer(reply));
    }
    let person = Person::of(value, &asked.crm.actor)?;
    for _ in 0..TRIES {
        match try_upsert(&app, &asked, &person, &bytes).await {
            Err(Failed::Raced) => {}
            Err(Failed::Problem(problem)) => return Err(problem),
            Ok(reply) => return Ok(answer(reply)),
        }
    }
    Err(Problem::new(Code::Overloaded))
}

/// Why it was not done.
enum Failed {
    /// Somebody was faster: it is to be looked at again.
    Raced,
    Problem(Problem),
}

impl From<Problem> for Failed {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

impl From<EngineError> for Failed {
    fn from(error: EngineError) -> Self {
        let kinds = [UNIQUE_EMAIL, UNIQUE_EXTERNAL_ID];
        if let EngineError::UniqueTaken { kind } = &error
            && kinds.contains(&kind.as_str())
        {
            return Self::Raced;
        }
        Self::Problem(error.into())
    }
}

/// Who is meant, checked, and what is asked about them besides.
struct Person {
    external_id: String,
    registration: Registration,
    link: ClientCommand,
    limits: Option<ClientCommand>,
}

impl Person {
    /// What the domain would refuse is refused before anybody is looked up.
    fn of(body: UpsertBody, by: &str) -> Answered<Self> {
        let given = |text: Option<String>| text.filter(|text| !text.trim().is_empty());
        let registration = Registration {
            email: body.email,
            first_name: body.first_name,
            last_name: body.last_name,
            phone: given(body.phone),
            country: given(body.country),
        };
        let person = Self {
            registration: registration.normalised(),
            link: ClientCommand::LinkExternalId {
                external_id: body.external_id.clone(),
                by: by.to_owned(),
            },
            external_id: body.external_id,
            limits: wishes::limits(body.flags, body.limits, by),
        };
        let at = chrono::Utc::now();
        person
            .try_on(at)
            .map_err(|refusal| Problem::from(&refusal))?;
        Ok(person)
    }

    fn try_on(&self, at: Timestamp) -> Result<(), ClientRejection> {
        let mut client = Client::default();
        let register = ClientCommand::Register(self.registration.clone());
        for command in std::iter::once(&register).chain(&self.further()) {
            for event in client.decide(command, at)? {
                client.evolve(&event);
            }
        }
        Ok(())
    }

    /// What is decided about somebody new at once.
    fn further(&self) -> Vec<ClientCommand> {
        let mut further = vec![self.link.clone(), ClientCommand::Invite];
        further.extend(self.limits.clone());
        further
    }

    /// What is asked of somebody who is a client already.
    fn update(&self) -> Vec<ClientCommand> {
        let person = &self.registration;
        let profile = ClientCommand::UpdateProfile {
            first_name: Some(person.first_name.clone()),
            last_name: Some(person.last_name.clone()),
            phone: person.phone.clone(),
            country: person.country.clone(),
        };
        let mut commands = vec![self.link.clone(), profile];
        commands.extend(self.limits.clone());
        commands
    }
}

async fn try_upsert(
    app: &App,
    asked: &CrmChange,
    person: &Person,
    body: &[u8],
) -> Result<Reply, Failed> {
    let hash = email_hash(app, &person.registration.email);
    // In this order: whoever is registered between the two is found by the second.
    let of_name = by_external_id(app, &person.external_id).await?;
    let of_address = owner_of(app, &hash).await?.map(ClientId);
    match (of_name, of_address) {
        (Some(known), of_address) if of_address == Some(known) => {
            update(app, asked, person, (known, body)).await
        }
        (Some(_), Some(_)) => Err(conflict("the address is another client's")),
        (Some(_), None) => Err(conflict("the client is registered under another address")),
        (None, Some(linked)) => update(app, asked, person, (linked, body)).await,
        (None, None) => create(app, asked, person, (hash, body)).await,
    }
}

fn conflict(detail: &str) -> Failed {
    Failed::Problem(Problem::with_detail(Code::Conflict, detail))
}

async fn update(
    app: &App,
    asked: &CrmChange,
    person: &Person,
    (client_id, body): (ClientId, &[u8]),
) -> Result<Reply, Failed> {
    let client = named::of(app, client_id).await?;
    let told = answer_of(client_id, false);
    let commands = person.update();
    let answered = ("upsert_user", body, told);
    Ok(named::try_change(app, asked, client, commands, answered).await??)
}

async fn create(
    app: &App,
    asked: &CrmChange,
    person: &Person,
    (email_hash, body): (String, &[u8]),
) -> Result<Reply, Failed> {
    let client_id = ClientId(Uuid::now_v7());
    let numbers = app.handles.store.next_account_numbers(2).await;
    let numbers = numbers.map_err(Problem::from)?;
    let (key, new_key) = app.handles.store.keys().create(client_id.0);
    let request = RegisterRequest {
        client_id,
        registration: person.registration.clone(),
        email_hash,
        password_hash: None,
        further: person.further(),
        accounts: accounts(&numbers, app),
        key,
        new_key,
        origin: asked.crm.origin("upsert_user"),
        idempotency: asked.idempotency(body),
        answer: answer_of(client_id, true),
    };
    let reply = app.engine()?.register(request).await?;
    app.acknowledge(client_id, reply.position, true);
    Ok(reply)
}

fn answer_of(client_id: ClientId, created: bool) -> Answer {
    let body = UpsertedBody {
        client_id: client_id.to_string(),
        created,
    };
    answered(if created { 201 } else { 200 }, &body)
}
