//! What a file may be called: one line of harmless characters that ends in its true format.

use daybook_domain::client::DocumentFormat;

/// Most characters of a name, as the book takes it.
const LENGTH_MAX: usize = 200;

/// The ending of a format's files.
#[must_use]
pub const fn extension(format: DocumentFormat) -> &'static str {
    match format {
        DocumentFormat::Pdf => "pdf",
        DocumentFormat::Jpeg => "jpg",
        DocumentFormat::Png => "png",
    }
}

/// A name that came with a file, made safe to store, show and save under: without path, control,
/// invisible and direction-changing characters; ending as the content demands, whatever it claimed.
#[must_use]
pub fn sanitised(claimed: &str, format: DocumentFormat) -> String {
    let last = claimed.rsplit(['/', '\\']).next().unwrap_or_default();
    let plain: String = last.chars().filter(|c| !is_hidden(*c)).map(tame).collect();
    let plain = plain.trim_matches(|c: char| c == '.' || c.is_whitespace());
    let (stem, ending) = match plain.rsplit_once('.') {
        Some((stem, ending)) if fits(ending, format) => (stem.trim_end(), ending),
        Some(_) | None => (plain, extension(format)),
    };
    let stem: String = stem.chars().take(LENGTH_MAX - ending.len() - 1).collect();
    let stem = match stem.trim_end() {
        "" => "document",
        stem => stem,
    };
    format!("{stem}.{ending}")
}

fn fits(ending: &str, format: DocumentFormat) -> bool {
    ending.eq_ignore_ascii_case(extension(format))
        || (format == DocumentFormat::Jpeg && ending.eq_ignore_ascii_case("jpeg"))
}

/// Control characters, and what changes direction, joins or shows nothing.
fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{00AD}' | '\u{034F}' | '\u{061C}' | '\u{180E}' | '\u{200B}'..='\u{200F}'
            | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{FE00}'..='\u{FE0F}'
            | '\u{FEFF}' | '\u{FFF9}'..='\u{FFFB}' | '\u{E0000}'..='\u{E0FFF}')
}

/// What some system gives a meaning of its own.
const fn tame(c: char) -> char {
    match c {
        '<' | '>' | ':' | '"' | '|' | '?' | '*' | '%' | ';' => '_',
        plain => plain,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_lose_what_is_dangerous_and_end_as_their_content_demands() {
        use DocumentFormat::{Jpeg, Pdf, Png};
        for (claimed, format, name) in [
            ("passport.pdf", Pdf, "passport.pdf"),
            ("Reisepass Müller.PDF", Pdf, "Reisepass Müller.PDF"),
            ("photo.jpeg", Jpeg, "photo.jpeg"),
            ("photo.jpg", Png, "photo.jpg.png"),
            ("../../etc/passwd", Pdf, "passwd.pdf"),
            ("..\\..\\boot.ini", Pdf, "boot.ini.pdf"),
            ("/", Pdf, "document.pdf"),
            ("", Jpeg, "document.jpg"),
            (".", Png, "document.png"),
            ("..", Pdf, "document.pdf"),
            (".pdf", Pdf, "pdf.pdf"),
            ("evil.html", Pdf, "evil.html.pdf"),
            ("a\0b\r\nc.pdf", Pdf, "abc.pdf"),
            ("exe\u{202E}fdp.exe", Pdf, "exefdp.exe.pdf"),
            ("a\u{200B}\u{FEFF}b.pdf", Pdf, "ab.pdf"),
            ("x\"; filename=\"y.pdf", Pdf, "x__ filename=_y.pdf"),
            ("   spaces .pdf  ", Pdf, "spaces.pdf"),
            ("con:aux?.png", Png, "con_aux_.png"),
        ] {
            assert_eq!(sanitised(claimed, format), name, "{claimed:?}");
        }
    }

    #[test]
    fn a_long_name_keeps_its_ending() {
        let name = sanitised(&format!("{}.pdf", "ü".repeat(500)), DocumentFormat::Pdf);
        assert_eq!(name.chars().count(), LENGTH_MAX);
        assert!(name.ends_with(".pdf"));
    }

    proptest! {
        #[test]
        fn whatever_was_claimed_the_book_takes_the_name(claimed in "\\PC*|(?s:.){0,300}") {
            let name = sanitised(&claimed, DocumentFormat::Png);
            prop_assert!(name.ends_with(".png") || name.to_lowercase().ends_with(".png"));
            prop_assert!(name.chars().count() <= LENGTH_MAX);
            prop_assert!(!name.chars().any(|c| c.is_control() || c == '/' || c == '\\'));
            prop_assert!(!name.starts_with('.'));
            prop_assert_eq!(sanitised(&name, DocumentFormat::Png), name.clone());
        }
    }
}
