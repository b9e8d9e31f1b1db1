//! WebSocket and server-sent-event clients that read JSON messages with a deadline.

use futures::{SinkExt, StreamExt};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{
        Error, Message,
        client::IntoClientRequest,
        http::{HeaderValue, Response},
    },
};

use crate::{client::Http, wait::soon};

/// A WebSocket that speaks JSON.
pub struct Socket {
    stream: WebSocketStream<MaybeTlsStream<TcpStream>>,
    /// The subprotocol that the server chose.
    pub protocol: Option<String>,
}

impl Socket {
    /// Connects to a path of the server.
    ///
    /// # Panics
    /// When the upgrade is refused.
    pub async fn open(http: &Http, path: &str) -> Self {
        match Self::try_open(http, path, &[]).await {
            Ok(socket) => socket,
            Err(error) => panic!("{path} does not upgrade: {error}"),
        }
    }

    /// Connects, offering subprotocols.
    ///
    /// # Errors
    /// When the upgrade is refused.
    pub async fn try_open(http: &Http, path: &str, protocols: &[&str]) -> Result<Self, Error> {
        let offered = protocols.join(", ");
        let header = (!offered.is_empty()).then_some(("sec-websocket-protocol", &*offered));
        Self::try_open_with(http, path, header).await
    }

    /// Connects with a header of one's own.
    ///
    /// # Errors
    /// When the upgrade is refused.
    pub async fn try_open_with(
        http: &Http,
        path: &str,
        header: Option<(&'static str, &str)>,
    ) -> Result<Self, Error> {
        let url = format!("{}{path}", http.base().replacen("http", "ws", 1));
        let mut request = url.into_client_request()?;
        if let Some((name, value)) = header {
            let value = HeaderValue::from_str(value)?;
            request.headers_mut().insert(name, value);
        }
        let (stream, response) =
            soon("a WebSocket opens", Box::pin(connect_async(request))).await?;
        Ok(Self {
            stream,
            protocol: chosen_protocol(&response),
        })
    }

    /// Sends a JSON message.
    ///
    /// # Panics
    /// When the socket is closed.
    pub async fn send(&mut self, message: &Value) {
        self.send_text(message.to_string()).await;
    }

    /// Sends a text message that may be anything.
    ///
    /// # Panics
    /// When the socket is closed.
    pub async fn send_text(&mut self, text: String) {
        self.stream
            .send(Message::text(text))
            .await
            .expect("the socket takes a message");
    }

    /// Sends a message of any kind.
    ///
    /// # Errors
    /// When the socket is closed.
    pub async fn send_raw(&mut self, message: Message) -> Result<(), Error> {
        self.stream.send(message).await
    }

    /// The next message of any kind; none when the connection has ended.
    pub async fn next_raw(&mut self) -> Option<Message> {
        soon("a message arrives", self.stream.next()).await?.ok()
    }

    /// Reads on until the server closes, and returns the code it gives; none where it gives none.
    pub async fn close_code(&mut self) -> Option<u16> {
        loop {
            match self.next_raw().await? {
                Message::Close(frame) => return frame.map(|frame| frame.code.into()),
                Message::Text(_)
                | Message::Binary(_)
                | Message::Ping(_)
                | Message::Pong(_)
                | Message::Frame(_) => {}
            }
        }
    }

    /// The next JSON message; none when the server has closed.
    pub async fn next(&mut self) -> Option<Value> {
        loop {
            match soon("a message arrives", self.stream.next()).await {
                Some(Ok(Message::Text(text))) => {
                    return Some(serde_json::from_str(&text).expect("messages are JSON"));
                }
                Some(Ok(Message::Close(_)) | Err(_)) | None => return None,
                Some(Ok(_)) => {}
            }
        }
    }

    /// Skips messages until one fits.
    ///
    /// # Panics
    /// When the socket closes before, or none fits in time.
    pub async fn until(&mut self, what: &str, mut fits: impl FnMut(&Value) -> bool) -> Value {
        soon(what, async {
            loop {
                match self.next().await {
                    Some(message) if fits(&message) => return message,
                    Some(_) => {}
                    None => panic!("the socket closed before {what}"),
                }
            }
        })
        .await
    }

    /// Skips messages until one of this `type`.
    pub async fn until_type(&mut self, kind: &str) -> Value {
        self.until(&format!("a message of type {kind}"), |message| {
            message["type"] == kind
        })
        .await
    }
}

fn chosen_protocol<T>(response: &Response<T>) -> Option<String> {
    response
        .headers()
        .get("sec-websocket-protocol")
        .and_then(|value| value.to_str().ok())
        .map(str::to_owned)
}

/// A stream of server-sent events whose data is JSON.
pub struct EventStream {
    response: reqwest::Response,
    buffer: String,
    /// The last event id that came.
    pub last_id: Option<String>,
}

impl EventStream {
    /// Opens `path` with `Accept: text/event-stream`.
    ///
    /// # Panics
    /// When the server answers with anything else.
    pub async fn open(http: &Http, path: &str) -> Self {
        Self::open_after(http, path, None).await
    }

    /// The same for a listener that has seen everything up to an event.
    ///
    /// # Panics
    /// When the server answers with anything else.
    pub async fn open_after(http: &Http, path: &str, last_id: Option<&str>) -> Self {
        let mut call = http
            .call(reqwest::Method::GET, path)
            .header("accept", "text/event-stream");
        if let Some(id) = last_id {
            call = call.header("last-event-id", id);
        }
        let response = call.open().await;
        assert_eq!(response.status().as_u16(), 200);
        let kind = response.headers()["content-type"].to_str();
        assert!(kind.is_ok_and(|kind| kind.starts_with("text/event-stream")));
        Self {
            response,
            buffer: String::new(),
            last_id: None,
        }
    }

    /// The next event's data.
    ///
    /// # Panics
    /// When the stream ends.
    pub async fn next(&mut self) -> Value {
        self.try_next().await.expect("the stream does not end")
    }

    /// The next event's data; none when the stream has ended.
    pub async fn try_next(&mut self) -> Option<Value> {
        loop {
            if let Some((event, rest)) = self.buffer.split_once("\n\n") {
                let id = event.lines().find_map(|line| line.strip_prefix("id: "));
                if let Some(id) = id {
                    self.last_id = Some(id.to_owned());
                }
                let data: String = event
                    .lines()
                    .filter_map(|line| line.strip_prefix("data:"))
                    .map(str::trim_start)
                    .collect();
                self.buffer = rest.to_owned();
                if data.is_empty() {
                    continue; // A comment that keeps the connection alive.
                }
                return Some(serde_json::from_str(&data).expect("event data is JSON"));
            }
            let chunk = soon("an event arrives", self.response.chunk())
                .await
                .expect("the stream goes on")?;
            self.buffer
                .push_str(&String::from_utf8_lossy(&chunk).replace('\r', ""));
        }
    }

    /// Skips events until one fits.
    pub async fn until(&mut self, what: &str, mut fits: impl FnMut(&Value) -> bool) -> Value {
        soon(what, async {
            loop {
                let message = self.next().await;
                if fits(&message) {
                    return message;
                }
            }
        })
        .await
    }
}
