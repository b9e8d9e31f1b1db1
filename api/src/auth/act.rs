//! What a route asks of a client's stream: the client's key and the request's origin go with it.

use daybook_domain::{Client, ClientCommand, ClientId, ClientRejection};
use daybook_engine::{EngineError, PersonReply, PersonRequest};
use daybook_store::{NewSession, SecretRow, SubjectKey};

use crate::{
    app::{App, admin_actor, in_place_of, sealed_origin},
    problem::Answered,
    request::RequestInfo,
};

/// A client in whose name a route acts.
pub(crate) struct Act<'a> {
    pub(crate) app: &'a App,
    pub(crate) info: &'a RequestInfo,
    pub(crate) client_id: ClientId,
    pub(crate) key: SubjectKey,
    /// Who acts in the client's place.
    admin_id: Option<&'a str>,
}

/// What is kept together with the events.
#[derive(Default)]
pub(crate) struct Beside {
    pub(crate) secrets: Vec<SecretRow>,
    pub(crate) session: Option<Box<NewSession>>,
}

impl<'a> Act<'a> {
    pub(crate) async fn of(
        app: &'a App,
        info: &'a RequestInfo,
        client_id: ClientId,
    ) -> Answered<Self> {
        let key = app.handles.store.keys().get(client_id.0).await?;
        Ok(Self {
            app,
            info,
            client_id,
            key,
            admin_id: info.impersonator(client_id),
        })
    }

    /// Of somebody who comes in the client's place, and is not signed in yet.
    pub(crate) async fn in_place(
        app: &'a App,
        info: &'a RequestInfo,
        client_id: ClientId,
        admin_id: &'a str,
    ) -> Answered<Self> {
        Ok(Self {
            admin_id: Some(admin_id),
            ..Self::of(app, info, client_id).await?
        })
    }

    /// Of whoever's session it is: an administrator's, or the client's own.
    pub(crate) async fn of_session(
        app: &'a App,
        info: &'a RequestInfo,
        client_id: ClientId,
        impersonated_by: Option<&'a str>,
    ) -> Answered<Self> {
        match impersonated_by {
            Some(admin_id) => Self::in_place(app, info, client_id, admin_id).await,
            None => Self::of(app, info, client_id).await,
        }
    }

    /// Who acts, as events say it in their own fields.
    pub(crate) fn doer(&self) -> String {
        self.admin_id.map_or("client".to_owned(), admin_actor)
    }

    /// The client as the book has them.
    pub(crate) async fn state(&self) -> Answered<Client> {
        let engine = self.app.engine()?;
        Ok(engine.client_state(self.client_id, &self.key).await?)
    }

    pub(crate) async fn ask(
        &self,
        reason: &'static str,
        command: ClientCommand,
    ) -> Answered<PersonReply> {
        let asked = self.ask_with(reason, command, Beside::default()).await?;
        asked.map_err(|refusal| EngineError::ClientRefused(refusal).into())
    }

    /// The same, with what is kept beside it; a broken rule is the caller's to tell.
    pub(crate) async fn ask_with(
        &self,
        reason: &'static str,
        command: ClientCommand,
        beside: Beside,
    ) -> Answered<Result<PersonReply, ClientRejection>> {
        let origin = sealed_origin(&self.key, self.client_id, self.info, reason);
        let origin = match self.admin_id {
            Some(admin_id) => in_place_of(self.client_id, admin_id, origin),
            None => origin,
        };
        let request = PersonRequest {
            client_id: self.client_id,
            command,
            key: self.key.clone(),
            origin,
            secrets: beside.secrets,
            session: beside.session,
        };
        match self.app.engine()?.person(request).await {
            Ok(reply) => {
                self.app.acknowledge(self.client_id, reply.position, true);
                Ok(Ok(reply))
            }
            Err(EngineError::ClientRefused(refusal)) => Ok(Err(refusal)),
            Err(error) => Err(error.into()),
        }
    }

    /// One of the client's secrets.
    pub(crate) fn secret(&self, name: &'static str, value: String) -> SecretRow {
        SecretRow {
            subject: self.client_id.0,
            name,
            value,
        }
    }
}
