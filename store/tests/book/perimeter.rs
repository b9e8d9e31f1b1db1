//! Limits, sign-ins that fail and blocked addresses, as several nodes share them.

use std::{
    collections::HashSet,
    net::IpAddr,
    time::{Duration, Instant},
};

use daybook_store::{
    Store,
    perimeter::{
        Attempt, BlockedAddresses, BlockedList, RateLimitTable, Reserved, SignInRules, SignInTable,
        sweep,
    },
    testing::TestDatabase,
};
use futures::future::join_all;
use tokio::time::sleep;

const HERE: &str = "203.0.113.1";
const THERE: &str = "203.0.113.2";
const MINUTE: Duration = Duration::from_secs(60);
const RULES: SignInRules = SignInRules {
    failures_max: 5,
    window: Duration::from_secs(900),
};

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

async fn two_nodes() -> (TestDatabase, Store, Store) {
    let database = TestDatabase::start().await;
    let first = database.store().await;
    let second = database.connect_store().await;
    (database, first, second)
}

async fn reserve(table: &SignInTable, account: &str, from: &str) -> Reserved {
    table.reserve(account, ip(from), RULES).await.unwrap()
}

async fn begun(table: &SignInTable, account: &str, from: &str) -> Attempt {
    match reserve(table, account, from).await {
        Reserved::Go(attempt) => attempt,
        other @ (Reserved::Busy | Reserved::Blocked(_)) => panic!("{other:?}"),
    }
}

async fn fail(table: &SignInTable, account: &str, from: &str) -> u32 {
    let attempt = begun(table, account, from).await;
    table.failed(&attempt, RULES).await.unwrap()
}

fn is_blocked(reserved: &Reserved) -> bool {
    match reserved {
        Reserved::Blocked(left) => {
            assert!(
                *left > Duration::from_secs(890) && *left <= RULES.window,
                "{left:?}"
            );
            true
        }
        Reserved::Go(_) | Reserved::Busy => false,
    }
}

#[tokio::test]
async fn a_limit_passes_exactly_what_it_allows_however_many_ask_at_once_on_two_nodes() {
    let (_database, first, second) = two_nodes().await;
    let tables = [RateLimitTable::new(&first), RateLimitTable::new(&second)];
    let asks = (0..60).map(|n| tables[n % 2].spend("orders", "a", MINUTE, 7));
    let answers = join_all(asks).await;
    let answers: Vec<_> = answers.into_iter().map(Result::unwrap).collect();
    assert_eq!(answers.iter().filter(|spent| spent.allowed).count(), 7);
    let debts: HashSet<_> = answers
        .iter()
        .filter(|spent| spent.allowed)
        .map(|spent| spent.debt.as_secs().div_ceil(60))
        .collect();
    assert_eq!(debts.len(), 7, "each spent its own: {debts:?}");
    let refused = answers.iter().find(|spent| !spent.allowed).unwrap();
    assert!(
        refused.debt > MINUTE * 6 && refused.debt <= MINUTE * 7,
        "{refused:?}"
    );
    for (class, caller) in [("orders", "b"), ("auth", "a")] {
        let other = tables[0].spend(class, caller, MINUTE, 7).await.unwrap();
        assert!(other.allowed, "{class} {caller} has a bucket of his own");
    }
}

#[tokio::test]
async fn a_refused_request_costs_nothing_and_what_was_waited_for_is_there() {
    let (_database, store, _) = two_nodes().await;
    let table = RateLimitTable::new(&store);
    let interval = Duration::from_secs(1);
    let spend = async || table.spend("orders", "a", interval, 2).await.unwrap();
    assert!(spend().await.allowed && spend().await.allowed);
    let mut refused = spend().await;
    for _ in 0..20 {
        let again = spend().await;
        assert!(!again.allowed && again.debt <= refused.debt);
        refused = again;
    }
    sleep((refused.debt + interval).saturating_sub(interval * 2)).await;
    assert!(spend().await.allowed);
    assert!(!spend().await.allowed);
}

#[tokio::test]
async fn a_full_bucket_is_swept_and_forgotten_without_a_difference() {
    let (_database, store, _) = two_nodes().await;
    let table = RateLimitTable::new(&store);
    let soon = Duration::from_millis(1);
    assert!(table.spend("orders", "a", soon, 1).await.unwrap().allowed);
    assert!(table.spend("orders", "b", MINUTE, 1).await.unwrap().allowed);
    sleep(soon * 20).await;
    assert_eq!(sweep(&store).await.unwrap(), 1);
    assert!(table.spend("orders", "a", soon, 1).await.unwrap().allowed);
    assert!(!table.spend("orders", "b", MINUTE, 1).await.unwrap().allowed);
}

