//! What a file is: by its own bytes, from the first one on. Neither its name nor the content type
//! that it came with is looked at, and a file that is two things at once is neither.

use daybook_domain::client::DocumentFormat;

/// A PDF's end is looked for in so many last bytes, as readers do.
const PDF_TAIL: usize = 1024;
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n";
/// The record that ends an archive, without its comment, and the longest comment.
const ZIP_END: &[u8] = b"PK\x05\x06";
const ZIP_END_BYTES: usize = 22;
const ZIP_COMMENT_MAX: usize = 65_535;

/// The format of a file; none where it is none of ours, broken, or also an archive.
#[must_use]
pub fn sniff(bytes: &[u8]) -> Option<DocumentFormat> {
    let format = if is_pdf(bytes) {
        DocumentFormat::Pdf
    } else if is_jpeg(bytes) {
        DocumentFormat::Jpeg
    } else if is_png(bytes) {
        DocumentFormat::Png
    } else {
        return None;
    };
    (!ends_as_archive(bytes)).then_some(format)
}

/// `%PDF-n.n` at the very beginning, and an end that names the cross-reference.
fn is_pdf(bytes: &[u8]) -> bool {
    let Some([major, b'.', minor, ..]) = bytes.strip_prefix(b"%PDF-") else {
        return false;
    };
    let tail = &bytes[bytes.len().saturating_sub(PDF_TAIL)..];
    let Some(end) = position(tail, b"%%EOF") else {
        return false;
    };
    let versioned = major.is_ascii_digit() && minor.is_ascii_digit();
    versioned && position(&tail[..end], b"startxref").is_some()
}

/// Segments from the start of the image to its scan, a frame with an area among them, and an end.
fn is_jpeg(bytes: &[u8]) -> bool {
    let Some(mut rest) = bytes.strip_prefix(b"\xFF\xD8") else {
        return false;
    };
    let mut framed = false;
    loop {
        let [0xFF, marker, after @ ..] = rest else {
            return false;
        };
        match *marker {
            // Padding before a marker.
            0xFF => {
                rest = &rest[1..];
                continue;
            }
            // Nothing that has no length may stand here.
            0x00..=0x01 | 0xD0..=0xD9 => return false,
            0x02..=0xCF | 0xDA..=0xFE => {}
        }
        let Some((segment, next)) = segment(after) else {
            return false;
        };
        if is_frame(*marker) {
            framed = has_area(segment);
        }
        if *marker == 0xDA {
            return framed && position(next, b"\xFF\xD9").is_some();
        }
        rest = next;
    }
}

/// What follows a marker: a length that counts itself, and so much content.
fn segment(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<2>()?;
    let length = usize::from(u16::from_be_bytes(*length)).checked_sub(2)?;
    rest.split_at_checked(length)
}

/// Start of a frame, of whatever coding; not the tables and extensions between them.
const fn is_frame(marker: u8) -> bool {
    matches!(marker, 0xC0..=0xCF) && !matches!(marker, 0xC4 | 0xC8 | 0xCC)
}

/// Precision, then height and width.
fn has_area(frame: &[u8]) -> bool {
    let [_, height_high, height_low, width_high, width_low, ..] = frame else {
        return false;
    };
    (*height_high | *height_low) != 0 && (*width_high | *width_low) != 0
}

/// Signature, header with an area, image data, and an end after which there is nothing.
fn is_png(bytes: &[u8]) -> bool {
    let Some(mut rest) = bytes.strip_prefix(PNG) else {
        return false;
    };
    let Some((kind, header, after)) = chunk(rest) else {
        return false;
    };
    let area = header.len() == 13 && header[..4] != [0; 4] && header[4..8] != [0; 4];
    if kind != b"IHDR" || !area {
        return false;
    }
    rest = after;
    let mut drawn = false;
    while let Some((kind, content, after)) = chunk(rest) {
        if kind == b"IEND" {
            return drawn && content.is_empty() && after.is_empty();
        }
        if !kind.iter().all(u8::is_ascii_alphabetic) {
            return false;
        }
        drawn |= kind == b"IDAT";
        rest = after;
    }
    false
}

