//! Staff: taken in on the command line, signed in with password and code, and kept out.

use daybook_tests::{
    Launch, Officer, World, officer,
    officer::{refused_within_a_second, told},
};
use serde_json::json;

async fn refused(world: &World, arguments: &[&str]) -> String {
    let output = world.app.run(arguments).await;
    assert_eq!(output.status.code(), Some(1), "{arguments:?}");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_of_staff_comes_in_through_the_command_line() {
    let world = World::start().await;
    let ines = Officer::create(&world.app, "admin").await;
    let text = |output: std::process::Output| String::from_utf8_lossy(&output.stdout).into_owned();
    let listed = told(&world.app, &["staff", "list"]).await;
    assert_eq!(listed[0]["staffId"], ines.staff_id.to_string());
    assert_eq!(
        (
            &listed[0]["email"],
            &listed[0]["role"],
            &listed[0]["disabled"]
        ),
        (&json!(ines.email), &json!("admin"), &json!(false))
    );
    let arguments = [
        "staff",
        "create",
        "--email",
        "tom@broker.test",
        "--role",
        "support",
    ];
    let shown = text(world.app.run(&arguments).await);
    assert!(shown.contains("otpauth://totp/Daybook:"), "{shown}");
    assert!(
        shown.contains('█') || shown.contains('▀'),
        "a picture for the camera: {shown}"
    );
    let again = [
        "staff",
        "create",
        "--email",
        " Tom@Broker.test ",
        "--role",
        "admin",
    ];
    assert!(refused(&world, &again).await.contains("conflict"));
    let nobody = [
        "staff",
        "create",
        "--email",
        "no address",
        "--role",
        "admin",
    ];
    assert!(refused(&world, &nobody).await.contains("invalid_value"));
    let absent = ["staff", "enable", "nobody@broker.test"];
    assert!(
        refused(&world, &absent)
            .await
            .contains("no such member of staff")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_what_is_secret_or_personal_rests_plain() {
    let world = World::start().await;
    let (ines, http) = officer(&world.app, "compliance").await;
    http.get("/staff/me").await.expecting(200);
    let kept = world.book.kept_of_staff().await;
    assert!(kept.contains("StaffSignedIn"), "{kept}");
    for secret in [&ines.email, &ines.password, &ines.secret] {
        assert!(!kept.contains(secret.as_str()), "{secret} rests plain");
    }
    let orders: Vec<String> = sqlx_texts(
        &world,
        "select command::text from operator_requests where command::jsonb ? 'secrets'",
    )
    .await;
    assert_eq!(orders, [""; 0], "secrets outlive their order");
    assert!(!world.app.stderr().contains("password_hash"));
    assert!(!world.app.stdout().contains("password_hash"));
}

async fn sqlx_texts(world: &World, query: &str) -> Vec<String> {
    let pool = world.book.pool();
    sqlx::query_scalar(query)
        .fetch_all(pool)
        .await
        .expect("the database is readable")
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_signs_in_without_a_code_and_a_code_works_once() {
    let world = World::start().await;
    let http = &world.app.http;
    let ines = Officer::create(&world.app, "compliance").await;
    ines.log_in(http, None).await.problem(401, "totp_required");
    ines.log_in(http, Some(" "))
        .await
        .problem(401, "totp_required");
    ines.log_in(http, Some("12345"))
        .await
        .problem(401, "invalid_credentials");
    let right = ines.code(0);
    let tries = (0..10).map(|_| ines.log_in(http, Some(&right)));
    let answers = futures::future::join_all(tries).await;
    let opened = answers.iter().filter(|answer| answer.status == 200).count();
    assert_eq!(opened, 1);
    for answer in answers.iter().filter(|answer| answer.status != 200) {
        answer.problem(401, "invalid_credentials");
    }
    let wrong = Officer {
        password: "not-the-password".to_owned(),
        ..ines
    };
    wrong
        .log_in(http, Some(&right))
        .await
        .problem(401, "invalid_credentials");
    let nobody = Officer {
        email: "nobody@broker.test".to_owned(),
        ..wrong
    };
    nobody
        .log_in(http, Some(&right))
        .await
        .problem(401, "invalid_credentials");
    // The address of a client is none of staff.
    let trader = world.trader().await;
    let client = Officer {
        email: trader.email,
        ..nobody
    };
    client
        .log_in(http, None)
        .await
        .problem(401, "invalid_credentials");
}

#[tokio::test(flavor = "multi_thread")]
async fn guesses_block_the_account_of_staff_too() {
    let world = World::start_with(|launch| launch.set("LOGIN_BLOCK_AFTER", "5")).await;
    let ines = Officer::create(&world.app, "admin").await;
    let http = &world.app.http;
    for _ in 0..5 {
        let guess = ines.log_in(http, Some("999999")).await;
        guess.problem(401, "invalid_credentials");
    }
    let right = ines.log_in(http, Some(&ines.code(0))).await;
    right.problem(429, "sign_in_blocked");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_goes_on_with_refresh_tokens_and_ends_with_sign_out() {
    let world = World::start().await;
    let http = &world.app.http;
    let ines = Officer::create(&world.app, "compliance").await;
    let first = ines.log_in(http, Some(&ines.code(0))).await.expecting(200);
    assert_eq!(first.text_at("/staff/role"), "compliance");
    assert_eq!(first.text_at("/staff/email"), ines.email);
    assert_eq!(first.uuid("/staff/staffId"), ines.staff_id);
    let token = first.text_at("/refreshToken");
    let body = json!({ "refreshToken": token });
    let second = http.post("/staff/auth/refresh", &body).await.expecting(200);
    let again = http.post("/staff/auth/refresh", &body).await.expecting(200);
    assert_eq!(
        again.text_at("/refreshToken"),
        second.text_at("/refreshToken")
    );
    let signed_in = http.bearer(&second.text_at("/accessToken"));
    signed_in.get("/staff/me").await.expecting(200);
    signed_in
        .post("/staff/auth/logout", &json!({}))
        .await
        .expecting(204);
    signed_in
        .get("/staff/me")
        .await
        .problem(401, "unauthenticated");
    let body = json!({ "refreshToken": second.text_at("/refreshToken") });
    http.post("/staff/auth/refresh", &body)
        .await
        .any_problem(401);
    http.post("/staff/auth/logout", &json!({}))
        .await
        .expecting(204);
    let types = world.book.staff_event_types(ines.staff_id).await;
    assert_eq!(
        types,
        ["StaffCreated", "StaffSignedIn", "StaffSessionsRevoked"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_is_never_staff_nor_the_other_way_round() {
    let world = World::start().await;
    let http = &world.app.http;
    let trader = world.trader().await;
    let ines = Officer::create(&world.app, "admin").await;
    let session = ines.log_in(http, Some(&ines.code(0))).await.expecting(200);
    let staff = http.bearer(&session.text_at("/accessToken"));
    for path in ["/user/me", "/trading/account", "/user/sessions"] {
        staff.get(path).await.problem(401, "unauthenticated");
    }
    trader
        .http
        .get("/staff/me")
        .await
        .problem(401, "unauthenticated");
    let body = json!({ "refreshToken": session.text_at("/refreshToken") });
    http.post("/auth/refresh", &body).await.any_problem(401);
    let login = json!({ "email": trader.email, "password": daybook_tests::client::PASSWORD });
    let client = http.post("/auth/login", &login).await.expecting(200);
    let body = json!({ "refreshToken": client.text_at("/refreshToken") });
    http.post("/staff/auth/refresh", &body)
        .await
        .any_problem(401);
    let login = json!({ "email": ines.email, "password": ines.password });
    http.post("/auth/login", &login)
        .await
        .problem(401, "invalid_credentials");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_disabled_is_out_within_a_second_and_comes_back_when_enabled() {
    let world = World::start().await;
    let (ines, http) = officer(&world.app, "compliance").await;
    http.get("/staff/me").await.expecting(200);
    let id = ines.staff_id.to_string();
    told(
        &world.app,
        &["staff", "disable", &id, "--reason", "on leave"],
    )
    .await;
    refused_within_a_second(&http, "/staff/me").await;
    let tried = ines.log_in(&world.app.http, Some(&ines.code(1))).await;
    tried.problem(403, "staff_disabled");
    told(&world.app, &["staff", "enable", &ines.email]).await;
    let tried = ines.log_in(&world.app.http, Some(&ines.code(1))).await;
    tried.expecting(200);
    let types = world.book.staff_event_types(ines.staff_id).await;
    assert!(types.contains(&"StaffDisabled".to_owned()), "{types:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_role_is_in_force_within_a_second() {
    let world = World::start().await;
    let (ines, http) = officer(&world.app, "support").await;
    http.get("/compliance/audit")
        .await
        .problem(403, "forbidden");
    told(&world.app, &["staff", "role", &ines.email, "compliance"]).await;
    refused_within_a_second(&http, "/staff/me").await;
    let session = ines.log_in(&world.app.http, Some(&ines.code(1))).await;
    let http = world
        .app
        .http
        .bearer(&session.expecting(200).text_at("/accessToken"));
    http.get("/compliance/audit").await.expecting(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reset_replaces_password_and_authenticator() {
    let world = World::start().await;
    let (before, http) = officer(&world.app, "admin").await;
    let told = told(&world.app, &["staff", "reset", &before.email]).await;
    refused_within_a_second(&http, "/staff/me").await;
    let after = Officer::of(&told);
    assert_eq!(after.staff_id, before.staff_id);
    assert_ne!(
        (&after.password, &after.secret),
        (&before.password, &before.secret)
    );
    let tried = before.log_in(&world.app.http, Some(&before.code(0))).await;
    tried.problem(401, "invalid_credentials");
    after
        .sign_in(&world.app.http)
        .await
        .get("/staff/me")
        .await
        .expecting(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_password_is_replaced_by_its_owner() {
    let world = World::start().await;
    let (ines, http) = officer(&world.app, "support").await;
    let other = ines.log_in(&world.app.http, Some(&ines.code(1))).await;
    let other = world
        .app
        .http
        .bearer(&other.expecting(200).text_at("/accessToken"));
    let change = async |current: &str, password: &str| {
        let body = json!({ "current": current, "password": password });
        http.post("/staff/auth/password", &body).await
    };
    let new = "tuesday-kettle-nine-marbles";
    change("not-the-password", new)
        .await
        .problem(401, "invalid_credentials");
    change(&ines.password, "password12")
        .await
        .problem(400, "weak_password");
    change(&ines.password, new).await.expecting(204);
    http.get("/staff/me").await.expecting(200);
    other.get("/staff/me").await.any_problem(401);
    let tried = ines.log_in(&world.app.http, None).await;
    tried.problem(401, "invalid_credentials");
    let ines = Officer {
        password: new.to_owned(),
        ..ines
    };
    // The password is right: now the code is asked for.
    let tried = ines.log_in(&world.app.http, None).await;
    tried.problem(401, "totp_required");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_server_it_is_said_what_is_missing() {
    let mut world = World::start().await;
    let ines = Officer::create(&world.app, "admin").await;
    world.app.terminate().await;
    let arguments = [
        "staff",
        "create",
        "--email",
        "tom@broker.test",
        "--role",
        "admin",
    ];
    let said = refused(&world, &arguments).await;
    assert!(said.contains("no node writes this book"), "{said}");
    let listed = told(&world.app, &["staff", "list"]).await;
    assert_eq!(listed[0]["email"], ines.email);
}

/// The book's own database: nobody else is there to bring it up to date.
#[tokio::test(flavor = "multi_thread")]
async fn on_an_embedded_database_without_a_server_the_same_is_said() {
    let mut app = Launch::bare()
        .set("DAYBOOK_SESSIONS", "always")
        .start()
        .await;
    let told = told(
        &app,
        &["staff", "create", "--email", "a@b.test", "--role", "admin"],
    )
    .await;
    let ines = Officer::of(&told);
    ines.sign_in(&app.http)
        .await
        .get("/staff/me")
        .await
        .expecting(200);
    app.terminate().await;
    let output = app
        .run(&["staff", "disable", "a@b.test", "--reason", "left"])
        .await;
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("no node writes this book"), "{said}");
}
