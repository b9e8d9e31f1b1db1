//! `Content-Disposition` for a file to be saved (RFC 6266).

use std::fmt::Write as _;

use axum::http::HeaderValue;

/// An attachment of this name: plain for old readers, exact for all others.
pub(crate) fn attachment(name: &str) -> HeaderValue {
    let plain: String = name.chars().map(plain).collect();
    let mut exact = String::new();
    for byte in name.bytes() {
        // What RFC 8187 lets stand as it is.
        if byte.is_ascii_alphanumeric() || b"!#$&+-.^_`|~".contains(&byte) {
            exact.push(char::from(byte));
        } else {
            let _ = write!(exact, "%{byte:02X}");
        }
    }
    let text = format!("attachment; filename=\"{plain}\"; filename*=UTF-8''{exact}");
    HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static("attachment"))
}

fn plain(c: char) -> char {
    match c {
        '"' | '\\' | '%' => '_',
        c if c == ' ' || c.is_ascii_graphic() => c,
        _ => '_',
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_written_for_old_and_new_readers() {
        for (name, expected) in [
            (
                "passport.pdf",
                "attachment; filename=\"passport.pdf\"; filename*=UTF-8''passport.pdf",
            ),
            (
                "Übergabe 1.pdf",
                "attachment; filename=\"_bergabe 1.pdf\"; filename*=UTF-8''%C3%9Cbergabe%201.pdf",
            ),
            (
                "a\"b\r\nX: y.pdf",
                "attachment; filename=\"a_b__X: y.pdf\"; \
                 filename*=UTF-8''a%22b%0D%0AX%3A%20y.pdf",
            ),
        ] {
            assert_eq!(attachment(name), expected, "{name:?}");
        }
    }
}
