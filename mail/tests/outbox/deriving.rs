//! From events to mails: which, how often, and what stands in them.

use chrono::Utc;
use daybook_domain::{
    ClientCommand, SessionId,
    client::{Factor, KycStatus},
};
use daybook_mail::{KeptMail, Links, PasswordReset, Template};
use daybook_store::{Metadata, testing::TestDatabase};
use uuid::Uuid;

use crate::world::{APP_URL, Person, SECRET, World};

fn kyc(to: KycStatus, notes: Option<&str>) -> ClientCommand {
    ClientCommand::ChangeKycStatus {
        to,
        notes: notes.map(str::to_owned),
        by: "crm:eve".to_owned(),
    }
}

fn sign_in(device: &str, network: &str) -> ClientCommand {
    ClientCommand::SignIn {
        session_id: SessionId(Uuid::now_v7()),
        factor: Factor::None,
        device: device.to_owned(),
        network: network.to_owned(),
    }
}

/// Everything that causes a mail, and much that does not.
async fn live(person: &mut Person<'_>) {
    let factor = ClientCommand::EnableTwoFactor {
        step: 1,
        recovery_codes: 10,
    };
    let disable = ClientCommand::DisableTwoFactor {
        factor: Factor::Totp { step: 2 },
    };
    for command in [
        ClientCommand::RequestVerification,
        ClientCommand::RepeatRegistration,
        sign_in("a", "home"),
        sign_in("b", "home"),
        factor,
        disable,
        kyc(KycStatus::Pending, None),
        kyc(KycStatus::Approved, None),
        kyc(KycStatus::Expired, None),
        kyc(KycStatus::Rejected, Some("The second page is missing")),
        ClientCommand::RequestPasswordReset,
        ClientCommand::Suspend {
            reason: "fraud".to_owned(),
            by: "crm:eve".to_owned(),
        },
    ] {
        person.does(&command).await;
    }
}

const EXPECTED: [&str; 10] = [
    "verify_email",
    "verify_email",
    "already_registered",
    "new_sign_in",
    "second_factor_on",
    "second_factor_off",
    "kyc_approved",
    "kyc_expired",
    "kyc_rejected",
    "reset_password",
];

fn token(mail: &KeptMail) -> &str {
    let (_, from) = mail.text.split_once("token=").unwrap();
    from.split_whitespace().next().unwrap()
}

/// The kept mail of this template.
async fn mail_of(world: &World, template: &str) -> KeptMail {
    let mut rows = world.rows().await;
    rows.retain(|row| row.template == template && row.sent);
    world.kept().show(rows[0].id).unwrap().unwrap()
}

#[tokio::test]
async fn each_cause_gives_one_mail_however_often_the_book_is_read() {
    let world = World::start().await;
    let outbox = world.outbox();
    let mut person = world.person().await;
    live(&mut person).await;
    let changed = ClientCommand::ResetPassword { number: 1 };
    world
        .rows_when(|rows| rows.len() == 10 && rows.iter().all(|row| row.sent))
        .await;
    person.does(&changed).await;
    let rows = world
        .rows_when(|rows| rows.len() == 11 && rows.iter().all(|row| row.sent))
        .await;
    let templates: Vec<&str> = rows.iter().map(|row| row.template.as_str()).collect();
    assert_eq!(templates[..10], EXPECTED);
    assert_eq!(templates[10], "password_changed");
    // One of them twice; the invitation and those about money have tests of their own.
    let names = Template::ALL.iter().map(|template| template.as_str());
    let about_money = |name: &&str| name.starts_with("deposit") || name.starts_with("withdrawal");
    let others = names.filter(|name| !about_money(name)).count();
    assert_eq!(rows.len(), others, "every other template is met");
    let kept = world.kept().list().unwrap();
    assert_eq!(kept.len(), 11);
    assert!(kept.iter().all(|mail| mail.to == person.email));
    outbox.stop().await;

    // As after a restore, or by a node that knows nothing of the first.
    world
        .execute("update public.mail_checkpoint set position = 0")
        .await;
    let outbox = world.outbox();
    let mut other = world.person().await;
    other.does(&ClientCommand::RepeatRegistration).await;
    let again = world.rows_when(|rows| rows.len() == 13).await;
    assert_eq!(again[..11], rows);
    outbox.stop().await;
}

