//! Read models equal what the domain itself makes of the book.

use std::collections::{BTreeMap, BTreeSet};

use daybook_domain::{
    AccountEvent, Client, ClientId, Decimal, DocumentId, FundingId,
    account::{
        AccountKind, FundingKind, FundingRequest, FundingStatus, FundingVerdict, Order,
        event::FundingStep,
    },
};
use daybook_projections::{DealKind, FundingOf, FundingRow, OrderRow, OrderStatus, Page};

use crate::support::{Book, world::Trader};

const EVERYTHING: Page = Page {
    limit: 10_000,
    cursor: None,
};

#[tokio::test(flavor = "multi_thread")]
async fn read_models_equal_the_accounts_that_the_domain_folds() {
    let mut book = Book::open(1).await;
    let runners = book.run();
    book.write(9_000).await;
    book.caught_up().await;
    assert_every_event_happened(&book);
    for trader in &book.world.traders {
        assert_account(&book, trader).await;
        assert_positions(&book, trader).await;
        assert_orders(&book, trader).await;
        assert_deals(&book, trader).await;
        assert_journal(&book, trader).await;
        assert_funding(&book, trader).await;
    }
    for (client_id, client) in &book.world.people {
        assert_client(&book, *client_id, client).await;
    }
    runners.stop().await;
    book.assert_equal_to_the_book().await;
}

async fn assert_client(book: &Book, client_id: ClientId, client: &Client) {
    let row = book.reads.client(client_id).await.unwrap().unwrap();
    assert_eq!(row.email_verified, client.email_verified);
    assert_eq!(row.default_account_id, client.default_account);
    assert_eq!(row.two_factor, client.security.two_factor.is_some());
    assert_eq!(row.kyc_status, client.kyc.status);
    assert_eq!(row.kyc_notes.is_some(), client.kyc.notes.is_some());
    assert_eq!(
        (row.suspended, row.erased),
        (client.suspended, client.erased)
    );
    assert_eq!(Some(row.registered_at), client.registered_at);
    let standing = &client.standing;
    assert_eq!(
        (&row.tier, row.trading_disabled, row.flags, row.limits),
        (
            &standing.tier,
            standing.trading_disabled,
            standing.flags,
            standing.limits
        )
    );
    let named = standing.external_id.as_ref();
    assert_eq!(row.external_id, named.map(|name| format!("enc:v1:{name}")));
    let rows = book.reads.documents_of(client_id).await.unwrap();
    assert_eq!(rows.len(), client.kyc.documents.len());
    let known = rows.iter().map(|row| row.document_id).collect::<Vec<_>>();
    let asked = [known.as_slice(), &[DocumentId::default()]].concat();
    let found = book.reads.known_documents(&asked).await.unwrap();
    assert_eq!(found, known.iter().copied().collect());
    for (row, (document, name, at)) in rows.iter().zip(&client.kyc.documents) {
        assert_eq!(
            (row.document_id, row.client_id),
            (document.document_id, client_id)
        );
        assert_eq!((row.kind, row.format), (document.kind, document.format));
        assert_eq!(row.size.unsigned_abs(), document.size);
        assert_eq!((&row.sha256, row.uploaded_at), (&document.sha256, *at));
        assert_eq!(row.name, format!("enc:v1:{name}"));
        let alone = book.reads.document(row.document_id).await.unwrap();
        assert_eq!(alone.as_ref(), Some(row));
    }
}

fn assert_every_event_happened(book: &Book) {
    let histories = book.world.traders.iter().flat_map(|trader| &trader.history);
    let happened: BTreeSet<_> = histories.map(AccountEvent::event_type).collect();
    let all = [
        "AccountOpened",
        "ControlsChanged",
        "DailyLossLimitReached",
        "DealBusted",
        "DealRepriced",
        "DepositApproved",
        "DepositCancelled",
        "DepositCompleted",
        "DepositRejected",
        "DepositRequested",
        "FundsAdjusted",
        "LeverageChanged",
        "MarginCallCleared",
        "MarginCallRaised",
        "NegativeBalanceCompensated",
        "OrderCancelled",
        "OrderExpired",
        "OrderFilled",
        "OrderModified",
        "OrderNetted",
        "OrderPlaced",
        "OrderRejected",
        "OrderTriggered",
        "PositionClosed",
        "PositionIncreased",
        "PositionOpened",
        "PositionReduced",
        "ProtectionChanged",
        "StopOutFinished",
        "StopOutStarted",
        "StopOutStep",
        "SwapCharged",
        "TradingDayStarted",
        "WithdrawalApproved",
        "WithdrawalCancelled",
        "WithdrawalCompleted",
        "WithdrawalRejected",
        "WithdrawalRequested",
    ];
    assert_eq!(happened, BTreeSet::from(all));
    assert_every_event_of_people_happened(book);
}

