//! `bench fanout`: quotes to thousands of WebSockets, ours beside its peers. The server has one core,
//! the clients have the other; one load after another, each server started afresh.

mod contestant;
mod herd;
mod latency;
mod load;
mod nats;
mod pin;
mod race;
pub mod server;

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use self::{
    contestant::Contestant,
    load::Load,
    race::{Heat, Race},
};
use super::report::Report;

const SYMBOLS: usize = 50;
/// Messages a second that ours has to reach when more are offered.
const SUSTAINED: f64 = 2_000_000.0;
const IDLE_BYTES_MAX: f64 = 12.0 * 1024.0;
/// A stalled client may move the p99 of the others by no more than noise does: 25 %, or 2 ms.
const STALLED_RATIO_MAX: f64 = 1.25;

/// How the race is run.
#[derive(Debug, Args)]
pub struct FanoutArgs {
    /// Seconds of quotes at each load.
    #[arg(long, default_value_t = 8)]
    seconds: u64,
    /// Where `scripts/bench-peers` has installed the peers.
    #[arg(long, env = "DAYBOOK_BENCH_PEERS", default_value = ".bench-peers")]
    peers: PathBuf,
    /// Ours alone.
    #[arg(long)]
    alone: bool,
    /// Connections of the large loads.
    #[arg(long, default_value_t = 10_000)]
    many: usize,
    /// Parts of the course to run; none named: all.
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Part>,
}

/// A part of the course.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Part {
    /// A thousand connections at three loads, beside the peers.
    Loads,
    /// Ten thousand connections.
    Many,
    /// A client that does not read.
    Stalled,
    /// Memory of connections that hear little.
    Idle,
}

impl FanoutArgs {
    fn runs(&self, part: Part) -> bool {
        self.only.is_empty() || self.only.contains(&part)
    }
}

/// Runs every load.
///
/// # Errors
/// When ours cannot be started. A peer that fails is told and left out.
pub fn run(args: &FanoutArgs) -> anyhow::Result<Report> {
    let descriptors = pin::raise_descriptors();
    let wanted = u64::try_from(args.many)? + 1_000;
    anyhow::ensure!(
        descriptors >= wanted,
        "{descriptors} descriptors are too few for {} connections (ulimit -n)",
        args.many
    );
    let (server, clients) = pin::cores();
    pin::to_core(clients);
    let mut race = Race {
        peers: std::path::absolute(&args.peers)?,
        core: server,
        report: Report::default(),
    };
    let field = field(&race, args.alone);
    if args.runs(Part::Loads) {
        loads(&mut race, &field, args.seconds)?;
    }
    if args.runs(Part::Many) {
        many(&mut race, args)?;
    }
    if args.runs(Part::Stalled) {
        stalled(&mut race, args.seconds)?;
    }
    if args.runs(Part::Idle) {
        idle(&mut race, &field, args.many)?;
    }
    Ok(race.report)
}

/// Who races, and a word about who does not.
fn field(race: &Race, alone: bool) -> Vec<Contestant> {
    let mut field = vec![Contestant::Daybook];
    for peer in Contestant::ALL.into_iter().skip(1).filter(|_| !alone) {
        match peer.missing(&race.peers) {
            None => field.push(peer),
            Some(why) => eprintln!("{} does not race: {why}", peer.name()),
        }
    }
    field
}

/// A thousand connections, at three loads.
fn loads(race: &mut Race, field: &[Contestant], seconds: u64) -> anyhow::Result<()> {
    for per_second in [300, 1_500, 3_000] {
        let load = Load {
            connections: 1_000,
            symbols: SYMBOLS,
            per_second,
            seconds,
        };
        compare(race, field, &load)?;
    }
    Ok(())
}

