//! Reads variables by name, remembers where each value came from, and collects every error.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Display,
    str::FromStr,
};

use super::variables;

/// One variable is missing or malformed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{name}: {problem}")]
pub struct ConfigError {
    /// The variable.
    pub name: String,
    /// What is wrong. Never the value of a secret.
    pub problem: String,
}

/// All that is wrong, at once.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the configuration is not usable:\n  {}", list(.0))]
pub struct ConfigErrors(pub Vec<ConfigError>);

fn list(errors: &[ConfigError]) -> String {
    let lines: Vec<String> = errors.iter().map(ToString::to_string).collect();
    lines.join("\n  ")
}

/// The environment, read once.
pub struct Reader {
    environment: BTreeMap<String, String>,
    asked: BTreeSet<&'static str>,
    errors: Vec<ConfigError>,
}

impl Reader {
    pub fn new(environment: BTreeMap<String, String>) -> Self {
        Self {
            environment,
            asked: BTreeSet::new(),
            errors: Vec::new(),
        }
    }

    /// The value; an empty one counts as unset.
    pub fn text(&mut self, name: &'static str) -> Option<String> {
        self.found(name).map(|(_, value)| value)
    }

    /// Whether the variable is there and empty, which switches some things off.
    pub fn is_empty(&mut self, name: &'static str) -> bool {
        self.asked.insert(name);
        self.environment
            .get(name)
            .is_some_and(|value| value.trim().is_empty())
    }

    /// The value as a type; an error is noted under the name it was given by.
    pub fn parsed<T>(&mut self, name: &'static str) -> Option<T>
    where
        T: FromStr,
        T::Err: Display,
    {
        self.parsed_with(name, |text| {
            text.parse().map_err(|error: T::Err| error.to_string())
        })
    }

    pub fn parsed_with<T>(
        &mut self,
        name: &'static str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        let (by, value) = self.found(name)?;
        match parse(&value) {
            Ok(parsed) => Some(parsed),
            Err(problem) => {
                self.error(by, problem);
                None
            }
        }
    }

    /// A number of at least one.
    pub fn at_least_one<T>(&mut self, name: &'static str, default: T) -> T
    where
        T: FromStr + PartialOrd + From<u8>,
        T::Err: Display,
    {
        let parse = |text: &str| match text.parse::<T>() {
            Ok(number) if number >= T::from(1) => Ok(number),
            Ok(_) => Err("must be at least 1".to_owned()),
            Err(error) => Err(error.to_string()),
        };
        self.parsed_with(name, parse).unwrap_or(default)
    }

    /// A limit; `0` and `off` take it away.
    pub fn limit(&mut self, name: &'static str, default: Option<u32>) -> Option<u32> {
        let parse = |text: &str| match text {
            "0" | "off" => Ok(None),
            number => number
                .parse()
                .map(Some)
                .map_err(|_| "must be a number, 0 or off".to_owned()),
        };
        self.parsed_with(name, parse).unwrap_or(default)
    }

    pub fn flag(&mut self, name: &'static str, default: bool) -> bool {
        let parse = |text: &str| match text {
            "true" | "on" | "yes" | "1" => Ok(true),
            "false" | "off" | "no" | "0" => Ok(false),
            _ => Err("must be true or false".to_owned()),
        };
        self.parsed_with(name, parse).unwrap_or(default)
    }

    /// One of several words.
    pub fn choice<T: Copy>(&mut self, name: &'static str, choices: &[(&str, T)]) -> Option<T> {
        let parse = |text: &str| {
            let found = choices.iter().find(|(word, _)| *word == text);
            found.map(|(_, choice)| *choice).ok_or_else(|| {
                let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
                format!("must be one of: {}", words.join(", "))
            })
        };
        self.parsed_with(name, parse)
    }

    /// Comma-separated values.
    pub fn list(&mut self, name: &'static str) -> Vec<String> {
        let text = self.text(name).unwrap_or_default();
        let parts = text
            .split(',')
            .map(str::trim)
            .filter(|part| !part.is_empty());
        parts.map(str::to_owned).collect()
    }

    pub fn error(&mut self, name: impl Into<String>, problem: impl Into<String>) {
        self.errors.push(ConfigError {
            name: name.into(),
            problem: problem.into(),
        });
    }

    /// Variables that look like ours and are none.
    pub fn mistyped(&self) -> Vec<String> {
        let names = self.environment.keys();
        names
            .filter(|name| variables::looks_mistyped(name))
            .cloned()
            .collect()
    }

    /// The value, or everything that is wrong.
    pub fn finish<T>(self, value: T) -> Result<T, ConfigErrors> {
        debug_assert_eq!(
            self.asked.len(),
            variables::VARIABLES.len(),
            "Invariant: every variable of the table is read"
        );
        if self.errors.is_empty() {
            Ok(value)
        } else {
            Err(ConfigErrors(self.errors))
        }
    }

    /// The value and the name that it was given by.
    pub fn found(&mut self, name: &'static str) -> Option<(&'static str, String)> {
        let variable =
            variables::find(name).expect("invariant: only variables of the table are read");
        self.asked.insert(name);
        [Some(name), variable.alias]
            .into_iter()
            .flatten()
            .find_map(|by| {
                let value = self.environment.get(by)?.trim();
                (!value.is_empty()).then(|| (by, value.to_owned()))
            })
    }
}