fn assert_every_event_of_people_happened(book: &Book) {
    let personal = [
        "ClientErased",
        "ClientRegistered",
        "ClientReinstated",
        "ClientSuspended",
        "DefaultAccountChanged",
        "EmailVerified",
        "ExternalIdLinked",
        "ImpersonationConsumed",
        "ImpersonationGranted",
        "ImpersonationRefused",
        "KycStatusChanged",
        "KycSubmitted",
        "LimitsChanged",
        "NoteAdded",
        "PasswordChanged",
        "PasswordResetRequested",
        "ProfileUpdated",
        "RegistrationRepeated",
        "SessionsRevoked",
        "SignInFailed",
        "SignedIn",
        "TierChanged",
        "TradingDisabled",
        "TradingEnabled",
        "TwoFactorDisabled",
        "TwoFactorEnabled",
        "UnusualSignIn",
        "VerificationRequested",
    ];
    assert_eq!(book.world.personal, BTreeSet::from(personal));
}

async fn assert_account(book: &Book, trader: &Trader) {
    let row = book
        .reads
        .account(trader.account_id)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(Some(row.terms()), trader.account.terms);
    assert_eq!(row.funds, trader.account.funds);
    assert_eq!(row.sequence, trader.history.len() as i64);
    let own = book.reads.accounts_of(trader.client_id).await.unwrap();
    assert_eq!(own.len(), 3);
    assert!(own.is_sorted_by_key(|row| row.number), "oldest first");
    assert_eq!(row.controls, *trader.account.controls());
    assert_eq!(row.margin_called, trader.account.risk.margin_called);
    assert_eq!(Some(row.effective_leverage()), trader.account.leverage());
    assert!(own.contains(&row));
}

async fn assert_positions(book: &Book, trader: &Trader) {
    let open = book.reads.positions(trader.account_id).await.unwrap();
    assert_eq!(open, trader.account.positions);
    let page = book
        .reads
        .positions_page(trader.account_id, EVERYTHING)
        .await
        .unwrap();
    let newest_first: Vec<_> = open.into_iter().rev().collect();
    assert_eq!(page.items, newest_first);
    for event in &trader.history {
        if let AccountEvent::PositionOpened { position_id, .. } = event {
            let owner = book.reads.position_account(*position_id).await.unwrap();
            assert_eq!(owner, Some((trader.account_id, trader.client_id)));
            let state = book.reads.position(*position_id).await.unwrap().unwrap();
            let open = trader.account.position(*position_id);
            assert_eq!(state.closed_at.is_none(), open.is_some());
            assert!(open.is_none_or(|open| *open == state.position));
        }
    }
}

async fn assert_orders(book: &Book, trader: &Trader) {
    let account = trader.account_id;
    let working = book.reads.orders(account, true, EVERYTHING).await.unwrap();
    let working: Vec<Order> = working.items.into_iter().rev().map(as_order).collect();
    // How an order's limit came into the market is the engine's business, and not shown.
    let shown = |order: &Order| Order {
        marketable: false,
        ..order.clone()
    };
    let expected: Vec<Order> = trader.account.orders.iter().map(shown).collect();
    assert_eq!(working, expected);

    let all = book.reads.orders(account, false, EVERYTHING).await.unwrap();
    let mut expected = BTreeMap::new();
    for event in &trader.history {
        if let Some((order_id, status)) = status_after(event) {
            expected.insert(order_id, status);
        }
    }
    let found: BTreeMap<_, _> = all
        .items
        .iter()
        .map(|row| (row.order_id, row.status))
        .collect();
    assert_eq!(found, expected);
    assert!(
        all.items
            .iter()
            .all(|row| row.client_id == trader.client_id)
    );
    let refused =
        |row: &OrderRow| matches!(row.status, OrderStatus::Rejected | OrderStatus::Cancelled);
    assert!(
        all.items
            .iter()
            .all(|row| refused(row) == row.reason.is_some())
    );
}

