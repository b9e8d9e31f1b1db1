//! NATS publishes nothing by itself: a connection of ours hands it the quotes.

use std::{
    io::{self, Write as _},
    net::{Ipv4Addr, TcpStream},
    thread,
};

use chrono::{SecondsFormat, Utc};

use super::{
    contestant::symbol,
    load::{Load, stamp},
};

/// Publishes the load from a thread of its own.
pub fn publish(port: u16, load: Load) {
    thread::spawn(move || {
        if let Err(error) = run(port, &load) {
            eprintln!("nats: {error}");
        }
    });
}

fn run(port: u16, load: &Load) -> io::Result<()> {
    let mut server = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    server.set_nodelay(true)?;
    server.write_all(b"CONNECT {\"verbose\":false}\r\n")?;
    let mut outcome = Ok(());
    load.pace(|number| {
        if outcome.is_err() {
            return;
        }
        let text = quote(number, load.symbols);
        let message = format!("PUB quotes {}\r\n{text}\r\n", text.len());
        outcome = server.write_all(message.as_bytes());
    });
    outcome
}

fn quote(number: u64, symbols: usize) -> String {
    let at = stamp();
    let (seconds, micros) = (at / 1_000_000, at % 1_000_000);
    let symbol = symbol(usize::try_from(number).unwrap_or_default() % symbols);
    let time = Utc::now().to_rfc3339_opts(SecondsFormat::Millis, true);
    format!(
        concat!(
            r#"{{"type":"quote","symbol":"{}","bid":"{}.{:06}","ask":"{}.{:06}","#,
            r#""time":"{}","seq":{}}}"#
        ),
        symbol,
        seconds,
        micros,
        seconds,
        micros,
        time,
        number + 1
    )
}
