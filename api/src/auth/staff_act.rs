//! What a route asks of the stream of a member of staff.

use daybook_domain::{
    ClientId, SessionId, StaffCommand, StaffId, StaffRejection,
    client::RevokeReason,
    staff::{Look, Looked},
};
use daybook_engine::{EngineError, MemberReply, MemberRequest, Origin};
use daybook_store::{Metadata, SecretRow, StreamId, SubjectKey};

use super::act::Beside;
use crate::{app::App, problem::Answered, request::RequestInfo};

/// A member of staff in whose name a route acts.
pub(crate) struct StaffAct<'a> {
    pub(crate) app: &'a App,
    pub(crate) info: &'a RequestInfo,
    pub(crate) staff_id: StaffId,
    pub(crate) key: SubjectKey,
}

impl<'a> StaffAct<'a> {
    pub(crate) async fn of(
        app: &'a App,
        info: &'a RequestInfo,
        staff_id: StaffId,
    ) -> Answered<Self> {
        let key = app.handles.store.keys().get(staff_id.0).await?;
        Ok(Self {
            app,
            info,
            staff_id,
            key,
        })
    }

    pub(crate) async fn ask(
        &self,
        reason: &'static str,
        command: StaffCommand,
    ) -> Answered<MemberReply> {
        let asked = self.ask_with(reason, command, Beside::default()).await?;
        asked.map_err(|refusal| EngineError::StaffRefused(refusal).into())
    }

    /// The same, with what is kept beside it; a broken rule is the caller's to tell.
    pub(crate) async fn ask_with(
        &self,
        reason: &'static str,
        command: StaffCommand,
        beside: Beside,
    ) -> Answered<Result<MemberReply, StaffRejection>> {
        let request = MemberRequest {
            staff_id: self.staff_id,
            command,
            key: self.key.clone(),
            origin: self.origin(reason),
            secrets: beside.secrets,
            session: beside.session,
        };
        match self.app.engine()?.staff(request).await {
            Ok(reply) => Ok(Ok(reply)),
            Err(EngineError::StaffRefused(refusal)) => Ok(Err(refusal)),
            Err(error) => Err(error.into()),
        }
    }

    /// Who, why and from where; what is personal is sealed under the member's own key.
    pub(crate) fn origin(&self, reason: &str) -> Origin {
        let info = self.info;
        let user_agent = info.user_agent.as_ref();
        Origin {
            actor: format!("staff:{}", self.staff_id),
            on_behalf_of: None,
            reason: reason.to_owned(),
            correlation_id: info.id.to_string(),
            ip: Some(self.key.seal(Metadata::IP, &info.address.to_string())),
            user_agent: user_agent.map(|text| self.key.seal(Metadata::USER_AGENT, text)),
        }
    }

    /// Notes a look before it is answered: none goes unnoted, hence only where the book is
    /// written.
    pub(crate) async fn look(
        &self,
        what: Look,
        stream: Option<&StreamId>,
        client_id: Option<ClientId>,
    ) -> Answered<()> {
        let look = Looked {
            what,
            stream: stream.map(StreamId::to_string),
            client_id,
        };
        self.ask("look", StaffCommand::Look(look)).await?;
        Ok(())
    }

    /// Ends a session, here and on every other node.
    pub(crate) async fn end_session(
        &self,
        session_id: SessionId,
        reason: RevokeReason,
    ) -> Answered<()> {
        let command = StaffCommand::RevokeSessions {
            session_id: Some(session_id),
            reason,
            by: "staff".to_owned(),
        };
        self.ask("end_session", command).await?;
        self.app.ended.look().await;
        Ok(())
    }

    /// One of the member's secrets.
    pub(crate) fn secret(&self, name: &'static str, value: String) -> SecretRow {
        SecretRow {
            subject: self.staff_id.0,
            name,
            value,
        }
    }
}
