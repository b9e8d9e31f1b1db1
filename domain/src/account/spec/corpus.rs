//! Histories of surprises that are kept: each reached something that those before it did not. They
//! are played again by every run, whatever chance brings.
//!
//! `DAYBOOK_GROW_CORPUS=2000` tries so many new histories and keeps those that reach more. What fails
//! is kept by proptest itself, beside the sources.

use std::{collections::BTreeSet, env, fs, path::PathBuf};

use proptest::{
    collection::vec,
    strategy::{Strategy, ValueTree},
    test_runner::TestRunner,
};
use serde::{Deserialize, Serialize};

use super::{
    surprise::{Surprise, surprise},
    surprises::{live, play},
    *,
};

#[derive(Clone, Debug, Serialize, Deserialize)]
struct History {
    mode: PositionMode,
    currency: String,
    funds: String,
    surprises: Vec<Surprise>,
}

impl History {
    /// Events and refusals that it leads to.
    fn reached(&self) -> BTreeSet<&'static str> {
        let desk = live(self.mode, &self.currency, &self.funds);
        play(desk, self.surprises.clone()).unwrap()
    }
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("corpus")
}

/// The kept histories, in the order in which they were found.
fn kept() -> Vec<History> {
    let files = fs::read_dir(folder()).unwrap();
    let mut paths: Vec<PathBuf> = files.map(|file| file.unwrap().path()).collect();
    paths.sort();
    let read = |path: &PathBuf| serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    paths.iter().map(read).collect()
}

/// Events and refusals that the corpus reaches at least: one that reaches little checks little.
const REACHED_LEAST: usize = 40;

#[test]
fn the_kept_histories_play_without_a_panic_and_reach_most_facts() {
    let reached: BTreeSet<_> = kept().iter().flat_map(History::reached).collect();
    assert!(
        reached.len() >= REACHED_LEAST,
        "{}: {reached:?}",
        reached.len()
    );
}

#[test]
fn the_corpus_grows_where_it_is_asked_to() {
    let Some(tries) = env::var("DAYBOOK_GROW_CORPUS").ok() else {
        return;
    };
    let mut runner = TestRunner::default();
    let mut kept = kept();
    let mut reached: BTreeSet<_> = kept.iter().flat_map(History::reached).collect();
    for _ in 0..tries.parse::<usize>().unwrap() {
        let history = histories().new_tree(&mut runner).unwrap().current();
        let new = history.reached();
        if new.is_subset(&reached) {
            continue;
        }
        reached.extend(new);
        let path = folder().join(format!("{:03}.json", kept.len() + 1));
        fs::write(path, serde_json::to_string(&history).unwrap() + "\n").unwrap();
        kept.push(history);
    }
}

fn histories() -> impl Strategy<Value = History> {
    let modes = [PositionMode::Hedging, PositionMode::Netting];
    let (currencies, funds) = (["USD", "JPY", "EUR", "GBP"], ["1000", "1000000"]);
    (
        0..modes.len(),
        0..currencies.len(),
        0..funds.len(),
        vec(surprise(), 20..80),
    )
        .prop_map(move |(mode, currency, fund, surprises)| History {
            mode: modes[mode],
            currency: currencies[currency].to_owned(),
            funds: funds[fund].to_owned(),
            surprises,
        })
}