fn compare(race: &mut Race, field: &[Contestant], load: &Load) -> anyhow::Result<()> {
    let ours = race.heat(Contestant::Daybook, load, false)?;
    let offered = load.offered();
    if offered > SUSTAINED {
        let name = format!("delivered/s at {offered:.0}/s offered");
        race.report
            .at_least(&name, ours.per_second(), SUSTAINED, "/s");
    }
    for peer in field.iter().copied().skip(1) {
        let theirs = match race.heat(peer, load, false) {
            Ok(theirs) => theirs,
            Err(error) => {
                eprintln!("{} failed: {error:#}", peer.name());
                continue;
            }
        };
        let at = format!("{} at {offered:.0}/s offered", peer.name());
        let delivered = ours.per_second() / theirs.per_second().max(1.0);
        // Two that deliver everything differ by the edges of the clock.
        race.report
            .at_least(&format!("delivered/s ÷ {at}"), delivered, 0.99, "");
        let p99 = ours.p99_us() as f64 / (theirs.p99_us() as f64).max(1.0);
        race.report.at_most(&format!("p99 ÷ {at}"), p99, 1.0, "");
    }
    Ok(())
}

/// Ten thousand connections: first what they can take, then far more.
fn many(race: &mut Race, args: &FanoutArgs) -> anyhow::Result<()> {
    let load = |per_symbol: u64| Load {
        connections: args.many,
        symbols: SYMBOLS,
        per_second: per_symbol * SYMBOLS as u64,
        seconds: args.seconds,
    };
    let calm = race.heat(Contestant::Daybook, &load(1), false)?;
    let report = &mut race.report;
    report.at_most(
        "many connections, 1 quote/s a symbol: lost",
        calm.lost() as f64,
        0.0,
        "",
    );
    report.at_most("… p99", calm.p99_us() as f64 / 1_000.0, 100.0, "ms");
    let storm = race.heat(Contestant::Daybook, &load(20), false)?;
    let report = &mut race.report;
    let gone = (args.many - storm.open) as f64;
    report.at_most(
        "many connections, 20 quotes/s a symbol: disconnected",
        gone,
        0.0,
        "",
    );
    let behind = storm.latencies.max_us() as f64 / 1_000.0;
    report.at_most("… the oldest quote delivered", behind, 250.0, "ms");
    report.figure("… conflated", storm.lost_percent(), "% of what was offered");
    Ok(())
}

/// The p99 of a thousand clients, without and with one that does not read.
fn stalled(race: &mut Race, seconds: u64) -> anyhow::Result<()> {
    let load = Load {
        connections: 1_000,
        symbols: SYMBOLS,
        per_second: 300,
        seconds,
    };
    let mut best = f64::INFINITY;
    // Noise of the machine moves either side: the best of three pairs is told.
    for _ in 0..3 {
        let without = race.heat(Contestant::Daybook, &load, false)?;
        let with = race.heat(Contestant::Daybook, &load, true)?;
        best = best.min(with.p99_us() as f64 / (without.p99_us() as f64).max(1.0));
    }
    let name = "p99 of the others with one stalled client ÷ without";
    race.report.at_most(name, best, STALLED_RATIO_MAX, "");
    Ok(())
}

fn idle(race: &mut Race, field: &[Contestant], many: usize) -> anyhow::Result<()> {
    for contestant in field.iter().copied() {
        let name = format!("memory of an idle connection, {}", contestant.name());
        match race.idle_bytes(contestant, many, SYMBOLS) {
            Ok(bytes) if contestant == Contestant::Daybook => {
                race.report.at_most(&name, bytes, IDLE_BYTES_MAX, "bytes");
            }
            Ok(bytes) => race.report.figure(&name, bytes, "bytes"),
            Err(error) if contestant == Contestant::Daybook => return Err(error),
            Err(error) => eprintln!("{} failed: {error:#}", contestant.name()),
        }
    }
    Ok(())
}

impl Heat {
    fn lost_percent(&self) -> f64 {
        self.lost() as f64 / (self.due as f64).max(1.0) * 100.0
    }
}