fn as_order(row: OrderRow) -> Order {
    Order {
        order_id: row.order_id,
        ticket: row.ticket,
        triggered: row.triggered,
        marketable: false,
        placed_at: row.created_at,
    }
}

fn status_after(event: &AccountEvent) -> Option<(daybook_domain::OrderId, OrderStatus)> {
    match event {
        AccountEvent::OrderPlaced { order_id, .. }
        | AccountEvent::OrderModified { order_id, .. }
        | AccountEvent::OrderTriggered { order_id, .. } => Some((*order_id, OrderStatus::Working)),
        AccountEvent::OrderRejected { order_id, .. } => Some((*order_id, OrderStatus::Rejected)),
        AccountEvent::OrderCancelled { order_id, .. } => Some((*order_id, OrderStatus::Cancelled)),
        AccountEvent::OrderExpired { order_id, .. } => Some((*order_id, OrderStatus::Expired)),
        AccountEvent::OrderFilled { order_id, .. } | AccountEvent::OrderNetted { order_id, .. } => {
            Some((*order_id, OrderStatus::Filled))
        }
        AccountEvent::AccountOpened { .. }
        | AccountEvent::FundsAdjusted { .. }
        | AccountEvent::DepositRequested { .. }
        | AccountEvent::DepositApproved { .. }
        | AccountEvent::DepositCompleted { .. }
        | AccountEvent::DepositRejected { .. }
        | AccountEvent::DepositCancelled { .. }
        | AccountEvent::WithdrawalRequested { .. }
        | AccountEvent::WithdrawalApproved { .. }
        | AccountEvent::WithdrawalCompleted { .. }
        | AccountEvent::WithdrawalRejected { .. }
        | AccountEvent::WithdrawalCancelled { .. }
        | AccountEvent::PositionOpened { .. }
        | AccountEvent::PositionReduced { .. }
        | AccountEvent::PositionClosed { .. }
        | AccountEvent::ProtectionChanged { .. }
        | AccountEvent::PositionIncreased { .. }
        | AccountEvent::LeverageChanged { .. }
        | AccountEvent::ControlsChanged { .. }
        | AccountEvent::SwapCharged { .. }
        | AccountEvent::MarginCallRaised { .. }
        | AccountEvent::MarginCallCleared { .. }
        | AccountEvent::StopOutStarted { .. }
        | AccountEvent::StopOutStep { .. }
        | AccountEvent::StopOutFinished { .. }
        | AccountEvent::NegativeBalanceCompensated { .. }
        | AccountEvent::TradingDayStarted { .. }
        | AccountEvent::DailyLossLimitReached { .. }
        | AccountEvent::DealBusted { .. }
        | AccountEvent::DealRepriced { .. } => None,
    }
}

/// The balance is what was paid in plus what the deals made.
async fn assert_deals(book: &Book, trader: &Trader) {
    let deals = book
        .reads
        .deals(trader.account_id, Default::default(), EVERYTHING)
        .await
        .unwrap();
    let made: Decimal = deals
        .items
        .iter()
        .map(|deal| deal.realised + deal.swap - deal.commission)
        .sum();
    let paid: Decimal = trader.history.iter().map(paid_in).sum();
    assert_eq!(paid + made, trader.account.funds.balance());
    let corrections = trader.history.iter().filter(|event| corrected(event));
    let told = deals.items.iter().filter(|row| row.kind != DealKind::Deal);
    assert_eq!(told.count(), corrections.count());
    for deal in &deals.items {
        assert!(deal.order_id.is_some() || deal.reason.is_some());
        assert_eq!(deal.note.is_some(), deal.kind != DealKind::Deal);
        assert_eq!(deal.stream, format!("account-{}", trader.account_id));
        let index = usize::try_from(deal.sequence - 1).unwrap();
        assert_eq!(trader.history[index].at(), deal.at);
        let found = book.reads.deal(deal.deal_id).await.unwrap().unwrap();
        assert!(deal.kind != DealKind::Deal || found == *deal);
        assert_eq!((found.symbol, found.side), (deal.symbol, deal.side));
    }
}

