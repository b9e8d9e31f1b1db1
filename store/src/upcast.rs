//! Brings payloads of old versions to the newest shape, at read time. What is stored never changes.

use std::{borrow::Cow, collections::HashMap};

use serde_json::Value;

use crate::{error::StoreError, recorded::Recorded};

/// Turns a whole payload (`{"Type": {…}}`) of one version into that of the next; the error says
/// what was not as expected.
pub type Upcast = fn(Value) -> Result<Value, String>;

/// Every step known, by event type and the version it starts from.
#[derive(Clone, Debug, Default)]
pub struct Upcasters {
    by_type: HashMap<&'static str, HashMap<&'static str, Step>>,
}

#[derive(Clone, Debug)]
struct Step {
    to: &'static str,
    upcast: Upcast,
}

impl Upcasters {
    /// The steps of this version of Daybook: none so far.
    #[must_use]
    pub fn current() -> Self {
        Self::default()
    }

    /// Adds a step. Steps of one event type are chained by version.
    ///
    /// # Panics
    /// When a version is given two successors.
    #[must_use]
    pub fn with(
        mut self,
        event_type: &'static str,
        from: &'static str,
        to: &'static str,
        upcast: Upcast,
    ) -> Self {
        let steps = self.by_type.entry(event_type).or_default();
        let replaced = steps.insert(from, Step { to, upcast });
        assert!(
            replaced.is_none(),
            "invariant: {event_type} {from} has one successor"
        );
        self
    }

    /// Brings one event to the newest version of its type; most are there already.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] when the payload is not what its version says.
    pub fn apply(&self, event: &mut Recorded) -> Result<(), StoreError> {
        let Some(steps) = self.by_type.get(&*event.event_type) else {
            return Ok(());
        };
        if !steps.contains_key(&*event.event_version) {
            return Ok(());
        }
        let corrupt = |detail: String| StoreError::Corrupt {
            place: format!("position {}", event.position),
            detail,
        };
        let mut payload: Value =
            serde_json::from_str(&event.payload).map_err(|error| corrupt(error.to_string()))?;
        let mut version = Cow::Borrowed(&*event.event_version);
        let mut left = steps.len();
        while let Some(step) = steps.get(&*version) {
            // Each step is taken once at most: more would be a circle of versions.
            left = left
                .checked_sub(1)
                .ok_or_else(|| corrupt("versions form a circle".into()))?;
            payload = (step.upcast)(payload)
                .map_err(|detail| corrupt(format!("upcasting from {version}: {detail}")))?;
            version = Cow::Borrowed(step.to);
        }
        let version = Box::from(&*version);
        event.payload = payload.to_string().into();
        event.event_version = version;
        Ok(())
    }
}
