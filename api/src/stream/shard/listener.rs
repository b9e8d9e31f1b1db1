//! The reading side of a line: a library's implementation of RFC 6455 with limits, over a socket
//! whose writing side is the line's.

use std::io;

use daybook_domain::Symbol;
use tokio::task::yield_now;
use tungstenite::{
    Error, Message,
    error::ProtocolError,
    protocol::{CloseFrame, Role, WebSocketConfig, WebSocketContext, frame::coding::CloseCode},
};

use super::{
    Shard,
    line::{Line, Over},
};
use crate::{
    app::Shared,
    routes::market::split_symbols,
    stream::{
        gate::Cut,
        protocol::{QuotesOp, Said, error, unknown_symbol},
        socket::{MESSAGE_MAX, SYMBOLS_MAX},
    },
};

/// An idle connection keeps it, so it is small.
const READ_BUFFER: usize = 512;
/// Messages of one peer before others have their turn.
const MESSAGES_AT_ONCE: usize = 16;

/// What reading a line came to.
enum Heard {
    Text(tungstenite::Utf8Bytes),
    /// Nothing more for now.
    Nothing,
    Over(Over),
}

impl Shard {
    /// Takes what the peer says until the line is over.
    pub(super) async fn listen(
        &self,
        line: &Line,
        app: &Shared,
        mut socket: WebSocketContext,
        mut cut: Cut,
    ) -> Over {
        let mut closed = false;
        let mut heard = 0;
        loop {
            if let Some(over) = line.over() {
                return over;
            }
            if cut.is_off() {
                close(line, &mut socket, CloseCode::Policy);
                return Over::Blocked;
            }
            if self.closing.get() && !closed {
                closed = true;
                close(line, &mut socket, CloseCode::Away);
            }
            match hear(line, &mut socket) {
                // Nothing follows a close frame, answers included.
                Heard::Text(_) if closed => {}
                Heard::Text(text) => {
                    for reply in self.obey(line, app, &text) {
                        say(line, &mut socket, reply);
                    }
                    heard += 1;
                    if heard % MESSAGES_AT_ONCE == 0 {
                        yield_now().await;
                    }
                }
                Heard::Nothing => self.wait(line, &mut cut).await,
                Heard::Over(over) => return over,
            }
        }
    }

    /// Until the peer says something, takes what waits, is cut off, or the line is over.
    async fn wait(&self, line: &Line, cut: &mut Cut) {
        tokio::select! {
            // What failed shows when it is read or written.
            _ = line.stream.readable() => {}
            () = line.wake.notified() => {}
            () = cut.off() => {}
            _ = line.stream.writable(), if line.has_unsent() => {
                line.flush();
                // The newest of everything, now that there is room again.
                self.serve(line);
            }
        }
    }

    fn obey(&self, line: &Line, app: &Shared, text: &str) -> Vec<String> {
        let (symbols, listens) = match serde_json::from_str(text) {
            Ok(QuotesOp::Ping {}) => return vec![Said::Pong.text()],
            Ok(QuotesOp::Subscribe { symbols }) => (symbols, true),
            Ok(QuotesOp::Unsubscribe { symbols }) => (symbols, false),
            Err(_) => return vec![error("malformed")],
        };
        if symbols.len() > SYMBOLS_MAX {
            return vec![error("malformed")];
        }
        let (known, unknown) = split_symbols(app, &symbols.join(","));
        if listens {
            self.follow(line, &known);
        } else {
            self.remove(line, &self.numbers(&known));
        }
        let unknown = unknown.iter().map(|symbol| unknown_symbol(symbol));
        unknown.collect()
    }

    /// Listens to these too, which have to be bought from now on if they were not.
    pub(super) fn follow(&self, line: &Line, symbols: &[Symbol]) {
        let numbers = self.numbers(symbols);
        let named = numbers.iter().copied().zip(symbols.iter().copied());
        self.names.borrow_mut().extend(named);
        symbols
            .iter()
            .for_each(|symbol| self.interest.touch(*symbol));
        self.add(line, &numbers);
    }

    fn numbers(&self, symbols: &[Symbol]) -> Vec<u32> {
        let number = |symbol: &Symbol| self.hub.number_of(*symbol);
        symbols.iter().map(number).collect()
    }
}

/// The reading side of a socket whose peer has sent `read` already.
pub(super) fn context(read: &[u8]) -> WebSocketContext {
    let config = WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(0)
        .max_write_buffer_size(MESSAGE_MAX)
        .max_message_size(Some(MESSAGE_MAX))
        .max_frame_size(Some(MESSAGE_MAX));
    // Copied, for the bytes are an end of the HTTP server's buffer and would keep all of it.
    WebSocketContext::from_partially_read(read.to_vec(), Role::Server, Some(config))
}

fn hear(line: &Line, socket: &mut WebSocketContext) -> Heard {
    loop {
        match socket.read(&mut Wire(line)) {
            Ok(Message::Text(text)) => {
                line.heard();
                return Heard::Text(text);
            }
            // The library has answered pings and close frames.
            Ok(
                Message::Binary(_)
                | Message::Ping(_)
                | Message::Pong(_)
                | Message::Close(_)
                | Message::Frame(_),
            ) => line.heard(),
            Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => {
                return Heard::Nothing;
            }
            Err(Error::Protocol(ProtocolError::ResetWithoutClosingHandshake)) => {
                return Heard::Over(Over::Gone);
            }
            Err(Error::Capacity(_)) => return misbehaved(line, socket, CloseCode::Size),
            Err(Error::Utf8(_)) => return misbehaved(line, socket, CloseCode::Invalid),
            Err(Error::Protocol(_) | Error::AttackAttempt | Error::WriteBufferFull(_)) => {
                return misbehaved(line, socket, CloseCode::Protocol);
            }
            Err(
                Error::ConnectionClosed
                | Error::AlreadyClosed
                | Error::Io(_)
                | Error::Url(_)
                | Error::Http(_)
                | Error::HttpFormat(_)
                | Error::Tls(_),
            ) => return Heard::Over(line.over().unwrap_or(Over::Gone)),
        }
    }
}

fn say(line: &Line, socket: &mut WebSocketContext, text: String) {
    let mut wire = Wire(line);
    let said = socket.write(&mut wire, Message::text(text));
    if said.is_err() {
        // A peer that has closed hears no answers; the next reading tells.
        tracing::trace!("an answer was not sent");
    }
}

fn misbehaved(line: &Line, socket: &mut WebSocketContext, code: CloseCode) -> Heard {
    close(line, socket, code);
    Heard::Over(Over::Misbehaved)
}

/// Says why, and says nothing more.
fn close(line: &Line, socket: &mut WebSocketContext, code: CloseCode) {
    line.close();
    let reason = "".into();
    let frame = CloseFrame { code, reason };
    if socket.close(&mut Wire(line), Some(frame)).is_err() {
        tracing::trace!("a close frame was not sent");
    }
}

/// The socket as the library sees it: it reads from the kernel, and writes to the line, which takes
/// everything.
struct Wire<'a>(&'a Line);

impl io::Read for Wire<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.stream.try_read(buffer)
    }
}

impl io::Write for Wire<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