fn corrected(event: &AccountEvent) -> bool {
    matches!(
        event,
        AccountEvent::DealBusted { .. } | AccountEvent::DealRepriced { .. }
    )
}

fn paid_in(event: &AccountEvent) -> Decimal {
    if let AccountEvent::FundsAdjusted { funds, .. }
    | AccountEvent::DepositCompleted { funds, .. }
    | AccountEvent::WithdrawalCompleted { funds, .. }
    | AccountEvent::NegativeBalanceCompensated { funds, .. } = event
    {
        funds.total()
    } else {
        Decimal::ZERO
    }
}

/// Every entry balances, and the general ledger owes the client what the account shows.
async fn assert_journal(book: &Book, trader: &Trader) {
    let pool = book.store.pool();
    let unbalanced: i64 = sqlx::query_scalar(
        "select count(*) from (select position from read.journal
         group by position, currency having sum(amount) <> 0) unbalanced",
    )
    .fetch_one(pool)
    .await
    .unwrap();
    assert_eq!(unbalanced, 0);
    let owed: Option<Decimal> = sqlx::query_scalar(
        "select -sum(amount) from read.journal
         where account_id = $1
           and (ledger_account like 'client_funds_%' or ledger_account = 'withdrawals_held')",
    )
    .bind(trader.account_id.0)
    .fetch_one(pool)
    .await
    .unwrap();
    let held: Option<Decimal> = sqlx::query_scalar(
        "select -sum(amount) from read.journal
         where account_id = $1 and ledger_account = 'withdrawals_held'",
    )
    .bind(trader.account_id.0)
    .fetch_one(pool)
    .await
    .unwrap();
    assert_eq!(held.unwrap_or_default(), trader.account.funds.held);
    assert_eq!(owed.unwrap_or_default(), trader.account.funds.balance());
    let kind = trader.account.terms.unwrap().kind;
    let tradable = trader.account.funds.tradable(kind);
    assert!(kind == AccountKind::Live || tradable == trader.account.funds.demo);
}

/// Every request that was ever made, and those that are open as the account has them.
async fn assert_funding(book: &Book, trader: &Trader) {
    let of = FundingOf::Account(trader.account_id);
    let rows = book.reads.funding(of, EVERYTHING).await.unwrap().items;
    let is_open = |status: FundingStatus| match status {
        FundingStatus::Requested | FundingStatus::Approved => true,
        FundingStatus::Completed | FundingStatus::Rejected | FundingStatus::Cancelled => false,
    };
    let open = rows.iter().rev().filter(|row| is_open(row.status));
    let open: Vec<_> = open.map(as_request).collect();
    assert_eq!(open, trader.account.funding, "oldest first");
    let mut steps: BTreeMap<FundingId, usize> = BTreeMap::new();
    for (request_id, _) in trader.history.iter().filter_map(AccountEvent::funding) {
        *steps.entry(request_id).or_default() += 1;
    }
    assert_eq!(rows.len(), steps.len());
    for row in &rows {
        assert_eq!(
            (row.account_id, row.client_id),
            (trader.account_id, trader.client_id)
        );
        assert_eq!(row.updated_at > row.created_at, steps[&row.request_id] > 1);
        let found = book.reads.funding_request(row.request_id).await.unwrap();
        assert_eq!(found.as_ref(), Some(row));
    }
    let paid = rows
        .iter()
        .filter(|row| row.status == FundingStatus::Completed);
    let paid: Decimal = paid
        .map(|row| match row.kind {
            FundingKind::Deposit => row.amount,
            FundingKind::Withdrawal => -row.amount,
        })
        .sum();
    let completed = trader
        .history
        .iter()
        .filter_map(|event| match event.funding()? {
            (_, FundingStep::Decided(FundingVerdict::Complete, _)) => Some(event.funds()?.total()),
            (_, _) => None,
        });
    assert_eq!(paid, completed.sum());
}

fn as_request(row: &FundingRow) -> FundingRequest {
    let channel = row.method.as_deref().or(row.destination.as_deref());
    FundingRequest {
        request_id: row.request_id,
        kind: row.kind,
        amount: row.amount,
        channel: channel.unwrap().into(),
        status: row.status,
    }
}
