//! Mails kept in the data directory, where no mail server is configured: one file each, readable by
//! its owner alone, its name telling whose it is.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use chrono::{DateTime, SecondsFormat, Utc};
use daybook_domain::ClientId;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::compose::Letter;

/// The directory of kept mails.
#[derive(Clone, Debug)]
pub struct KeptMails {
    directory: PathBuf,
}

/// A mail as it is kept and shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KeptMail {
    /// Names it.
    pub id: Uuid,
    /// Address.
    pub to: String,
    /// Subject.
    pub subject: String,
    /// RFC 3339 UTC with milliseconds.
    pub sent_at: String,
    /// Plain text.
    pub text: String,
    /// The same as HTML.
    pub html: String,
}

impl KeptMails {
    /// Those of a data directory.
    #[must_use]
    pub fn of(data_dir: &Path) -> Self {
        Self {
            directory: data_dir.join("mails"),
        }
    }

    /// Where they are.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Keeps a mail; one that is there already stays as it is.
    pub(crate) fn keep(&self, letter: &Letter, now: DateTime<Utc>) -> io::Result<()> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.directory)?;
        let name = format!("{}.{}.json", letter.client_id, letter.id);
        let path = self.directory.join(&name);
        if path.try_exists()? {
            return Ok(());
        }
        let kept = KeptMail {
            id: letter.id,
            to: letter.to.clone(),
            subject: letter.subject.clone(),
            sent_at: now.to_rfc3339_opts(SecondsFormat::Millis, true),
            text: letter.text.clone(),
            html: letter.html.clone(),
        };
        let fresh = self.directory.join(format!("{name}.new"));
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&fresh)?;
        file.write_all(&serde_json::to_vec_pretty(&kept)?)?;
        file.sync_all()?;
        fs::rename(&fresh, &path)?;
        File::open(&self.directory)?.sync_all()
    }

    /// All of them, newest first. Blocks.
    ///
    /// # Errors
    /// When the directory or a file in it cannot be read.
    pub fn list(&self) -> io::Result<Vec<KeptMail>> {
        self.those(|_| true)
    }

    /// Those to a client, newest first. Blocks.
    ///
    /// # Errors
    /// When the directory or a file in it cannot be read.
    pub fn of_client(&self, client_id: ClientId) -> io::Result<Vec<KeptMail>> {
        self.those(|name| name.client_id == client_id)
    }

    fn those(&self, wanted: impl Fn(&Name) -> bool) -> io::Result<Vec<KeptMail>> {
        let mut mails = Vec::new();
        for (path, name) in self.files()? {
            if name.unfinished || !wanted(&name) {
                continue;
            }
            match fs::read(&path) {
                Ok(bytes) => mails.push(read(&path, &bytes)?),
                // Its client was erased a moment ago.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        mails.sort_by(|a: &KeptMail, b| (&b.sent_at, b.id).cmp(&(&a.sent_at, a.id)));
        Ok(mails)
    }

    /// One of them. Blocks.
    ///
    /// # Errors
    /// When the directory or the file cannot be read.
    pub fn show(&self, id: Uuid) -> io::Result<Option<KeptMail>> {
        let mut files = self.files()?.into_iter();
        let Some((path, _)) = files.find(|(_, name)| name.id == id && !name.unfinished) else {
            return Ok(None);
        };
        read(&path, &fs::read(&path)?).map(Some)
    }

    /// Deletes all mails of a client, and returns how many. Blocks.
    ///
    /// # Errors
    /// When one cannot be deleted.
    pub fn forget(&self, client_id: ClientId) -> io::Result<u64> {
        let mut deleted = 0;
        for (path, name) in self.files()? {
            if name.client_id == client_id {
                fs::remove_file(&path)?;
                deleted += 1;
            }
        }
        Ok(deleted)
    }

    fn files(&self) -> io::Result<Vec<(PathBuf, Name)>> {
        let entries = match fs::read_dir(&self.directory) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let mut files = Vec::new();
        for entry in entries {
            let entry = entry?;
            if let Some(name) = entry.file_name().to_str().and_then(Name::parse) {
                files.push((entry.path(), name));
            }
        }
        Ok(files)
    }
}

/// `{client}.{mail}.json`, and `.new` after it while it is being written.
struct Name {
    client_id: ClientId,
    id: Uuid,
    unfinished: bool,
}

impl Name {
    fn parse(name: &str) -> Option<Self> {
        let whole = name.strip_suffix(".new");
        let (client, rest) = whole.unwrap_or(name).split_once('.')?;
        Some(Self {
            client_id: client.parse().ok()?,
            id: rest.strip_suffix(".json")?.parse().ok()?,
            unfinished: whole.is_some(),
        })
    }
}

fn read(path: &Path, bytes: &[u8]) -> io::Result<KeptMail> {
    serde_json::from_slice(bytes).map_err(|error| {
        let problem = format!("{} is no mail: {error}", path.display());
        io::Error::new(io::ErrorKind::InvalidData, problem)
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    struct Scratch(PathBuf);

    impl Scratch {
        fn new() -> Self {
            let path = std::env::temp_dir().join(format!("daybook-mail-{}", Uuid::now_v7()));
            fs::create_dir_all(&path).unwrap();
            Self(path)
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            // A leftover in the temporary directory is no failure of the test.
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn letter(client: u128, id: u128) -> Letter {
        Letter {
            id: Uuid::from_u128(id),
            client_id: ClientId(Uuid::from_u128(client)),
            to: "ada@example.com".to_owned(),
            subject: "News".to_owned(),
            text: "Hello".to_owned(),
            html: "<p>Hello</p>".to_owned(),
        }
    }

    fn at(second: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_790_000_000 + second, 0).unwrap()
    }

    #[test]
    fn kept_mails_are_private_and_listed_newest_first() {
        let scratch = Scratch::new();
        let kept = KeptMails::of(&scratch.0);
        assert_eq!(kept.list().unwrap(), []);
        kept.keep(&letter(1, 11), at(0)).unwrap();
        kept.keep(&letter(2, 12), at(1)).unwrap();
        let listed = kept.list().unwrap();
        let ids: Vec<u128> = listed.iter().map(|mail| mail.id.as_u128()).collect();
        assert_eq!(ids, [12, 11]);
        assert_eq!(listed[1].sent_at, "2026-09-21T14:13:20.000Z");
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(kept.directory()), 0o700);
        for entry in fs::read_dir(kept.directory()).unwrap() {
            assert_eq!(mode(&entry.unwrap().path()), 0o600);
        }
        assert_eq!(
            kept.show(Uuid::from_u128(11)).unwrap().as_ref(),
            Some(&listed[1])
        );
        assert_eq!(kept.show(Uuid::from_u128(13)).unwrap(), None);
    }

    #[test]
    fn a_mail_that_is_kept_stays_as_it_is() {
        let scratch = Scratch::new();
        let kept = KeptMails::of(&scratch.0);
        kept.keep(&letter(1, 11), at(0)).unwrap();
        let first = kept.list().unwrap();
        kept.keep(&letter(1, 11), at(60)).unwrap();
        assert_eq!(kept.list().unwrap(), first);
    }

    #[test]
    fn a_clients_mails_can_be_forgotten() {
        let scratch = Scratch::new();
        let kept = KeptMails::of(&scratch.0);
        for (client, id) in [(1, 11), (1, 12), (2, 13)] {
            kept.keep(&letter(client, id), at(0)).unwrap();
        }
        // As a crash would leave it.
        let one = ClientId(Uuid::from_u128(1));
        let left = format!("{one}.{}.json.new", Uuid::from_u128(14));
        fs::write(kept.directory().join(left), "{").unwrap();
        assert_eq!(kept.list().unwrap().len(), 3);
        assert_eq!(kept.of_client(one).unwrap().len(), 2);
        assert_eq!(kept.forget(one).unwrap(), 3);
        let left = kept.list().unwrap();
        assert_eq!(left.len(), 1);
        assert_eq!(left[0].id.as_u128(), 13);
        assert_eq!(kept.forget(one).unwrap(), 0);
    }
}
