//! As much of HTTP/1.1 as a receiver of webhooks needs.

use std::{collections::BTreeMap, io};

use tokio::io::{
    AsyncBufRead, AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWrite,
    AsyncWriteExt as _,
};

const LINE_MAX: u64 = 16 * 1024;
const BODY_MAX: usize = 1024 * 1024;

/// A request, read whole.
pub(super) struct Request {
    pub(super) method: String,
    pub(super) path: String,
    /// By lower-case name.
    pub(super) headers: BTreeMap<String, String>,
    pub(super) body: String,
}

/// The next request; none at the end of the connection.
pub(super) async fn read_request<S>(stream: &mut S) -> io::Result<Option<Request>>
where
    S: AsyncBufRead + AsyncRead + Unpin,
{
    let Some(first) = line(stream).await? else {
        return Ok(None);
    };
    let mut words = first.split(' ');
    let mut word = || words.next().unwrap_or_default().to_owned();
    let (method, path) = (word(), word());
    let mut headers = BTreeMap::new();
    while let Some(text) = line(stream).await? {
        if text.is_empty() {
            break;
        }
        if let Some((name, value)) = text.split_once(':') {
            headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
        }
    }
    let length = headers.get("content-length").map(|text| text.parse());
    let length: usize = length.transpose().map_err(io::Error::other)?.unwrap_or(0);
    if length > BODY_MAX {
        return Err(io::Error::other("the body is too large"));
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await?;
    Ok(Some(Request {
        method,
        path,
        headers,
        body: String::from_utf8(body).map_err(io::Error::other)?,
    }))
}

async fn line<S: AsyncBufRead + Unpin>(stream: &mut S) -> io::Result<Option<String>> {
    let mut text = String::new();
    if stream.take(LINE_MAX).read_line(&mut text).await? == 0 {
        return Ok(None);
    }
    Ok(Some(text.trim_end_matches(['\r', '\n']).to_owned()))
}

/// Sends an answer; the connection stays.
pub(super) async fn write_answer<S: AsyncWrite + Unpin>(
    stream: &mut S,
    status: u16,
    headers: &[(&'static str, String)],
    body: &str,
) -> io::Result<()> {
    let headers = headers
        .iter()
        .map(|(name, value)| format!("{name}: {value}\r\n"));
    let headers: String = headers.collect();
    let length = body.len();
    let text = format!(
        "HTTP/1.1 {status} -\r\ncontent-type: application/json\r\n{headers}content-length: \
         {length}\r\n\r\n{body}"
    );
    stream.write_all(text.as_bytes()).await?;
    stream.flush().await
}