#[tokio::test]
async fn no_row_holds_personal_data() {
    let world = World::start().await;
    let outbox = world.outbox();
    let mut person = world.person().await;
    live(&mut person).await;
    world
        .rows_when(|rows| rows.len() == 10 && rows.iter().all(|row| row.sent))
        .await;
    let rows: Vec<String> = sqlx::query_scalar("select mail::text from public.mails mail")
        .fetch_all(world.store.pool())
        .await
        .unwrap();
    for row in rows {
        for personal in [&person.email, "example.com", "Ada", "Lovelace", "page"] {
            assert!(!row.contains(personal), "{row}");
        }
    }
    outbox.stop().await;
}

#[tokio::test]
async fn links_are_good_and_lead_to_the_site() {
    let world = World::start().await;
    let outbox = world.outbox();
    let mut person = world.person().await;
    person.does(&ClientCommand::RequestPasswordReset).await;
    world
        .rows_when(|rows| rows.len() == 2 && rows.iter().all(|row| row.sent))
        .await;
    let links = Links::new(&SECRET.into(), None);
    let verify = mail_of(&world, "verify_email").await;
    let said = links.verify_verify_email(token(&verify), Utc::now());
    let said = said.unwrap();
    assert_eq!(said.client_id, person.id);
    assert!(said.is_of(&person.email));
    let link = format!("{APP_URL}/verify-email?token={}", token(&verify));
    assert!(verify.text.contains(&link), "{}", verify.text);
    assert!(verify.html.contains(&format!("href=\"{link}\"")));
    assert!(verify.text.starts_with("Hello Ada,\n"));

    let reset = mail_of(&world, "reset_password").await;
    let said = links.verify_reset_password(token(&reset), Utc::now());
    let expected = PasswordReset {
        client_id: person.id,
        number: 1,
    };
    assert_eq!(said, Ok(expected));
    let link = format!("{APP_URL}/reset-password?token={}", token(&reset));
    assert!(reset.html.contains(&format!("href=\"{link}\"")));
    outbox.stop().await;
}

#[tokio::test]
async fn a_new_sign_in_tells_when_where_and_with_what() {
    let world = World::start().await;
    let outbox = world.outbox();
    let mut person = world.person().await;
    person.does(&sign_in("a", "home")).await;
    let metadata = Metadata::default()
        .with(Metadata::IP, person.key.seal(Metadata::IP, "2001:db8::7"))
        .with(
            Metadata::USER_AGENT,
            person.key.seal(Metadata::USER_AGENT, "curl/8 <b>"),
        );
    person.does_from(&sign_in("b", "away"), metadata).await;
    world
        .rows_when(|rows| rows.len() == 2 && rows[1].sent)
        .await;
    let mail = mail_of(&world, "new_sign_in").await;
    for line in [
        "New: device and network\n",
        "Program: curl/8 <b>\n",
        "Address: 2001:db8::7\n",
        " UTC\n",
    ] {
        assert!(mail.text.contains(line), "{line}{}", mail.text);
    }
    assert!(mail.html.contains("curl/8 &lt;b&gt;"));
    outbox.stop().await;
}

#[tokio::test]
async fn what_nobody_needs_any_more_is_not_sent() {
    let world = World::start().await;
    let mut person = world.person().await;
    person.does(&ClientCommand::RequestPasswordReset).await;
    person.does(&ClientCommand::RequestPasswordReset).await;
    person.does(&ClientCommand::VerifyEmail).await;
    let outbox = world.outbox();
    let rows = world
        .rows_when(|rows| rows.len() == 3 && rows.iter().all(|row| row.sent || row.skipped))
        .await;
    let fates: Vec<_> = rows
        .iter()
        .map(|row| (row.template.as_str(), row.sent, row.last_error.as_deref()))
        .collect();
    let verified = Some("the address is verified already");
    let void = Some("the link is void already");
    assert_eq!(
        fates,
        [
            ("verify_email", false, verified),
            ("reset_password", false, void),
            ("reset_password", true, None),
        ]
    );
    assert_eq!(world.kept().list().unwrap().len(), 1);
    outbox.stop().await;
}

