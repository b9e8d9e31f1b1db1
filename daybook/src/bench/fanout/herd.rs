//! The load generator: any number of WebSocket clients on one thread, which count quotes and tell
//! how old each is. A quote carries the moment of its publication as its bid.

use std::{
    io::{ErrorKind, Read as _},
    net::{SocketAddr, TcpStream},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use anyhow::Context as _;
use memchr::memmem::Finder;
use mio::{Events, Interest, Poll, Token};
use tungstenite::{Message, client, client::IntoClientRequest as _};

use super::latency::Latencies;

const MARK: &[u8] = br#""bid":""#;
/// `1764213943.123456`: seconds, a point, microseconds.
const STAMP: usize = 17;
const BUFFER: usize = 1024 * 1024;
const HANDSHAKE_MAX: Duration = Duration::from_secs(20);

/// What a connection says before it hears anything.
#[derive(Clone, Copy, Debug)]
pub enum Greeting {
    /// Nothing: the path says it all.
    None,
    /// NATS' own protocol inside the frames.
    Nats,
}

/// Clients and what they have heard.
pub struct Herd {
    poll: Poll,
    events: Events,
    clients: Vec<Client>,
    finder: Finder<'static>,
    buffer: Vec<u8>,
    /// Quotes heard, by all clients.
    pub heard: u64,
    /// Of quotes published while it is set: how old they were when they were heard.
    pub latencies: Option<Latencies>,
}

struct Client {
    stream: mio::net::TcpStream,
    /// The end of what was read, where a mark may have been cut in two.
    rest: Vec<u8>,
    open: bool,
}

impl Herd {
    /// Nobody yet.
    ///
    /// # Errors
    /// When the system has no more descriptors.
    pub fn new() -> anyhow::Result<Self> {
        Ok(Self {
            poll: Poll::new()?,
            events: Events::with_capacity(4_096),
            clients: Vec::new(),
            finder: Finder::new(MARK),
            buffer: vec![0; BUFFER],
            heard: 0,
            latencies: None,
        })
    }

    /// Connects until there are `count` clients.
    ///
    /// # Errors
    /// When a connection or its handshake fails.
    pub fn grow(
        &mut self,
        count: usize,
        address: SocketAddr,
        path: &str,
        greeting: Greeting,
    ) -> anyhow::Result<()> {
        while self.clients.len() < count {
            let stream = open(address, path, greeting)
                .with_context(|| format!("client {}", self.clients.len() + 1))?;
            stream.set_nonblocking(true)?;
            let mut stream = mio::net::TcpStream::from_std(stream);
            let token = Token(self.clients.len());
            let registry = self.poll.registry();
            registry.register(&mut stream, token, Interest::READABLE)?;
            self.clients.push(Client {
                stream,
                rest: Vec::new(),
                open: true,
            });
            // Nobody waits for those who came before.
            if token.0.is_multiple_of(64) {
                self.listen(Duration::ZERO)?;
            }
        }
        Ok(())
    }

    /// Clients that are still connected.
    pub fn open(&self) -> usize {
        self.clients.iter().filter(|client| client.open).count()
    }

    /// Reads everything that comes for so long, and never sleeps: whoever writes would pay for
    /// waking this thread on its other core, which no peer on another machine makes it do.
    ///
    /// # Errors
    /// When polling fails.
    pub fn listen(&mut self, time: Duration) -> anyhow::Result<()> {
        let until = Instant::now() + time;
        let mut events = std::mem::replace(&mut self.events, Events::with_capacity(0));
        loop {
            match self.poll.poll(&mut events, Some(Duration::ZERO)) {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(error.into()),
            }
            for event in &events {
                self.read(event.token().0);
            }
            if Instant::now() >= until {
                break;
            }
        }
        self.events = events;
        Ok(())
    }

    fn read(&mut self, number: usize) {
        let client = &mut self.clients[number];
        loop {
            let kept = client.rest.len();
            self.buffer[..kept].copy_from_slice(&client.rest);
            match client.stream.read(&mut self.buffer[kept..]) {
                Ok(0) => {
                    client.open = false;
                    return;
                }
                Ok(read) => {
                    let bytes = &self.buffer[..kept + read];
                    let now = now_us();
                    let latencies = &mut self.latencies;
                    let (heard, rest) = scan(&self.finder, bytes, |stamp| {
                        if let Some(latencies) = latencies {
                            latencies.add(now.saturating_sub(stamp));
                        }
                    });
                    self.heard += heard;
                    client.rest.clear();
                    client.rest.extend_from_slice(&bytes[rest..]);
                    if read < BUFFER - kept {
                        return;
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(_) => {
                    client.open = false;
                    return;
                }
            }
        }
    }
}

/// Counts the marks, tells each stamp, and says where the next reading has to begin again.
fn scan(finder: &Finder<'_>, bytes: &[u8], mut tell: impl FnMut(u64)) -> (u64, usize) {
    let mut at = 0;
    let mut heard = 0;
    while let Some(found) = finder.find(&bytes[at..]) {
        let stamp = at + found + MARK.len();
        let Some(text) = bytes.get(stamp..stamp + STAMP) else {
            return (heard, at + found);
        };
        tell(micros(text));
        heard += 1;
        at = stamp + STAMP;
    }
    (heard, at.max(bytes.len().saturating_sub(MARK.len() - 1)))
}

/// Digits, the point left out.
fn micros(text: &[u8]) -> u64 {
    let digits = text.iter().filter(|byte| byte.is_ascii_digit());
    digits.fold(0, |number, digit| number * 10 + u64::from(digit - b'0'))
}

/// Microseconds since 1970.
pub fn now_us() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map_or(0, |now| u64::try_from(now.as_micros()).unwrap_or(0))
}

/// A socket after its handshake. What came right behind the answer is dropped: a quote more or less
/// before the start counts for nobody.
pub fn open(address: SocketAddr, path: &str, greeting: Greeting) -> anyhow::Result<TcpStream> {
    let stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(HANDSHAKE_MAX))?;
    let request = format!("ws://{address}{path}").into_client_request()?;
    let (mut socket, _) = client(request, stream).map_err(|error| anyhow::anyhow!("{error}"))?;
    match greeting {
        Greeting::None => {}
        Greeting::Nats => {
            let hello = "CONNECT {\"verbose\":false,\"protocol\":1}\r\nSUB quotes 1\r\nPING\r\n";
            socket.send(Message::binary(hello.as_bytes()))?;
        }
    }
    Ok(socket.into_inner())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_are_counted_wherever_reading_was_cut() {
        let text = br#"{"type":"quote","bid":"1764213943.123456","ask":"1.1"}"#.repeat(3);
        let finder = Finder::new(MARK);
        for cut in 0..text.len() {
            let mut stamps = Vec::new();
            let (first, rest) = scan(&finder, &text[..cut], |stamp| stamps.push(stamp));
            let (second, _) = scan(&finder, &text[rest..], |stamp| stamps.push(stamp));
            assert_eq!(first + second, 3, "cut at {cut}");
            assert_eq!(stamps, [1_764_213_943_123_456; 3]);
        }
    }
}
