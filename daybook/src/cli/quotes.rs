//! `daybook quotes`: a running server's quotes, in the terminal.

mod board;

use std::{
    io::{IsTerminal as _, stdout},
    time::Duration,
};

use anyhow::Context as _;
use clap::{Args, Subcommand};
use futures::{SinkExt as _, StreamExt as _};
use tokio::{
    net::TcpStream,
    time::{self, Instant},
};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async, tungstenite::Message};

use self::board::{Board, Said};
use super::Verdict;
use crate::{out, out::say, stop::Stop};

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// A table that is drawn more often cannot be read.
const DRAW_EVERY: Duration = Duration::from_millis(100);
const PING_EVERY: Duration = Duration::from_secs(10);
/// A server that answers no ping for so long has gone without saying so.
const SILENCE_MAX: Duration = Duration::from_secs(25);
const RECONNECT_AFTER: Duration = Duration::from_secs(1);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

#[derive(Debug, Subcommand)]
pub enum Quotes {
    /// Show quotes as they come, until Ctrl-C. Reconnects by itself.
    #[command(after_help = "Examples:\n  \
        daybook quotes watch EURUSD XAUUSD\n  \
        daybook quotes watch BTCUSD --url https://trade.example.com\n  \
        daybook quotes watch EURUSD --json --count 100 | jq .bid\n\n\
        In a terminal: a table, redrawn in place. Elsewhere: a line for each quote. With --json: \
        the stream's own messages, one on each line.")]
    Watch(WatchArgs),
}

#[derive(Debug, Args)]
pub struct WatchArgs {
    /// Symbols, by our names.
    #[arg(required = true, value_name = "SYMBOL")]
    symbols: Vec<String>,
    /// The server [default: this machine's, at DAYBOOK_LISTEN].
    #[arg(long)]
    url: Option<String>,
    /// End after so many quotes.
    #[arg(long, value_name = "N")]
    count: Option<u64>,
}

/// How what is heard is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Table,
    Lines,
    Json,
}

pub async fn run(what: Quotes, json: bool) -> anyhow::Result<Verdict> {
    let Quotes::Watch(args) = what;
    let server = args.url.clone().unwrap_or_else(own_server);
    let address = stream_address(&server, &args.symbols)?;
    let stop = Stop::on_signals()?;
    let form = match (json, stdout().is_terminal()) {
        (true, _) => Form::Json,
        (false, true) => Form::Table,
        (false, false) => Form::Lines,
    };
    let mut watch = Watch {
        board: Board::new(server, &args.symbols),
        form,
        left: args.count,
    };
    tokio::select! {
        () = stop.requested() => Ok(Verdict::Fine),
        ended = watch.run(&address) => ended.map(|()| Verdict::Fine),
    }
}

/// The server of this machine, as its own configuration would have it.
fn own_server() -> String {
    let given = |name| {
        std::env::var(name)
            .ok()
            .filter(|value: &String| !value.is_empty())
    };
    let listen = given("DAYBOOK_LISTEN");
    let listen = listen.or_else(|| given("PORT").map(|port| format!("127.0.0.1:{port}")));
    let listen = listen.unwrap_or_else(|| "127.0.0.1:8080".to_owned());
    format!("http://{}", listen.replace("0.0.0.0:", "127.0.0.1:"))
}

/// `wss://host/stream?symbols=…` for `https://host`.
fn stream_address(server: &str, symbols: &[String]) -> anyhow::Result<String> {
    let server = server.trim_end_matches('/');
    let (scheme, rest) = server
        .split_once("://")
        .context("--url must be like http://127.0.0.1:8080")?;
    let scheme = match scheme {
        "http" | "ws" => "ws",
        "https" | "wss" => "wss",
        other => anyhow::bail!("--url must begin with http:// or https://, not {other}://"),
    };
    let is_name = |symbol: &&String| symbol.chars().all(|char| char.is_ascii_alphanumeric());
    if let Some(symbol) = symbols.iter().find(|symbol| !is_name(symbol)) {
        anyhow::bail!("{symbol} is not a symbol: letters and digits, like EURUSD");
    }
    Ok(format!(
        "{scheme}://{rest}/api/v1/stream?symbols={}",
        symbols.join(",").to_uppercase()
    ))
}

