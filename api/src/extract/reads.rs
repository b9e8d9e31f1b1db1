//! Reading one's own writes: a read waits for a position before it looks.

use std::{sync::Arc, time::Duration};

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, request::Parts},
};

use crate::{
    app::{App, Shared},
    extract::SignedIn,
    problem::{Answered, Code, Problem},
};

const PATIENCE: Duration = Duration::from_secs(2);

/// A signed-in client's read. Waits for `Daybook-Min-Position`, else for the client's own last
/// acknowledged command.
pub(crate) struct Fresh {
    app: Shared,
    position: i64,
}

impl FromRequestParts<Shared> for Fresh {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Shared) -> Result<Self, Problem> {
        let client = SignedIn::from_request_parts(parts, app).await?.client_id();
        let position = match min_position(&parts.headers)? {
            Some(position) => position,
            None => app.acknowledged.get(&client).unwrap_or_default().any,
        };
        Ok(Self {
            app: Arc::clone(app),
            position,
        })
    }
}

/// `Daybook-Min-Position`, where it was sent.
pub(crate) fn min_position(headers: &HeaderMap) -> Answered<Option<i64>> {
    let Some(value) = headers.get("daybook-min-position") else {
        return Ok(None);
    };
    let position = value.to_str().ok().and_then(parse);
    position.map(Some).ok_or_else(|| {
        let message = "must be a position of the book";
        Problem::field(Code::InvalidValue, "Daybook-Min-Position", message)
    })
}

fn parse(text: &str) -> Option<i64> {
    text.parse().ok().filter(|position| *position >= 0)
}

impl Fresh {
    /// Waits until these read models have got there.
    pub(crate) async fn wait(&self, names: &[&str]) -> Answered<()> {
        self.app.wait_for(names, self.position).await
    }
}

impl App {
    /// Waits until read models have reached a position.
    pub(crate) async fn wait_for(&self, names: &[&str], position: i64) -> Answered<()> {
        if position == 0 {
            return Ok(());
        }
        Ok(self
            .handles
            .reads
            .wait_for(names, position, PATIENCE)
            .await?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_is_a_number_from_zero() {
        assert_eq!(parse("42"), Some(42));
        for text in ["", "-1", "soon", "1.5", "99999999999999999999"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
