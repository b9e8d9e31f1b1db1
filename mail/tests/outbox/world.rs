//! A node that leads, people whose streams it writes, and the outbox's table.

use std::{path::PathBuf, sync::Arc, time::Duration};

use daybook_domain::{Client, ClientCommand, ClientEvent, ClientId, client::Registration};
use daybook_mail::{KeptMails, Outbox, OutboxConfig, Pace, Sender, SmtpUrl};
use daybook_store::{
    Leadership, LeadershipConfig, Metadata, NewEvent, NewKey, Role, Store, StreamAppend,
    StreamHandle, StreamId, SubjectKey, Submission, Writer, testing::TestDatabase,
};
use sqlx::FromRow;
use tokio::{sync::oneshot, time::timeout};
use uuid::Uuid;

/// Long enough for the slowest machine; nothing waits this long unless it is broken.
pub const PATIENCE: Duration = Duration::from_secs(60);
pub const SECRET: &str = "a secret for tests alone";
pub const APP_URL: &str = "https://trade.example.com";

pub struct World {
    pub store: Store,
    pub config: OutboxConfig,
    writer: Writer,
    _leadership: Leadership,
}

/// A row of the outbox.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct Row {
    pub id: Uuid,
    pub template: String,
    pub position: i64,
    pub attempts: i32,
    pub last_error: Option<String>,
    pub sent: bool,
    pub given_up: bool,
    pub skipped: bool,
}

impl World {
    pub async fn start() -> Self {
        Self::start_on(TestDatabase::start().await).await
    }

    pub async fn start_on(database: TestDatabase) -> Self {
        let store = database.store().await;
        let config = LeadershipConfig {
            lease: Duration::from_secs(20),
            unavailable_after: PATIENCE,
            ..LeadershipConfig::default()
        };
        let leadership = Leadership::start_with(store.clone(), "test".into(), config);
        let mut role = leadership.role.clone();
        let leads = role.wait_for(|role| matches!(role, Role::Leader { .. }));
        let role = timeout(PATIENCE, leads).await.unwrap().unwrap().clone();
        let Role::Leader { writer, .. } = role else {
            unreachable!()
        };
        let data_dir = std::env::temp_dir().join(format!("daybook-mail-{}", Uuid::now_v7()));
        Self {
            store,
            config: outbox_config(data_dir),
            writer,
            _leadership: leadership,
        }
    }

    /// Sends to a server instead of keeping mails.
    pub fn with_server(mut self, url: &str) -> Self {
        self.config.smtp = Some(SmtpUrl::parse(url).unwrap());
        self
    }

    pub fn outbox(&self) -> Outbox {
        Outbox::start(&self.store, &self.config).unwrap()
    }

    pub fn kept(&self) -> KeptMails {
        KeptMails::of(&self.config.data_dir)
    }

    pub async fn person(&self) -> Person<'_> {
        Person::register(self).await
    }

    pub async fn rows(&self) -> Vec<Row> {
        sqlx::query_as(
            "select id, template, position, attempts, last_error, sent_at is not null as sent, \
                 given_up_at is not null as given_up, skipped_at is not null as skipped \
             from public.mails order by position",
        )
        .fetch_all(self.store.pool())
        .await
        .unwrap()
    }

    /// The rows, once they are as they should become.
    pub async fn rows_when(&self, wanted: impl Fn(&[Row]) -> bool) -> Vec<Row> {
        let started = std::time::Instant::now();
        loop {
            let rows = self.rows().await;
            if wanted(&rows) {
                return rows;
            }
            assert!(
                started.elapsed() < PATIENCE,
                "waited in vain, last: {rows:#?}"
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    pub async fn execute(&self, statement: &str) {
        let executed = sqlx::query(statement).execute(self.store.pool()).await;
        executed.unwrap();
    }

    async fn append(&self, submission: impl FnOnce(Submission) -> Submission) -> i64 {
        let (tell, told) = oneshot::channel();
        let on_outcome = Box::new(move |outcome| {
            let _gone = tell.send(outcome);
        });
        let metadata = Arc::new(Metadata::default());
        let empty = Submission::new(Vec::new(), metadata, on_outcome);
        self.writer.submit(submission(empty));
        told.await.unwrap().unwrap().position
    }
}

impl Drop for World {
    fn drop(&mut self) {
        // There is none where no mail was kept.
        let _ = std::fs::remove_dir_all(&self.config.data_dir);
    }
}

fn outbox_config(data_dir: PathBuf) -> OutboxConfig {
    OutboxConfig {
        smtp: None,
        from: Sender::parse("Daybook <no-reply@example.com>").unwrap(),
        app_url: format!("{APP_URL}/"),
        data_dir,
        access_secret: SECRET.into(),
        access_secret_previous: None,
        pace: Pace {
            retry_first: Duration::from_millis(200),
            ..Pace::default()
        },
    }
}

/// A client and its stream.
pub struct Person<'w> {
    pub id: ClientId,
    pub email: String,
    pub key: SubjectKey,
    world: &'w World,
    client: Client,
    handle: Arc<StreamHandle>,
}

impl<'w> Person<'w> {
    async fn register(world: &'w World) -> Self {
        let id = ClientId(Uuid::now_v7());
        let (key, new_key) = world.store.keys().create(id.0);
        let handle = StreamHandle::new(StreamId::new("client", id), Default::default());
        let mut person = Self {
            id,
            email: format!("ada.{}@example.com", id.0.simple()),
            key,
            world,
            client: Client::default(),
            handle,
        };
        let registration = Registration {
            email: person.email.clone(),
            first_name: "Ada".to_owned(),
            last_name: "Lovelace".to_owned(),
            phone: None,
            country: None,
        };
        let command = ClientCommand::Register(registration);
        let key = vec![new_key];
        person.write(&command, key, Metadata::default()).await;
        person
    }

    /// Executes a command and returns the position of its last event.
    pub async fn does(&mut self, command: &ClientCommand) -> i64 {
        self.write(command, Vec::new(), Metadata::default()).await
    }

    /// The same, with metadata.
    pub async fn does_from(&mut self, command: &ClientCommand, metadata: Metadata) -> i64 {
        self.write(command, Vec::new(), metadata).await
    }

    async fn write(
        &mut self,
        command: &ClientCommand,
        keys: Vec<NewKey>,
        metadata: Metadata,
    ) -> i64 {
        let events = self.client.decide(command, chrono::Utc::now()).unwrap();
        assert!(!events.is_empty(), "{} does something", command.name());
        let sealed = events.iter().map(|event| sealed(event, &self.key));
        let append = StreamAppend {
            generation: self.handle.generation(),
            first_sequence: self.handle.head().sequence + 1,
            handle: self.handle.clone(),
            events: sealed.collect(),
        };
        let position = self.world.append(|submission| Submission {
            appends: vec![append],
            keys,
            metadata: Arc::new(metadata),
            ..submission
        });
        let position = position.await;
        events.iter().for_each(|event| self.client.evolve(event));
        position
    }
}

fn sealed(event: &ClientEvent, key: &SubjectKey) -> NewEvent {
    let payload = serde_json::to_string(event).unwrap();
    let payload = key.seal_fields(&payload, event.personal_fields()).unwrap();
    NewEvent {
        event_type: event.event_type(),
        event_version: "1.0",
        payload,
    }
}