struct Watch {
    board: Board,
    form: Form,
    /// Quotes still to be shown.
    left: Option<u64>,
}

/// Whether there is more to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    More,
    Enough,
}

impl Watch {
    /// Connects, shows, and connects again, until enough has been shown. A server that was never
    /// there is an error; one that has gone is waited for.
    async fn run(&mut self, address: &str) -> anyhow::Result<()> {
        let mut was_there = false;
        loop {
            match connect(address).await {
                Ok(socket) => {
                    was_there = true;
                    if self.show(socket).await == Next::Enough {
                        return Ok(());
                    }
                    self.trouble("the server has gone; connecting again");
                }
                Err(error) if !was_there => return Err(error),
                Err(error) => {
                    let cause = error.root_cause();
                    self.trouble(&format!("the server is away ({cause}); trying again"));
                }
            }
            time::sleep(RECONNECT_AFTER).await;
        }
    }

    async fn show(&mut self, mut socket: Socket) -> Next {
        let mut draw = time::interval(DRAW_EVERY);
        draw.set_missed_tick_behavior(time::MissedTickBehavior::Delay);
        let mut ping = time::interval(PING_EVERY);
        let mut heard_at = Instant::now();
        loop {
            tokio::select! {
                message = socket.next() => {
                    heard_at = Instant::now();
                    match message {
                        Some(Ok(Message::Text(text))) => {
                            if self.take(text.as_str()) == Next::Enough {
                                let _gone_either_way = socket.close(None).await;
                                return Next::Enough;
                            }
                        }
                        Some(Ok(Message::Close(_)) | Err(_)) | None => return Next::More,
                        Some(Ok(_)) => {}
                    }
                }
                _ = draw.tick(), if self.form == Form::Table => self.board.draw(),
                _ = ping.tick() => {
                    if socket.send(Message::text(r#"{"op":"ping"}"#)).await.is_err() {
                        return Next::More;
                    }
                }
                () = time::sleep_until(heard_at + SILENCE_MAX) => return Next::More,
            }
        }
    }

    fn take(&mut self, text: &str) -> Next {
        let Ok(said) = serde_json::from_str::<Said>(text) else {
            return Next::More; // Not a message that this version knows.
        };
        let is_quote = matches!(said, Said::Quote(_));
        let is_pong = matches!(said, Said::Other);
        if self.form == Form::Json && !is_pong {
            say!("{text}");
        }
        if let (Form::Lines, Said::Quote(quote)) = (self.form, &said) {
            out::text(&quote.line());
        }
        if let (Form::Lines, Some(note)) = (self.form, said.note()) {
            eprintln!("{note}");
        }
        self.board.take(said);
        if !is_quote {
            return Next::More;
        }
        let Some(left) = &mut self.left else {
            return Next::More;
        };
        *left = left.saturating_sub(1);
        if *left == 0 { Next::Enough } else { Next::More }
    }

    fn trouble(&mut self, text: &str) {
        self.board.trouble(text);
        match self.form {
            Form::Table => self.board.draw(),
            Form::Lines | Form::Json => eprintln!("{text}"),
        }
    }
}

async fn connect(address: &str) -> anyhow::Result<Socket> {
    let connected = time::timeout(CONNECT_TIMEOUT, connect_async(address)).await;
    let connected = connected.map_err(|_| anyhow::anyhow!("no answer from {address}"))?;
    let (socket, _) = connected.with_context(|| format!("connecting to {address}"))?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_named_by_its_url() {
        let symbols = ["eurusd".to_owned(), "XAUUSD".to_owned()];
        let address = |server| stream_address(server, &symbols);
        assert_eq!(
            address("https://trade.example.com/").unwrap(),
            "wss://trade.example.com/api/v1/stream?symbols=EURUSD,XAUUSD"
        );
        assert!(
            address("http://127.0.0.1:8080")
                .unwrap()
                .starts_with("ws://127.0.0.1:8080/")
        );
        assert!(address("127.0.0.1:8080").is_err() && address("ftp://x").is_err());
        assert!(stream_address("http://x", &["EUR&x=1".to_owned()]).is_err());
    }
}
