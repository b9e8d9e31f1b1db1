//! Scenarios: recorded ticks and timed commands through the real desk on a virtual clock, for
//! dispute replay, backtests and tests. No database; the same file always gives the same report.

mod commands;
mod file;
mod number;
mod report;
mod run;
mod terms;
#[cfg(test)]
mod tests;
mod ticks;

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use daybook_domain::{Instrument, Quote};
use serde_json::Value;

use self::file::File;
pub use self::{
    report::{EventOut, FillOut, PositionOut, RejectionOut, ScenarioReport},
    run::run,
};

/// Decides whether a tick passes the feed filter; called for each in order.
pub type TickFilter<'a> = dyn FnMut(&Quote) -> bool + 'a;

/// A scenario file, ready to be run.
#[derive(Clone, Debug)]
pub struct Scenario {
    file: File,
}

/// Why a scenario could not be run.
#[derive(Debug, thiserror::Error)]
pub enum ScenarioError {
    /// A file could not be read.
    #[error("{path} could not be read")]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The scenario is not what the contract says.
    #[error("not a scenario")]
    Syntax(#[source] serde_json::Error),
    /// A line is no tick.
    #[error("{path}, line {line}: a tick is timestamp_ms_utc,symbol,bid,ask")]
    Tick {
        /// Which file.
        path: PathBuf,
        /// Which line, from 1.
        line: usize,
    },
    /// A bug of ours: deciding this panicked.
    #[error("deciding {0} panicked")]
    Panicked(&'static str),
    /// A value that makes no sense.
    #[error("{0}")]
    Invalid(String),
}

impl Scenario {
    /// Reads a file; tick paths in it are relative to it.
    ///
    /// # Errors
    /// [`ScenarioError`] when it cannot be read or understood.
    pub fn load(path: &Path) -> Result<Self, ScenarioError> {
        let text = fs::read_to_string(path).map_err(|source| ScenarioError::Read {
            path: path.to_owned(),
            source,
        })?;
        Self::parse(&text, path.parent().unwrap_or(Path::new("")))
    }

    /// Reads a scenario from its text; tick paths in it are relative to `folder`.
    ///
    /// # Errors
    /// [`ScenarioError`] when it cannot be understood.
    pub fn parse(text: &str, folder: &Path) -> Result<Self, ScenarioError> {
        let mut file: File = serde_json::from_str(text).map_err(ScenarioError::Syntax)?;
        for path in &mut file.ticks {
            *path = folder.join(&path);
        }
        terms::instruments(&file)?;
        Ok(Self { file })
    }

    /// The instruments with all their terms, for the caller's feed filter.
    #[must_use]
    pub fn instruments(&self) -> Vec<Arc<Instrument>> {
        let instruments = terms::instruments(&self.file);
        instruments.expect("invariant: `parse` has looked at them")
    }

    /// Whether the settings ask for the feed filter.
    #[must_use]
    pub fn feed_filter(&self) -> bool {
        self.file.settings.feed_filter.is_none_or(|filter| filter.0)
    }

    /// What the file says it shows, for people.
    #[must_use]
    pub fn about(&self) -> Option<&str> {
        self.file.about.as_deref()
    }

    /// What the file expects of its report, for tests; none where it says nothing.
    #[must_use]
    pub const fn expect(&self) -> Option<&Value> {
        self.file.expect.as_ref()
    }
}