#[tokio::test]
async fn no_more_attempts_are_under_way_than_may_fail_however_many_come_at_once() {
    let (_database, first, second) = two_nodes().await;
    let tables = [SignInTable::new(&first), SignInTable::new(&second)];
    let all = (0..50).map(|n| reserve(&tables[n % 2], "a", HERE));
    let mut attempts = Vec::new();
    for reserved in join_all(all).await {
        match reserved {
            Reserved::Go(attempt) => attempts.push(attempt),
            Reserved::Busy => {}
            Reserved::Blocked(left) => panic!("nobody has failed: {left:?}"),
        }
    }
    assert_eq!(attempts.len(), 5);
    let fails = attempts
        .iter()
        .map(|attempt| tables[1].failed(attempt, RULES));
    let mut counts: Vec<_> = join_all(fails)
        .await
        .into_iter()
        .map(Result::unwrap)
        .collect();
    counts.sort_unstable();
    assert_eq!(counts, [1, 2, 3, 4, 5]);
    for table in &tables {
        assert!(is_blocked(&reserve(table, "a", THERE).await), "the account");
        assert!(is_blocked(&reserve(table, "b", HERE).await), "the address");
        begun(table, "b", THERE).await;
    }
}

#[tokio::test]
async fn an_attempt_that_succeeds_forgives_the_account_but_not_the_address() {
    let (_database, store, _) = two_nodes().await;
    let table = SignInTable::new(&store);
    for count in 1..=4 {
        assert_eq!(fail(&table, "a", HERE).await, count);
    }
    let attempt = begun(&table, "a", HERE).await;
    assert_eq!(
        reserve(&table, "a", HERE).await,
        Reserved::Busy,
        "one may fail still"
    );
    table.succeeded(&attempt).await.unwrap();
    assert_eq!(fail(&table, "a", THERE).await, 1);
    assert_eq!(fail(&table, "b", HERE).await, 1);
    assert!(is_blocked(&reserve(&table, "c", HERE).await), "its fifth");
    begun(&table, "a", THERE).await;
}

#[tokio::test]
async fn an_account_that_is_forgiven_is_blocked_no_longer_and_its_addresses_are() {
    let (_database, node, other) = two_nodes().await;
    let (table, other) = (SignInTable::new(&node), SignInTable::new(&other));
    for _ in 0..RULES.failures_max {
        fail(&table, "ada", "203.0.113.1").await;
    }
    assert!(is_blocked(&reserve(&table, "ada", "203.0.113.2").await));
    other.forgive("ada").await.unwrap();
    assert!(is_blocked(&reserve(&table, "ada", "203.0.113.1").await));
    // Nothing is left of what failed, and what is under way counts still.
    let under_way = begun(&table, "ada", "203.0.113.2").await;
    fail(&table, "ada", "203.0.113.3").await;
    other.forgive("ada").await.unwrap();
    assert_eq!(table.failed(&under_way, RULES).await.unwrap(), 1);
    fail(&table, "grace", "203.0.113.4").await;
    other.forgive("ada").await.unwrap();
    assert_eq!(fail(&table, "grace", "203.0.113.5").await, 2);
}

#[tokio::test]
async fn an_attempt_given_back_never_was() {
    let (_database, store, _) = two_nodes().await;
    let table = SignInTable::new(&store);
    for _ in 0..10 {
        let attempt = begun(&table, "a", HERE).await;
        table.given_back(&attempt).await.unwrap();
    }
    assert_eq!(fail(&table, "a", HERE).await, 1);
}

#[tokio::test]
async fn addresses_of_one_household_are_one() {
    let (_database, store, _) = two_nodes().await;
    let table = SignInTable::new(&store);
    for n in 1..=5 {
        fail(&table, &format!("account {n}"), &format!("2001:db8::{n}")).await;
    }
    assert!(is_blocked(
        &reserve(&table, "other", "2001:db8::ffff").await
    ));
    begun(&table, "other", "2001:db8:0:1::1").await;
}

#[tokio::test]
async fn attempts_whose_node_has_ended_have_failed() {
    let (database, store, _) = two_nodes().await;
    let table = SignInTable::new(&store);
    for _ in 0..5 {
        begun(&table, "a", HERE).await;
    }
    assert_eq!(reserve(&table, "a", HERE).await, Reserved::Busy);
    let lapse = "update public.sign_in_attempts set lapses_at = clock_timestamp()";
    sqlx::query(lapse)
        .execute(&database.pool().await)
        .await
        .unwrap();
    assert!(is_blocked(&reserve(&table, "a", THERE).await));
    assert!(is_blocked(&reserve(&table, "b", HERE).await));
}