#[tokio::test]
async fn whoever_is_invited_gets_one_mail_that_opens_the_account() {
    let world = World::start().await;
    let mut person = world.person().await;
    person.does(&ClientCommand::Invite).await;
    let outbox = world.outbox();
    let rows = world
        .rows_when(|rows| rows.len() == 2 && rows.iter().all(|row| row.sent || row.skipped))
        .await;
    let fates: Vec<_> = rows
        .iter()
        .map(|row| (row.template.as_str(), row.sent, row.last_error.as_deref()))
        .collect();
    let shown = Some("the invitation shows the address to be theirs");
    assert_eq!(
        fates,
        [("verify_email", false, shown), ("invitation", true, None)]
    );
    let mails = world.kept().list().unwrap();
    assert_eq!(mails.len(), 1);
    assert!(mails[0].text.contains("/reset-password?token="));
    outbox.stop().await;
}

#[tokio::test]
async fn of_an_erased_client_nothing_stays() {
    let world = World::start().await;
    let outbox = world.outbox();
    let mut erased = world.person().await;
    let stays = world.person().await;
    world
        .rows_when(|rows| rows.len() == 2 && rows.iter().all(|row| row.sent))
        .await;
    assert_eq!(world.kept().list().unwrap().len(), 2);
    let erase = ClientCommand::Erase {
        reason: "asked".to_owned(),
        by: "staff:eve".to_owned(),
    };
    erased.does(&erase).await;
    world.rows_when(|rows| rows.len() == 1).await;
    let left = world.kept().list().unwrap();
    assert_eq!(left.len(), 1);
    assert_eq!(left[0].to, stays.email);
    outbox.stop().await;
}

#[tokio::test]
async fn a_mail_that_waits_while_its_client_is_erased_is_dropped() {
    let world = World::start().await;
    let mut person = world.person().await;
    let outbox = world.outbox();
    world
        .rows_when(|rows| rows.len() == 1 && rows[0].sent)
        .await;
    outbox.stop().await;
    let erase = ClientCommand::Erase {
        reason: "asked".to_owned(),
        by: "staff:eve".to_owned(),
    };
    let position = person.does(&erase).await;
    // The erasure was read, and the row is due: it was claimed at that very moment.
    world
        .execute(&format!(
            "update public.mail_checkpoint set position = {position}"
        ))
        .await;
    world
        .execute("update public.mails set sent_at = null, due_at = now()")
        .await;
    world.kept().forget(person.id).unwrap();
    let outbox = world.outbox();
    let rows = world.rows_when(|rows| rows[0].skipped).await;
    assert_eq!(rows[0].last_error.as_deref(), Some("the client was erased"));
    assert_eq!(world.kept().list().unwrap(), []);
    outbox.stop().await;
}

#[tokio::test]
async fn a_book_with_a_past_sends_nothing_of_it() {
    let database = TestDatabase::start().await;
    let pool = database.store().await.pool().clone();
    let past = format!(
        "insert into public.events (position, aggregate_type, aggregate_id, sequence, event_type, \
             event_version, payload, metadata, recorded_at, hash) \
         values (1, 'client', '{}', 1, 'RegistrationRepeated', '1.0', \
             '{{\"RegistrationRepeated\": {{\"at\": \"2026-01-01T00:00:00Z\"}}}}', '{{}}', \
             now() - interval '25 hours', decode(repeat('00', 32), 'hex'))",
        Uuid::now_v7()
    );
    sqlx::query(&past).execute(&pool).await.unwrap();
    sqlx::query("update public.head set position = 1")
        .execute(&pool)
        .await
        .unwrap();
    let world = World::start_on(database).await;
    let outbox = world.outbox();
    world.person().await;
    let rows = world
        .rows_when(|rows| rows.len() == 2 && rows[1].sent)
        .await;
    assert!(rows[0].skipped);
    assert_eq!(rows[0].last_error.as_deref(), Some("too old"));
    assert_eq!(rows[0].attempts, 0);
    outbox.stop().await;
}
