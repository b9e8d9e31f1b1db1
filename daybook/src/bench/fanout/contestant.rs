//! The servers of the race: ours and its peers, each a process of its own, pinned to one core.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::Context as _;

use super::{herd::Greeting, load::Load, nats, pin};

const START_MAX: Duration = Duration::from_secs(60);

/// What can race.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Contestant {
    /// Ours: the whole router over a real listener.
    Daybook,
    /// Node with `ws`.
    Node,
    /// Bun.
    Bun,
    /// uWebSockets, through `socketify`.
    UWebSockets,
    /// Debian's `nats-server`.
    Nats,
}

impl Contestant {
    /// All of them, ours first.
    pub const ALL: [Self; 5] = [
        Self::Daybook,
        Self::Bun,
        Self::UWebSockets,
        Self::Nats,
        Self::Node,
    ];

    /// Its name in the table.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Daybook => "daybook",
            Self::Node => "Node ws",
            Self::Bun => "Bun",
            Self::UWebSockets => "uWebSockets (socketify)",
            Self::Nats => "nats-server",
        }
    }

    /// What the clients ask for.
    pub fn path(self, symbols: usize) -> String {
        if self != Self::Daybook {
            return "/".to_owned();
        }
        let names: Vec<_> = (0..symbols).map(symbol).collect();
        format!("/stream?symbols={}", names.join(","))
    }

    /// What the clients say first.
    pub const fn greeting(self) -> Greeting {
        match self {
            Self::Nats => Greeting::Nats,
            Self::Daybook | Self::Node | Self::Bun | Self::UWebSockets => Greeting::None,
        }
    }

    /// Why it cannot race here; none when it can.
    pub fn missing(self, peers: &Path) -> Option<String> {
        let program = self.program(peers)?;
        let found = if program.is_absolute() {
            program.exists()
        } else {
            on_path(&program)
        };
        let module = match self {
            Self::Node => Some("node_modules/ws/package.json"),
            Self::UWebSockets => Some("py/pyvenv.cfg"),
            Self::Daybook | Self::Bun | Self::Nats => None,
        };
        let module = module.map(|module| peers.join(module));
        let absent = if found {
            module.filter(|module| !module.exists())?
        } else {
            program
        };
        Some(format!(
            "{} is missing; scripts/bench-peers installs it",
            absent.display()
        ))
    }

    fn program(self, peers: &Path) -> Option<PathBuf> {
        match self {
            Self::Daybook => None,
            Self::Node => Some("node".into()),
            Self::Bun => Some(peers.join("node_modules/@oven/bun-linux-x64/bin/bun")),
            Self::UWebSockets => Some(peers.join("py/bin/python")),
            Self::Nats => Some("nats-server".into()),
        }
    }

    /// Starts it on `core` and waits until it listens.
    ///
    /// # Errors
    /// When it cannot be started or does not listen in time.
    pub fn start(
        self,
        peers: &Path,
        symbols: usize,
        core: Option<usize>,
    ) -> anyhow::Result<Running> {
        let (port, inner) = (free_port()?, free_port()?);
        let mut command = self.command(peers, port, inner, symbols)?;
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        // A child has the cores of the thread that started it.
        let spawn = move || {
            pin::to_core(core);
            command.spawn()
        };
        let mut child = thread::spawn(spawn)
            .join()
            .map_err(|_| anyhow::anyhow!("the thread that starts a server panicked"))?
            .with_context(|| format!("starting {}", self.name()))?;
        let orders = child.stdin.take().context("no standard input")?;
        let output = child.stdout.take().context("no standard output")?;
        let running = Running {
            contestant: self,
            address: (Ipv4Addr::LOCALHOST, port).into(),
            inner,
            child,
            orders: Some(orders),
        };
        match self {
            Self::Nats => running.wait_for_port()?,
            Self::Daybook | Self::Node | Self::Bun | Self::UWebSockets => {
                let mut line = String::new();
                BufReader::new(output).read_line(&mut line)?;
                anyhow::ensure!(line.trim() == "ready", "{} did not start", self.name());
            }
        }
        Ok(running)
    }

    fn command(
        self,
        peers: &Path,
        port: u16,
        inner: u16,
        symbols: usize,
    ) -> anyhow::Result<Command> {
        let script = match self {
            Self::Daybook => {
                let mut command = Command::new(std::env::current_exe()?);
                // A busy machine makes the database slow, which is nobody's concern here.
                command.env("DAYBOOK_LOG", "error");
                let words = ["bench", "fanout-server"];
                command
                    .args(words)
                    .arg(port.to_string())
                    .arg(symbols.to_string());
                return Ok(command);
            }
            Self::Node => (
                "node-ws.mjs",
                include_str!("../../../bench-peers/node-ws.mjs"),
            ),
            Self::Bun => ("bun.js", include_str!("../../../bench-peers/bun.js")),
            Self::UWebSockets => (
                "uwebsockets.py",
                include_str!("../../../bench-peers/uwebsockets.py"),
            ),
            Self::Nats => ("nats.conf", include_str!("../../../bench-peers/nats.conf")),
        };
        // Beside the modules they import.
        let file = peers.join(script.0);
        std::fs::write(&file, script.1)?;
        let program = self.program(peers).context("a peer has a program")?;
        let mut command = Command::new(program);
        command.current_dir(peers).stderr(Stdio::null());
        if self == Self::Nats {
            let config = script.1.replace("OUTER", &port.to_string());
            std::fs::write(&file, config.replace("INNER", &inner.to_string()))?;
            command.arg("-c").arg(&file);
        } else {
            command.arg(&file).arg(port.to_string());
        }
        Ok(command)
    }
}

/// The name of a symbol of the race.
pub fn symbol(number: usize) -> String {
    format!("BENCH{number:03}")
}

/// A server that runs; ended when dropped.
pub struct Running {
    contestant: Contestant,
    /// Where it listens.
    pub address: SocketAddr,
    /// Where NATS takes what is published.
    inner: u16,
    child: Child,
    /// Ours ends in order when this ends.
    orders: Option<ChildStdin>,
}

impl Running {
    /// Lets it publish.
    ///
    /// # Errors
    /// When it has ended.
    pub fn publish(&mut self, load: &Load) -> anyhow::Result<()> {
        if self.contestant == Contestant::Nats {
            nats::publish(self.inner, *load);
            return Ok(());
        }
        let Load {
            per_second,
            seconds,
            symbols,
            ..
        } = load;
        let orders = self.orders.as_mut().context("it has ended")?;
        writeln!(orders, "go {per_second} {seconds} {symbols}")?;
        Ok(orders.flush()?)
    }

    /// Its resident memory, in bytes.
    ///
    /// # Errors
    /// Where there is no `/proc`.
    pub fn resident_bytes(&self) -> anyhow::Result<u64> {
        crate::bench::arena::resident_bytes_of(&self.child.id().to_string())
    }

    fn wait_for_port(&self) -> anyhow::Result<()> {
        let start = Instant::now();
        while TcpStream::connect(self.address).is_err() {
            anyhow::ensure!(start.elapsed() < START_MAX, "it does not listen");
            thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.orders.take());
        if self.contestant != Contestant::Daybook {
            // The others have nothing to lose.
            let _gone = self.child.kill();
        }
        let _ended = self.child.wait();
    }
}

fn free_port() -> anyhow::Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    Ok(listener.local_addr()?.port())
}

fn on_path(program: &Path) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|dir| dir.join(program).exists())
}
