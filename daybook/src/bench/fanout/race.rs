//! One server under one load.

use std::{
    net::TcpStream,
    path::PathBuf,
    time::{Duration, Instant},
};

use super::{
    contestant::{Contestant, Running},
    herd::{Herd, open},
    latency::Latencies,
    load::Load,
};
use crate::bench::{measure::Measured, report::Report};

/// The first quotes find cold caches and buffers that still grow: they are not measured.
const WARM_UP: Duration = Duration::from_secs(1);
/// How long what is under way may take to arrive after the last quote.
const TAIL: Duration = Duration::from_secs(2);
/// Connections before memory is looked at for the first time.
const IDLE_BASE: usize = 1_000;
/// Quotes that idle connections have seen, so that their buffers have been in use.
const IDLE_LOAD: u64 = 2;

/// The course, and what was found on it.
pub struct Race {
    /// Where the peers are installed.
    pub peers: PathBuf,
    /// The servers' core.
    pub core: Option<usize>,
    /// Findings.
    pub report: Report,
}

/// What one server did under one load.
pub struct Heat {
    /// Of the measured time.
    pub latencies: Latencies,
    /// Measured time.
    time: Duration,
    /// Messages over the whole time that all clients together were due.
    pub due: u64,
    /// And those they heard.
    heard: u64,
    /// Clients still connected at the end.
    pub open: usize,
}

impl Heat {
    /// Messages delivered a second.
    pub fn per_second(&self) -> f64 {
        self.latencies.count() as f64 / self.time.as_secs_f64()
    }

    /// 99th percentile from publication to reading.
    pub fn p99_us(&self) -> u64 {
        self.latencies.per_mille(990)
    }

    /// Offered and not delivered.
    pub const fn lost(&self) -> u64 {
        self.due.saturating_sub(self.heard)
    }
}

impl Race {
    /// Starts the server, connects everybody, lets it publish, and counts. `stalled` adds a client
    /// that never reads.
    ///
    /// # Errors
    /// When the server does not start, or refuses a client.
    pub fn heat(
        &mut self,
        contestant: Contestant,
        load: &Load,
        stalled: bool,
    ) -> anyhow::Result<Heat> {
        let mut server = contestant.start(&self.peers, load.symbols, self.core)?;
        let mut herd = Herd::new()?;
        let path = contestant.path(load.symbols);
        herd.grow(
            load.connections,
            server.address,
            &path,
            contestant.greeting(),
        )?;
        let _stalled = stalled
            .then(|| stall(&server, contestant, &path))
            .transpose()?;
        herd.listen(Duration::from_millis(300))?;
        herd.heard = 0;
        server.publish(load)?;
        herd.listen(WARM_UP)?;
        let start = Instant::now();
        herd.latencies = Some(Latencies::default());
        herd.listen(Duration::from_secs(load.seconds).saturating_sub(WARM_UP))?;
        let time = start.elapsed();
        let latencies = herd.latencies.take().unwrap_or_default();
        herd.listen(TAIL)?;
        let heat = Heat {
            latencies,
            time,
            due: load.published() * load.connections as u64,
            heard: herd.heard,
            open: herd.open(),
        };
        self.tell(contestant, load, stalled, &heat);
        Ok(heat)
    }

    fn tell(&mut self, contestant: Contestant, load: &Load, stalled: bool, heat: &Heat) {
        let Load {
            connections,
            per_second,
            ..
        } = load;
        let one = if stalled { " + a stalled one" } else { "" };
        let program = format!("{}: {per_second} quotes/s{one}", contestant.name());
        let lost = heat.lost() as f64 / (heat.due as f64).max(1.0) * 100.0;
        let measured = Measured {
            callers: *connections,
            per_second: heat.per_second(),
            p50_us: heat.latencies.per_mille(500),
            p99_us: heat.p99_us(),
            refused_percent: lost,
        };
        self.report.line(program, measured);
    }

    /// Growth of resident memory for each connection, from a thousand to `many`.
    ///
    /// # Errors
    /// When the server does not start, or refuses a client.
    pub fn idle_bytes(
        &mut self,
        contestant: Contestant,
        many: usize,
        symbols: usize,
    ) -> anyhow::Result<f64> {
        let mut server = contestant.start(&self.peers, symbols, self.core)?;
        let mut herd = Herd::new()?;
        let path = contestant.path(symbols);
        let mut resident = Vec::new();
        for connections in [IDLE_BASE, many] {
            herd.grow(connections, server.address, &path, contestant.greeting())?;
            let load = Load {
                connections,
                symbols,
                per_second: symbols as u64,
                seconds: IDLE_LOAD,
            };
            server.publish(&load)?;
            herd.listen(Duration::from_secs(IDLE_LOAD) + TAIL)?;
            resident.push(server.resident_bytes()?);
        }
        let grown = resident[1].saturating_sub(resident[0]);
        Ok(grown as f64 / many.saturating_sub(IDLE_BASE).max(1) as f64)
    }
}

/// A client that never reads.
fn stall(server: &Running, contestant: Contestant, path: &str) -> anyhow::Result<TcpStream> {
    open(server.address, path, contestant.greeting())
}
