//! Passwords that were breached elsewhere: a file of SHA-1 hashes in order, one a line, with or
//! without `:count`, as Have I Been Pwned gives it out. Looked up on the disk; nothing leaves the
//! machine, and nothing of the file is held in memory.

use std::{
    fs::File,
    io::{self, ErrorKind},
    os::unix::fs::FileExt,
    path::Path,
    sync::Arc,
};

use sha1::{Digest, Sha1};

/// Hexadecimal digits of a hash.
const HASH: usize = 40;
/// No line is longer: a hash, a colon, a count and the line's end.
const LINE_MAX: usize = 64;

/// The file. Cheap to clone.
#[derive(Clone, Debug)]
pub struct BreachedPasswords {
    file: Arc<File>,
    bytes: u64,
}

/// The line that a byte is in.
struct Line {
    start: u64,
    /// After its line feed.
    end: u64,
    hash: [u8; HASH],
}

impl BreachedPasswords {
    /// Opens the file.
    ///
    /// # Errors
    /// When it cannot be read, or does not begin with a hash.
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let bytes = file.metadata()?.len();
        let breached = Self {
            file: Arc::new(file),
            bytes,
        };
        breached.line_at(0)?;
        Ok(breached)
    }

    /// Whether the password is among them. Blocks for a few reads.
    ///
    /// # Errors
    /// When the file cannot be read, or has a line that is no hash where it was looked at.
    pub fn contains(&self, password: &str) -> io::Result<bool> {
        let wanted = hex::encode_upper(Sha1::digest(password.as_bytes()));
        let (mut from, mut to) = (0, self.bytes);
        while from < to {
            let line = self.line_at(from + (to - from) / 2)?;
            match wanted.as_bytes().cmp(&line.hash) {
                std::cmp::Ordering::Equal => return Ok(true),
                std::cmp::Ordering::Less => to = line.start,
                std::cmp::Ordering::Greater => from = line.end,
            }
        }
        Ok(false)
    }

    fn line_at(&self, place: u64) -> io::Result<Line> {
        let first = place.saturating_sub(LINE_MAX as u64);
        let mut window = [0; 2 * LINE_MAX];
        let read = self.read_at(&mut window, first)?;
        let window = &window[..read];
        // The byte itself may be the line feed that ends its line.
        let before = usize::try_from(place - first).unwrap_or(usize::MAX);
        let start = window[..before.min(read)]
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |feed| feed + 1);
        let line = &window[start..];
        let length = line.iter().position(|byte| *byte == b'\n');
        let hash = line.first_chunk::<HASH>();
        let hash = hash.filter(|hash| hash.iter().all(u8::is_ascii_hexdigit));
        let hash = hash.ok_or_else(|| {
            let text = "has a line that does not begin with a SHA-1 hash";
            io::Error::new(ErrorKind::InvalidData, text)
        })?;
        let start = first + start as u64;
        Ok(Line {
            start,
            end: length.map_or(self.bytes, |length| start + length as u64 + 1),
            hash: hash.to_ascii_uppercase().try_into().unwrap_or(*hash),
        })
    }

    /// As much as there is.
    fn read_at(&self, buffer: &mut [u8], from: u64) -> io::Result<usize> {
        let mut read = 0;
        while read < buffer.len() {
            match self.file.read_at(&mut buffer[read..], from + read as u64) {
                Ok(0) => break,
                Ok(more) => read += more,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, path::PathBuf};

    use uuid::Uuid;

    use super::*;

    struct Scratch(PathBuf);

    impl Scratch {
        fn with(text: &str) -> Self {
            let path = std::env::temp_dir().join(format!("daybook-breached-{}", Uuid::now_v7()));
            fs::write(&path, text).unwrap();
            Self(path)
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            // A leftover in the temporary directory is no failure of the test.
            let _ = fs::remove_file(&self.0);
        }
    }

    fn sorted(passwords: &[String], line: impl Fn(usize, String) -> String) -> String {
        let hash = |text: &String| hex::encode_upper(Sha1::digest(text.as_bytes()));
        let mut hashes: Vec<String> = passwords.iter().map(hash).collect();
        hashes.sort();
        let lines = hashes.into_iter().enumerate();
        lines.map(|(number, hash)| line(number, hash)).collect()
    }

    #[test]
    fn each_that_is_listed_is_found_and_no_other() {
        let listed: Vec<String> = (0..500).map(|number| format!("listed {number}")).collect();
        let texts = [
            sorted(&listed, |number, hash| {
                format!("{hash}:{}\r\n", number * 7_919)
            }),
            sorted(&listed, |_, hash| format!("{}\n", hash.to_lowercase())),
            sorted(&listed, |_, hash| format!("{hash}\n"))
                .trim_end()
                .to_owned(),
        ];
        for text in texts {
            let file = Scratch::with(&text);
            let breached = BreachedPasswords::open(&file.0).unwrap();
            for password in &listed {
                assert!(breached.contains(password).unwrap(), "{password}");
            }
            for number in 0..500 {
                assert!(!breached.contains(&format!("other {number}")).unwrap());
            }
        }
    }

    #[test]
    fn the_hashes_are_those_that_are_given_out() {
        // Of `password`, as every list of breached passwords has it.
        let file = Scratch::with("5BAA61E4C9B93F3F0682250B6CF8331B7EE68FD8:10434004\n");
        let breached = BreachedPasswords::open(&file.0).unwrap();
        assert!(breached.contains("password").unwrap());
        assert!(!breached.contains("Password").unwrap());
    }

    #[test]
    fn what_is_no_list_is_refused_when_it_is_opened() {
        for text in ["", "password\n", "5BAA61E4\n"] {
            let file = Scratch::with(text);
            let refused = BreachedPasswords::open(&file.0).unwrap_err();
            assert_eq!(refused.kind(), ErrorKind::InvalidData, "{text:?}");
        }
        assert!(BreachedPasswords::open(Path::new("/nowhere/at/all")).is_err());
    }
}
