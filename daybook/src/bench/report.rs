//! A benchmark's findings as a table for people and as JSON for machines.

use serde::Serialize;

use super::measure::Measured;

/// One line of the findings.
#[derive(Clone, Debug, Serialize)]
pub struct Line {
    /// What ran.
    pub program: String,
    /// What was measured.
    #[serde(flatten)]
    pub measured: Measured,
}

/// A ratio with the goal it is held against.
#[derive(Clone, Debug, Serialize)]
pub struct Ratio {
    /// What is compared.
    pub name: String,
    /// Ours over theirs, both of this run.
    pub value: f64,
    /// What it has to reach, in words.
    pub goal: String,
    /// Whether it does.
    pub met: bool,
}

/// Everything one benchmark found.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Report {
    /// Throughput and latency.
    pub lines: Vec<Line>,
    /// Ratios and other figures with goals.
    pub ratios: Vec<Ratio>,
}

impl Report {
    /// Adds a line and says so at once: benchmarks take minutes.
    pub fn line(&mut self, program: impl Into<String>, measured: Measured) {
        let line = Line {
            program: program.into(),
            measured,
        };
        eprintln!("{}", line.text());
        self.lines.push(line);
    }

    /// A figure that must be at least `goal`.
    pub fn at_least(&mut self, name: &str, value: f64, goal: f64, unit: &str) {
        self.ratio(name, value, format!("≥ {goal} {unit}"), value >= goal);
    }

    /// A figure that must be at most `goal`.
    pub fn at_most(&mut self, name: &str, value: f64, goal: f64, unit: &str) {
        self.ratio(name, value, format!("≤ {goal} {unit}"), value <= goal);
    }

    /// A figure that is told and held against nothing.
    pub fn figure(&mut self, name: &str, value: f64, unit: &str) {
        self.ratio(name, value, format!("none, {unit}"), true);
    }

    fn ratio(&mut self, name: &str, value: f64, goal: String, met: bool) {
        let ratio = Ratio {
            name: name.to_owned(),
            value,
            goal,
            met,
        };
        eprintln!("{}", ratio.text());
        self.ratios.push(ratio);
    }

    /// Prints the report to standard output.
    ///
    /// # Errors
    /// When it cannot be serialised.
    pub fn print(&self, json: bool) -> anyhow::Result<()> {
        if json {
            println!("{}", serde_json::to_string_pretty(self)?);
            return Ok(());
        }
        for line in &self.lines {
            println!("{}", line.text());
        }
        println!();
        for ratio in &self.ratios {
            println!("{}", ratio.text());
        }
        Ok(())
    }
}

impl Line {
    fn text(&self) -> String {
        let Measured {
            callers,
            per_second,
            p50_us,
            p99_us,
            refused_percent,
        } = self.measured;
        let program = &self.program;
        format!(
            "{program:<58} {callers:>4} callers {per_second:>12.0}/s  p50 {p50_us:>7} µs  \
             p99 {p99_us:>8} µs  refused {refused_percent:>4.1} %"
        )
    }
}

impl Ratio {
    fn text(&self) -> String {
        let mark = match (self.met, self.goal.starts_with("none")) {
            (_, true) => "",
            (true, false) => "met",
            (false, false) => "NOT MET",
        };
        format!(
            "{:<66} {:>12.2}  goal {:<18} {mark}",
            self.name, self.value, self.goal
        )
    }
}