/// Length, kind, content, and a checksum that is left to whoever draws it.
fn chunk(bytes: &[u8]) -> Option<(&[u8; 4], &[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    let (kind, rest) = rest.split_first_chunk::<4>()?;
    let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
    let (content, rest) = rest.split_at_checked(length)?;
    let (_checksum, rest) = rest.split_first_chunk::<4>()?;
    Some((kind, content, rest))
}

/// Whether a reader of archives, who begins at the end, would find one.
fn ends_as_archive(bytes: &[u8]) -> bool {
    let start = bytes.len().saturating_sub(ZIP_END_BYTES + ZIP_COMMENT_MAX);
    let tail = &bytes[start..];
    let records = tail.windows(ZIP_END.len()).enumerate();
    records
        .filter(|(_, window)| *window == ZIP_END)
        .any(|(at, _)| {
            let record = &tail[at..];
            let Some(length) = record.get(20..ZIP_END_BYTES) else {
                return false;
            };
            let comment = usize::from(u16::from_le_bytes([length[0], length[1]]));
            record.len() >= ZIP_END_BYTES + comment
        })
}

fn position(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes
        .windows(wanted.len())
        .position(|window| window == wanted)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PDF: &[u8] = b"%PDF-1.7\n1 0 obj<</Type/Catalog>>endobj\nxref\n0 1\n\
        0000000000 65535 f \ntrailer<</Root 1 0 R>>\nstartxref\n40\n%%EOF\n";

    fn jpeg() -> Vec<u8> {
        let mut bytes = b"\xFF\xD8\xFF\xE0\x00\x10JFIF\0\x01\x01\0\0\x01\0\x01\0\0".to_vec();
        bytes.extend(b"\xFF\xC0\x00\x0B\x08\x00\x01\x00\x01\x01\x01\x11\x00");
        bytes.extend(b"\xFF\xDA\x00\x08\x01\x01\x00\x00\x3F\x00\x2A\xFF\xD9");
        bytes
    }

    fn png() -> Vec<u8> {
        let mut bytes = PNG.to_vec();
        bytes.extend(b"\0\0\0\x0DIHDR\0\0\0\x01\0\0\0\x01\x08\0\0\0\0crc!");
        bytes.extend(b"\0\0\0\x02IDAT\x01\x02crc!");
        bytes.extend(b"\0\0\0\0IENDcrc!");
        bytes
    }

    /// An empty archive.
    fn zip() -> Vec<u8> {
        [ZIP_END, &[0; 18]].concat()
    }

    #[test]
    fn each_format_is_known_by_its_content() {
        assert_eq!(sniff(PDF), Some(DocumentFormat::Pdf));
        assert_eq!(sniff(&jpeg()), Some(DocumentFormat::Jpeg));
        assert_eq!(sniff(&png()), Some(DocumentFormat::Png));
    }

    #[test]
    fn what_only_looks_like_one_is_refused() {
        let html: &[u8] = b"<!doctype html><script>alert(1)</script>";
        let svg: &[u8] = b"<svg xmlns=\"http://www.w3.org/2000/svg\" onload=\"alert(1)\"/>";
        let late = [b"<script>".as_slice(), PDF].concat();
        let newline_first = [b"\n".as_slice(), PDF].concat();
        let headed = [b"%PDF-1.7\n".as_slice(), html].concat();
        let gif: &[u8] = b"GIF89a/*%PDF-1.7 startxref %%EOF";
        let archived = [PDF, &zip()].concat();
        let archived_image = [jpeg(), zip()].concat();
        let commented = [PDF, ZIP_END, &[0; 16], &[3, 0], b"abc"].concat();
        let trailed = [png().as_slice(), html].concat();
        let mut unframed = jpeg();
        unframed[21] = 0xC4;
        let mut flat = jpeg();
        flat[26] = 0;
        let mut thin = png();
        thin[19] = 0;
        for (what, bytes) in [
            ("nothing", b"".as_slice()),
            ("HTML", html),
            ("SVG", svg),
            ("a script", b"#!/bin/sh\n"),
            ("an archive", &zip()),
            ("a GIF that mentions a PDF", gif),
            ("a PDF after something else", &late),
            ("a PDF after an empty line", &newline_first),
            ("HTML under a PDF's header", &headed),
            ("a PDF without a version", b"%PDF-x.y\nstartxref\n%%EOF"),
            ("a PDF without an end", &PDF[..PDF.len() - 7]),
            ("a PDF that is an archive too", &archived),
            ("one whose archive has a comment", &commented),
            ("a JPEG that is an archive too", &archived_image),
            ("the beginning of a JPEG", &jpeg()[..24]),
            ("a JPEG's marker alone", b"\xFF\xD8\xFF"),
            ("a JPEG without a frame", &unframed),
            ("a JPEG without height", &flat),
            ("a PNG's signature alone", PNG),
            ("a PNG without width", &thin),
            ("a PNG that goes on", &trailed),
            ("a PNG cut off", &png()[..png().len() - 1]),
        ] {
            assert_eq!(sniff(bytes), None, "{what}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(
            start in 0..4_usize,
            rest in prop::collection::vec(any::<u8>(), 0..400),
        ) {
            let starts: [&[u8]; 4] = [b"", b"%PDF-1.7", b"\xFF\xD8\xFF\xC0", PNG];
            let _format = sniff(&[starts[start], &rest].concat());
        }

        #[test]
        fn a_file_cut_short_is_refused(cut in 1..60_usize) {
            for whole in [jpeg(), png()] {
                let cut = cut.min(whole.len());
                prop_assert_eq!(sniff(&whole[..whole.len() - cut]), None);
            }
        }
    }
}
