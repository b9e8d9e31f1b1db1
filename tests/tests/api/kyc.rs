//! Documents: what is taken, what is refused, who may read it, and what rests of it.

use std::{fs, os::unix::fs::PermissionsExt as _, path::PathBuf};

use daybook_tests::{
    Form, Trader, World,
    form::{DOCUMENTS, jpeg, pdf, png},
};
use serde_json::{Value, json};

/// Files in the server's directory of documents.
fn at_rest(world: &World) -> Vec<PathBuf> {
    let directory = world.app.data_dir().join("documents");
    let entries = fs::read_dir(directory).into_iter().flatten();
    entries
        .map(|entry| entry.expect("a directory that is read").path())
        .collect()
}

async fn kyc(trader: &Trader) -> Value {
    trader.http.get("/user/kyc").await.expecting(200).json()
}

async fn submitted(trader: &Trader, name: &str, bytes: &[u8]) -> String {
    let answer = Form::of("passport", name, bytes).send(&trader.http).await;
    answer.expecting(201).text_at("/documentId")
}

async fn operator(world: &World, arguments: &[&str]) {
    let output = world.app.run(arguments).await;
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{arguments:?}: {text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_is_handed_in_listed_and_read_back() {
    let world = World::start().await;
    let trader = world.trader().await;
    assert_eq!(
        kyc(&trader).await,
        json!({ "status": "none", "documents": [] })
    );
    let plain = pdf("the passport of Ada");
    let id = submitted(&trader, "Reisepass Müller.pdf", &plain).await;
    let listed = kyc(&trader).await;
    assert_eq!(listed["status"], "pending");
    let [document] = listed["documents"].as_array().expect("a list").as_slice() else {
        panic!("one document expected: {listed}");
    };
    assert_eq!(document["documentId"], id);
    assert_eq!(document["kind"], "passport");
    assert_eq!(document["name"], "Reisepass Müller.pdf");
    assert_eq!(document["size"], plain.len());
    assert!(
        document["uploadedAt"]
            .as_str()
            .expect("a time")
            .ends_with('Z')
    );
    let me = trader.http.get("/user/me").await.expecting(200);
    assert_eq!(me.text_at("/kycStatus"), "pending");

    let path = format!("{DOCUMENTS}/{id}");
    let response = trader.http.call(reqwest::Method::GET, &path).open().await;
    assert_eq!(response.status(), 200);
    let header = |name: &str| {
        let value = response.headers().get(name).expect("a header");
        value.to_str().expect("text").to_owned()
    };
    assert_eq!(header("content-type"), "application/pdf");
    assert_eq!(
        header("content-disposition"),
        "attachment; filename=\"Reisepass M_ller.pdf\"; \
         filename*=UTF-8''Reisepass%20M%C3%BCller.pdf"
    );
    assert_eq!(header("x-content-type-options"), "nosniff");
    assert!(header("content-security-policy").starts_with("sandbox;"));
    assert_eq!(header("cache-control"), "no-store");
    assert_eq!(response.bytes().await.expect("a body"), plain);
    let events = world.book.client_event_types(trader.client_id).await;
    assert_eq!(
        events,
        [
            "ClientRegistered",
            "SignedIn",
            "KycSubmitted",
            "KycStatusChanged"
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_rests_sealed_and_private() {
    let world = World::start().await;
    let trader = world.trader().await;
    let id = submitted(&trader, "ada-lovelace.pdf", &pdf("of Ada")).await;
    let files = at_rest(&world);
    let names: Vec<_> = files.iter().map(|file| file.file_name()).collect();
    assert_eq!(names, [Some(id.as_ref())]);
    let mode = |path: &std::path::Path| {
        let metadata = fs::metadata(path).expect("it is there");
        metadata.permissions().mode() & 0o777
    };
    assert_eq!(mode(&files[0]), 0o600);
    assert_eq!(mode(&world.app.data_dir().join("documents")), 0o700);
    let bytes = fs::read(&files[0]).expect("readable");
    assert!(
        !bytes
            .windows(4)
            .any(|part| part == b"%PDF" || part == b"Ada\n")
    );
    let named: i64 =
        sqlx::query_scalar("select count(*) from events e where e::text ilike '%ada-lovelace%'")
            .fetch_one(world.book.pool())
            .await
            .expect("the book is readable");
    assert_eq!(named, 0, "the file's name is personal too");

    // Somebody who writes to the disk swaps it for another.
    let other = submitted(&trader, "other.pdf", &pdf("another")).await;
    let directory = world.app.data_dir().join("documents");
    fs::copy(directory.join(&other), directory.join(&id)).expect("writable");
    let path = format!("{DOCUMENTS}/{id}");
    trader.http.get(&path).await.problem(500, "internal");
    fs::remove_file(directory.join(&id)).expect("writable");
    trader.http.get(&path).await.problem(500, "internal");
}

#[tokio::test(flavor = "multi_thread")]
async fn disguised_files_are_refused_and_leave_nothing() {
    let world = World::start().await;
    let trader = world.trader().await;
    let head = world.book.head().await;
    let html = b"<!doctype html><script>alert(1)</script>".as_slice();
    let zip = [b"PK\x05\x06".as_slice(), &[0; 18]].concat();
    let whole = pdf("plain");
    for (what, bytes) in [
        ("nothing", Vec::new()),
        ("HTML", html.to_vec()),
        ("a script", b"alert(document.cookie)".to_vec()),
        (
            "SVG",
            b"<svg xmlns='http://www.w3.org/2000/svg' onload='x()'/>".to_vec(),
        ),
        ("an archive", zip.clone()),
        ("a program", b"\x7fELF\x02\x01\x01".to_vec()),
        ("a PDF after HTML", [html, &whole].concat()),
        ("HTML under a PDF's header", [b"%PDF-1.4\n", html].concat()),
        (
            "a PDF that is an archive too",
            [whole.clone(), zip.clone()].concat(),
        ),
        ("a JPEG that is an archive too", [jpeg(), zip].concat()),
        (
            "a PNG that goes on as HTML",
            [png(), html.to_vec()].concat(),
        ),
        ("half of a PNG", png()[..40].to_vec()),
        ("a GIF", b"GIF89a\x01\0\x01\0\0\0\0;".to_vec()),
    ] {
        let answer = Form::of("passport", "passport.pdf", &bytes)
            .send(&trader.http)
            .await;
        assert_eq!(answer.status, 415, "{what}: {}", answer.text);
        answer.problem(415, "unsupported_document");
    }
    assert_eq!(world.book.head().await, head);
    assert!(at_rest(&world).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn content_decides_and_names_are_made_safe() {
    let world = World::start().await;
    let trader = world.trader().await;
    for (claimed, bytes, name) in [
        ("../../../etc/cron.d/x", pdf("1"), "x.pdf"),
        ("..\\\\windows\\\\win.ini", pdf("2"), "win.ini.pdf"),
        ("photo.pdf", png(), "photo.pdf.png"),
        ("evil.html", jpeg(), "evil.html.jpg"),
        ("a\u{202E}fdp.exe", pdf("3"), "afdp.exe.pdf"),
        ("tab\tand.pdf", pdf("4"), "taband.pdf"),
        ("", pdf("5"), "document.pdf"),
        ("...", png(), "document.png"),
    ] {
        let id = submitted(&trader, claimed, &bytes).await;
        let listed = kyc(&trader).await;
        let newest = listed["documents"].as_array().and_then(|all| all.last());
        let newest = newest.expect("the newest is last");
        assert_eq!(newest["documentId"], id);
        assert_eq!(newest["name"], name, "{claimed:?}");
    }
    let long = format!("{}.pdf", "x".repeat(1_000));
    submitted(&trader, &long, &pdf("6")).await;
    let listed = kyc(&trader).await;
    let name = listed["documents"][8]["name"].as_str().expect("a name");
    assert_eq!(name.len(), 200);
    assert!(name.ends_with("x.pdf"));
    let directories = fs::read_dir(world.app.data_dir())
        .expect("readable")
        .count();
    assert_eq!(
        directories, 2,
        "beside the mails nothing is written beside the documents"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_that_is_none_is_refused() {
    let world = World::start().await;
    let trader = world.trader().await;
    let http = &trader.http;
    let file = pdf("x");
    let missing = Form::new().text("kind", "passport").send(http).await;
    assert_eq!(
        missing.problem(400, "invalid_value")["errors"][0]["field"],
        "file"
    );
    let missing = Form::new().file("file", "a.pdf", &file).send(http).await;
    assert_eq!(
        missing.problem(400, "invalid_value")["errors"][0]["field"],
        "kind"
    );
    for kind in ["", "Passport", "passport ", &"x".repeat(70_000)] {
        let refused = Form::of(kind, "a.pdf", &file).send(http).await;
        assert_eq!(
            refused.problem(400, "invalid_value")["errors"][0]["field"],
            "kind"
        );
        assert!(refused.text.len() < 1_000);
    }
    let twice = Form::of("passport", "a.pdf", &file).file("file", "b.pdf", &file);
    twice.send(http).await.problem(400, "invalid_value");
    let more = Form::of("passport", "a.pdf", &file).text("clientId", "another");
    more.send(http).await.problem(400, "unknown_field");
    http.post(DOCUMENTS, &json!({ "kind": "passport" }))
        .await
        .problem(415, "unsupported_media_type");
    let unbounded = http
        .call(reqwest::Method::POST, DOCUMENTS)
        .header("content-type", "multipart/form-data")
        .bytes(file.clone());
    unbounded
        .send()
        .await
        .problem(415, "unsupported_media_type");
    let broken = http
        .call(reqwest::Method::POST, DOCUMENTS)
        .header("content-type", "multipart/form-data; boundary=x")
        .bytes(b"--x\r\nContent-Disposition: form-data; name=\"kind\"\r\n\r\npass".to_vec());
    broken.send().await.problem(400, "malformed");
    assert!(at_rest(&world).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_has_ten_megabytes_and_no_more() {
    let world = World::start().await;
    let trader = world.trader().await;
    let large = pdf(&"x".repeat(10 * 1024 * 1024 - 2_000));
    let id = submitted(&trader, "large.pdf", &large).await;
    let path = format!("{DOCUMENTS}/{id}");
    let response = trader.http.call(reqwest::Method::GET, &path).open().await;
    assert_eq!(response.bytes().await.expect("a body"), large);
    let larger = pdf(&"x".repeat(10 * 1024 * 1024));
    let refused = Form::of("passport", "larger.pdf", &larger).send(&trader.http);
    refused.await.problem(413, "payload_too_large");
    assert_eq!(at_rest(&world).len(), 1);
    // Other routes keep their own limit.
    let body = json!({ "firstName": "x".repeat(70_000) });
    let refused = trader.http.patch("/user/me", &body).await;
    refused.problem(413, "payload_too_large");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_is_its_owners_alone() {
    let world = World::start().await;
    let (ada, eve) = (world.trader().await, world.trader().await);
    let id = submitted(&ada, "a.pdf", &pdf("secret")).await;
    let path = format!("{DOCUMENTS}/{id}");
    eve.http.get(&path).await.problem(404, "not_found");
    world
        .app
        .http
        .get(&path)
        .await
        .problem(401, "unauthenticated");
    ada.http.get(&path).await.expecting(200);
    for nonsense in ["0", "../../secrets.env", "..%2f..%2fsecrets.env"] {
        let path = format!("{DOCUMENTS}/{nonsense}");
        assert_eq!(ada.http.get(&path).await.status, 404, "{nonsense}");
    }
    assert_eq!(kyc(&eve).await["documents"], json!([]));
    let stranger = Form::of("passport", "a.pdf", &pdf("x")).send(&world.app.http);
    stranger.await.problem(401, "unauthenticated");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_hands_in_twenty_documents() {
    let world = World::start().await;
    let trader = world.trader().await;
    for number in 0..20 {
        submitted(&trader, "a.pdf", &pdf(&number.to_string())).await;
    }
    let more = Form::of("other", "a.pdf", &pdf("one more"));
    let refused = more.clone().send(&trader.http).await;
    refused.problem(422, "too_many_documents");
    let keyed = more.call(&trader.http).key("one-more").send().await;
    keyed.problem(422, "too_many_documents");
    assert_eq!(at_rest(&world).len(), 20, "what was refused does not stay");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_upload_is_one_document() {
    let world = World::start().await;
    let trader = world.trader().await;
    let upload = |text: &str| {
        Form::of("selfie", "me.pdf", &pdf(text))
            .call(&trader.http)
            .key("k")
    };
    let first = upload("me").send().await.expecting(201);
    let again = upload("me").send().await.expecting(201);
    assert_eq!(
        (&again.text, again.position()),
        (&first.text, first.position())
    );
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    let other = upload("another").send().await;
    other.problem(422, "idempotency_key_reused");
    assert_eq!(at_rest(&world).len(), 1);
    let id = first.text_at("/documentId");
    trader
        .http
        .get(&format!("{DOCUMENTS}/{id}"))
        .await
        .expecting(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn operators_decide_and_the_client_reads_why() {
    let world = World::start().await;
    let trader = world.trader().await;
    let client = trader.client_id.to_string();
    submitted(&trader, "a.pdf", &pdf("x")).await;
    let notes = "the passport of Lovelace has expired";
    operator(
        &world,
        &["clients", "kyc", &client, "rejected", "--notes", notes],
    )
    .await;
    let head = world.book.head().await;
    let read = trader
        .http
        .call(reqwest::Method::GET, "/user/kyc")
        .min_position(head);
    let read = read.send().await.expecting(200).json();
    assert_eq!(
        (&read["status"], &read["notes"]),
        (&json!("rejected"), &json!(notes))
    );
    for table in ["events", "operator_requests", "read.clients"] {
        let sql = format!("select count(*) from {table} t where t::text ilike '%lovelace%'");
        let plain: i64 = sqlx::query_scalar(&sql)
            .fetch_one(world.book.pool())
            .await
            .expect("readable");
        assert_eq!(plain, 0, "{table} holds the notes in plain text");
    }
    assert!(!world.app.stderr().contains("Lovelace"), "nor does the log");

    operator(
        &world,
        &["clients", "suspend", &client, "--reason", "doubt"],
    )
    .await;
    let refused = Form::of("passport", "a.pdf", &pdf("y"))
        .send(&trader.http)
        .await;
    assert!([401, 403].contains(&refused.status), "{refused:?}");
    assert_eq!(at_rest(&world).len(), 1);
    operator(&world, &["clients", "reinstate", &client]).await;
    let shown = world.app.run(&["clients", "show", &client]).await.stdout;
    let shown: Value = serde_json::from_slice(&shown).expect("JSON");
    assert_eq!(shown["email"], trader.email);
    assert_eq!(shown["kycStatus"], "rejected");
    assert_eq!(shown["state"], "active");
    assert_eq!(shown["documents"][0]["name"], "a.pdf");
    assert_eq!(shown["accounts"].as_array().map(Vec::len), Some(2));
    let listed = world.app.run(&["clients", "list", "--json"]).await.stdout;
    let listed: Value = serde_json::from_slice(&listed).expect("JSON");
    assert_eq!(listed[0]["clientId"], client);
    let nobody = [
        "clients",
        "suspend",
        "0193c0de-0000-7000-8000-000000000000",
        "--reason",
        "x",
    ];
    assert_eq!(world.app.run(&nobody).await.status.code(), Some(1));
    let impossible = ["clients", "kyc", &client, "expired"];
    assert_eq!(world.app.run(&impossible).await.status.code(), Some(1));
}