#[tokio::test]
async fn failures_and_blocks_end_and_are_swept() {
    let (database, store, _) = two_nodes().await;
    let table = SignInTable::new(&store);
    for _ in 0..4 {
        fail(&table, "a", HERE).await;
    }
    let pool = database.pool().await;
    let end = |sql: &'static str| sqlx::query(sql).execute(&pool);
    let past = "update public.sign_in_attempts set expires_at = clock_timestamp()";
    end(past).await.unwrap();
    assert_eq!(
        fail(&table, "a", HERE).await,
        1,
        "those before count no longer"
    );
    for _ in 0..4 {
        fail(&table, "a", HERE).await;
    }
    assert!(is_blocked(&reserve(&table, "a", HERE).await));
    end("update public.sign_in_blocks set until = clock_timestamp()")
        .await
        .unwrap();
    assert_eq!(
        fail(&table, "a", HERE).await,
        1,
        "the block was for the ones before"
    );
    end(past).await.unwrap();
    sweep(&store).await.unwrap();
    let left =
        "select (select count(*) from sign_in_attempts) + (select count(*) from sign_in_blocks)";
    let left: i64 = sqlx::query_scalar(left).fetch_one(&pool).await.unwrap();
    assert_eq!(left, 0);
}

#[tokio::test]
async fn neither_account_nor_address_can_be_read_at_rest() {
    let (database, store, _) = two_nodes().await;
    let table = SignInTable::new(&store);
    fail(
        &table,
        &store.keys().lookup_hash("email", "ada@example.com"),
        HERE,
    )
    .await;
    let sql = "select string_agg(a::text, ' ') from sign_in_attempts a";
    let text: String = sqlx::query_scalar(sql)
        .fetch_one(&database.pool().await)
        .await
        .unwrap();
    assert!(!text.contains(HERE) && !text.contains("ada"), "{text}");
}

async fn soon(what: &str, holds: impl Fn() -> bool) {
    let started = Instant::now();
    while !holds() {
        // Twice what is promised: the machine may be busy.
        assert!(
            started.elapsed() < Duration::from_secs(2),
            "in vain: {what}"
        );
        sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn every_node_sees_the_list_change_within_a_moment() {
    let (_database, first, second) = two_nodes().await;
    let list = BlockedList::new(&first);
    list.add(ip(HERE), "before", None).await.unwrap();
    let nodes = [
        BlockedAddresses::follow(&first).await.unwrap(),
        BlockedAddresses::follow(&second).await.unwrap(),
    ];
    assert!(
        nodes.iter().all(|node| node.contains(ip(HERE))),
        "from the start"
    );
    list.add(ip("2001:db8::1"), "by hand", Some(MINUTE))
        .await
        .unwrap();
    for node in &nodes {
        soon("the household is blocked", || {
            node.contains(ip("2001:db8::9"))
        })
        .await;
        assert!(!node.contains(ip("2001:db8:0:1::1")));
        assert!(!node.contains(ip(THERE)));
    }
    assert!(list.remove(ip("2001:db8::2")).await.unwrap());
    assert!(!list.remove(ip("2001:db8::2")).await.unwrap());
    for node in &nodes {
        soon("it is let in again", || !node.contains(ip("2001:db8::9"))).await;
    }
    // A node that blocks knows it at once.
    nodes[0].block(ip(THERE), "honeypot", MINUTE).await.unwrap();
    assert!(nodes[0].contains(ip(THERE)));
    soon("the other knows too", || nodes[1].contains(ip(THERE))).await;
    let all = list.all().await.unwrap();
    let shown: Vec<_> = all
        .iter()
        .map(|one| (&*one.network, &*one.reason))
        .collect();
    assert_eq!(shown, [(THERE, "honeypot"), (HERE, "before")]);
}

#[tokio::test]
async fn a_block_ends_by_itself_and_none_is_shortened_by_a_trap() {
    let (_database, store, _) = two_nodes().await;
    let list = BlockedList::new(&store);
    let node = BlockedAddresses::follow(&store).await.unwrap();
    let moment = Duration::from_millis(800);
    node.block(ip(HERE), "honeypot", moment).await.unwrap();
    assert!(node.contains(ip(HERE)));
    soon("it is over", || !node.contains(ip(HERE))).await;
    // The database has a clock of its own.
    sleep(Duration::from_millis(250)).await;
    assert!(list.all().await.unwrap().is_empty());
    list.add(ip(HERE), "for good", None).await.unwrap();
    node.block(ip(HERE), "honeypot", moment).await.unwrap();
    let all = list.all().await.unwrap();
    assert_eq!((&*all[0].reason, all[0].expires_at), ("for good", None));
    list.add(ip(HERE), "shorter after all", Some(moment))
        .await
        .unwrap();
    sleep(moment).await;
    sweep(&store).await.unwrap();
    assert!(list.all().await.unwrap().is_empty());
}
