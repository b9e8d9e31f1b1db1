//! Forms with files, written byte for byte as a test wants them, and files to put into them.

use reqwest::Method;

use crate::{
    answer::Answer,
    client::{Call, Http},
};

/// Where documents go.
pub const DOCUMENTS: &str = "/user/kyc/documents";

/// A `multipart/form-data` body.
#[derive(Clone)]
pub struct Form {
    boundary: String,
    body: Vec<u8>,
}

impl Form {
    /// Empty, with a boundary of its own.
    #[must_use]
    pub fn new() -> Self {
        Self {
            boundary: format!("----{}", uuid::Uuid::now_v7().simple()),
            body: Vec::new(),
        }
    }

    /// With a kind and a file, as a page sends it.
    #[must_use]
    pub fn of(kind: &str, name: &str, bytes: &[u8]) -> Self {
        Self::new().text("kind", kind).file("file", name, bytes)
    }

    /// Adds a field.
    #[must_use]
    pub fn text(self, field: &str, value: &str) -> Self {
        self.part(&format!("name=\"{field}\""), None, value.as_bytes())
    }

    /// Adds a file that claims to be a PDF, whatever it is.
    #[must_use]
    pub fn file(self, field: &str, name: &str, bytes: &[u8]) -> Self {
        let naming = format!("name=\"{field}\"; filename=\"{name}\"");
        self.part(&naming, Some("application/pdf"), bytes)
    }

    fn part(mut self, naming: &str, kind: Option<&str>, bytes: &[u8]) -> Self {
        let mut head = format!(
            "--{}\r\nContent-Disposition: form-data; {naming}\r\n",
            self.boundary
        );
        if let Some(kind) = kind {
            head.push_str(&format!("Content-Type: {kind}\r\n"));
        }
        head.push_str("\r\n");
        self.body.extend(head.as_bytes());
        self.body.extend(bytes);
        self.body.extend(b"\r\n");
        self
    }

    /// The request that hands it in.
    #[must_use]
    pub fn call(self, http: &Http) -> Call {
        let mut body = self.body;
        body.extend(format!("--{}--\r\n", self.boundary).as_bytes());
        let kind = format!("multipart/form-data; boundary={}", self.boundary);
        http.call(Method::POST, DOCUMENTS)
            .header("content-type", &kind)
            .bytes(body)
    }

    /// Hands it in.
    pub async fn send(self, http: &Http) -> Answer {
        self.call(http).send().await
    }
}

impl Default for Form {
    fn default() -> Self {
        Self::new()
    }
}

/// A small PDF with this text in a comment.
#[must_use]
pub fn pdf(text: &str) -> Vec<u8> {
    format!(
        "%PDF-1.4\n%{text}\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n\
         2 0 obj<</Type/Pages/Kids[]/Count 0>>endobj\nxref\n0 1\n0000000000 65535 f \n\
         trailer<</Root 1 0 R/Size 3>>\nstartxref\n9\n%%EOF\n"
    )
    .into_bytes()
}

/// A PNG of one pixel.
#[must_use]
pub fn png() -> Vec<u8> {
    let mut bytes = b"\x89PNG\r\n\x1a\n\0\0\0\x0DIHDR".to_vec();
    bytes.extend(b"\0\0\0\x01\0\0\0\x01\x08\x06\0\0\0\x1F\x15\xC4\x89");
    bytes.extend(b"\0\0\0\x0AIDATx\x9Cc\0\x01\0\0\x05\0\x01\x0D\x0A\x2D\xB4");
    bytes.extend(b"\0\0\0\0IEND\xAEB`\x82");
    bytes
}

/// A JPEG of one pixel, as far as its structure goes.
#[must_use]
pub fn jpeg() -> Vec<u8> {
    let mut bytes = b"\xFF\xD8\xFF\xE0\x00\x10JFIF\0\x01\x01\0\0\x01\0\x01\0\0".to_vec();
    bytes.extend(b"\xFF\xC0\x00\x0B\x08\x00\x01\x00\x01\x01\x01\x11\x00");
    bytes.extend(b"\xFF\xDA\x00\x08\x01\x01\x00\x00\x3F\x00\x2A\xFF\xD9");
    bytes
}
