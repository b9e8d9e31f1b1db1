//! Writes down what the desk decides, keeps an account of its own beside each of the desk's, and
//! has every decision judged.

use std::{collections::BTreeMap, sync::Arc};

use daybook_domain::{
    Account, AccountCommand, AccountEvent, AccountId, Decimal, Instrument, Market, Quote, Rules,
    Timestamp,
    account::{AccountKind, Decision, event::DealRecord},
    postings::{LedgerAccount, post},
    session::rollover_of,
};
use daybook_engine::desk::{Act, Ledger, TermsHistory};
use uuid::Uuid;

use crate::{
    coverage::Coverage,
    laws::{self, Scene, law},
    tape::{SYMBOLS, symbol},
};

/// One account as its events say it is.
#[derive(Default)]
pub struct Shadow {
    pub account: Account,
    /// Deals of the past, for corrections.
    pub deals: Vec<DealRecord>,
    /// State at the last comparison, as stored, and the events since, as stored.
    snapshot: Option<String>,
    tail: Vec<String>,
    /// The general ledger's client funds, by bucket.
    owed: BTreeMap<LedgerAccount, Decimal>,
}

pub struct Witness {
    pub market: Market,
    pub rules: Rules,
    pub shadows: BTreeMap<AccountId, Shadow>,
    pub coverage: Coverage,
    history: TermsHistory,
    ids: u128,
}

impl Witness {
    pub fn new(market: Market, rules: Rules) -> Self {
        Self {
            history: TermsHistory::of(market.instruments().cloned()),
            market,
            rules,
            shadows: BTreeMap::new(),
            coverage: Coverage::default(),
            ids: 1 << 120,
        }
    }

    /// The desk is about to take this quote in.
    pub fn quote(&mut self, quote: Quote) {
        self.market.take_in(quote, &self.rules);
    }

    /// Other terms are in force from now on.
    pub fn change_terms(&mut self, terms: Arc<Instrument>, at: Timestamp) {
        self.history.push(at, terms.clone());
        self.market.set_instrument(terms);
    }

    pub fn history(&self) -> Arc<TermsHistory> {
        Arc::new(self.history.clone())
    }

    /// What a decision was made on: a rollover looks at the terms of its own day.
    fn market_of(&self, command: &AccountCommand) -> Market {
        let mut market = self.market.clone();
        if let AccountCommand::RollOver { day } = command {
            for (name, ..) in SYMBOLS {
                let then = self.history.at(symbol(name), rollover_of(*day));
                market.set_instrument(then.unwrap().clone());
            }
        }
        market
    }

    pub fn account(&self, id: AccountId) -> &Account {
        &self.shadows[&id].account
    }

    /// A decision, before anybody has seen the account after it.
    pub fn take_down(
        &mut self,
        id: AccountId,
        command: &AccountCommand,
        decision: &Decision,
        at: Timestamp,
    ) {
        self.coverage.facts(&decision.events);
        self.coverage.refusal(decision);
        let market = self.market_of(command);
        let shadow = self.shadows.get_mut(&id).unwrap();
        let mut states = vec![shadow.account.clone()];
        for event in &decision.events {
            let mut next = states[states.len() - 1].clone();
            next.evolve(event);
            states.push(next);
        }
        laws::judge(&Scene {
            states: &states,
            command,
            decision,
            market: &market,
            rules: &self.rules,
            at,
        });
        for (event, before) in decision.events.iter().zip(&states) {
            shadow.write(event, before);
        }
        shadow.account = states.pop().unwrap();
        shadow.balance();
    }

    /// What stands in the book: the state rebuilt from the last snapshot and the events since, both
    /// through their stored form. It has to be the state in memory, to the last digit.
    pub fn replayed(&mut self, id: AccountId) -> Account {
        let shadow = self.shadows.get_mut(&id).unwrap();
        let mut account = match &shadow.snapshot {
            Some(text) => serde_json::from_str(text).unwrap(),
            None => Account::default(),
        };
        for text in shadow.tail.drain(..) {
            let event: AccountEvent = serde_json::from_str(&text).unwrap();
            account.evolve(&event);
        }
        let stored = |account: &Account| serde_json::to_string(account).unwrap();
        let (replayed, live) = (stored(&account), stored(&shadow.account));
        law("replay", replayed == live, || {
            format!("{replayed}\nis not\n{live}")
        });
        shadow.snapshot = Some(replayed);
        account
    }
}

impl Ledger for Witness {
    fn next_id(&mut self) -> Uuid {
        self.ids += 1;
        Uuid::from_u128(self.ids)
    }

    fn record(&mut self, act: Act<'_>) {
        self.take_down(act.account_id, act.command, act.decision, act.at);
        let shadow = self.account(act.account_id);
        law("replay", shadow == act.account, || {
            format!("{shadow:?}\nis not\n{:?}", act.account)
        });
    }

    fn quarantined(&mut self, account_id: AccountId, command: &AccountCommand) {
        panic!(
            "law broken: no panic: {command:?} on {:?}",
            self.account(account_id)
        );
    }
}

impl Shadow {
    fn write(&mut self, event: &AccountEvent, before: &Account) {
        self.tail.push(serde_json::to_string(event).unwrap());
        for posting in post(event) {
            *self.owed.entry(posting.account).or_default() -= posting.amount;
        }
        match event {
            AccountEvent::OrderFilled {
                deal_id,
                position_id,
                symbol,
                side,
                volume,
                execution,
                funds,
                ..
            } => self.deals.push(DealRecord::Opening {
                deal_id: *deal_id,
                position_id: *position_id,
                symbol: *symbol,
                side: *side,
                volume: *volume,
                execution: execution.clone(),
                funds: *funds,
            }),
            AccountEvent::PositionReduced { deal, .. }
            | AccountEvent::PositionClosed { deal, .. } => {
                let position = before.position(deal.position_id).unwrap();
                self.deals.push(DealRecord::Closing {
                    deal: deal.clone(),
                    contract_size: position.contract_size,
                });
            }
            _ => {}
        }
    }

    /// The general ledger owes each bucket what the account says it holds, and adds up to nothing.
    fn balance(&self) {
        let owed = |account| self.owed.get(&account).copied().unwrap_or_default();
        let funds = &self.account.funds;
        law(
            "books",
            owed(LedgerAccount::ClientFundsReal) == funds.real - funds.held,
            || "real".to_owned(),
        );
        law(
            "books",
            owed(LedgerAccount::WithdrawalsHeld) == funds.held,
            || "held".to_owned(),
        );
        law(
            "books",
            owed(LedgerAccount::ClientFundsDemo) == funds.demo,
            || "demo".to_owned(),
        );
        law(
            "books",
            owed(LedgerAccount::ClientFundsBonus) == funds.bonus,
            || "bonus".to_owned(),
        );
        let sum: Decimal = self.owed.values().sum();
        law("books", sum.is_zero(), || format!("out by {sum}"));
        let kind = self.account.terms.map(|terms| terms.kind);
        if kind == Some(AccountKind::Demo) {
            law(
                "books",
                owed(LedgerAccount::TradingResult).is_zero(),
                || "play money became the house's result".to_owned(),
            );
        }
    }
}
