//! A statement as a table for spreadsheets, and as a journal for hledger and its like.

use std::fmt::Write as _;

use daybook_domain::{Decimal, account::Funds, postings::LedgerAccount};

use super::{
    StatementEntry,
    fold::{Line, Statement},
};
use crate::number;

const COLUMNS: &str = "time,kind,dealId,orderId,positionId,symbol,side,volume,price,realised,\
                       commission,swap,amount,balance,reason,note,position";

/// One line for each entry, under headings.
pub(super) fn csv(entries: &[StatementEntry]) -> String {
    let mut text = format!("{COLUMNS}\r\n");
    for entry in entries {
        let named = |value: &Option<String>| value.clone().unwrap_or_default();
        let cells = [
            entry.time.clone(),
            entry.kind.to_owned(),
            named(&entry.deal_id),
            named(&entry.order_id),
            named(&entry.position_id),
            named(&entry.symbol),
            entry.side.unwrap_or_default().to_owned(),
            named(&entry.volume),
            named(&entry.price),
            entry.realised.clone(),
            entry.commission.clone(),
            entry.swap.clone(),
            entry.amount.clone(),
            entry.balance.clone(),
            entry.reason.unwrap_or_default().to_owned(),
            entry.note.as_deref().map(cell).unwrap_or_default(),
            entry.position.to_string(),
        ];
        let _ = write!(text, "{}\r\n", cells.join(","));
    }
    text
}

/// Free text as a cell. A spreadsheet would take a leading `=` and the like for a formula.
fn cell(text: &str) -> String {
    let guard = if text.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        "'"
    } else {
        ""
    };
    format!("\"{guard}{}\"", text.replace('"', "\"\""))
}

/// The postings of every line between an opening balance and an assertion of the closing one, which
/// hledger checks.
pub(super) fn hledger(statement: &Statement) -> String {
    let mut text = format!(
        "; account {} ({}), {} to {}\n\n",
        statement.number,
        statement.account_id,
        super::time_of(statement.from),
        super::time_of(statement.to),
    );
    let currency = statement.currency;
    let money = |amount: Decimal| format!("{} {currency}", number::money(amount, currency));
    let _ = writeln!(text, "{} opening", statement.from.format("%Y-%m-%d"));
    for (account, amount) in buckets(&statement.opening) {
        let _ = writeln!(text, "    {}  {}", name(account), money(-amount));
    }
    let _ = writeln!(text, "    equity:opening\n");
    for line in statement
        .lines
        .iter()
        .filter(|line| !line.postings.is_empty())
    {
        let _ = writeln!(text, "{} {}", line.at.format("%Y-%m-%d"), title(line));
        for posting in &line.postings {
            let account = name(posting.account);
            let _ = writeln!(text, "    {account}  {}", money(posting.amount));
        }
        text.push('\n');
    }
    let last = statement.lines.last();
    let day = last.map_or(statement.from, |line| line.at);
    let _ = writeln!(text, "{} closing", day.format("%Y-%m-%d"));
    for (account, amount) in buckets(&statement.closing) {
        let (account, zero) = (name(account), money(Decimal::ZERO));
        let _ = writeln!(text, "    {account}  {zero} = {}", money(-amount));
    }
    text
}

/// What the line is, on one line: `|` parts payee and note, `;` begins a comment.
fn title(line: &Line) -> String {
    let symbol = line.symbol.map(|symbol| format!(" {symbol}"));
    let deal = line.deal_id.map(|id| format!(", deal:{id}"));
    format!(
        "{}{}  ; position:{}{}",
        line.kind.as_str(),
        symbol.unwrap_or_default(),
        line.position,
        deal.unwrap_or_default(),
    )
}

/// What the ledger owes the client. What is held is owed beside the bucket that it is a part of.
fn buckets(funds: &Funds) -> [(LedgerAccount, Decimal); 4] {
    [
        (LedgerAccount::ClientFundsReal, funds.real - funds.held),
        (LedgerAccount::ClientFundsDemo, funds.demo),
        (LedgerAccount::ClientFundsBonus, funds.bonus),
        (LedgerAccount::WithdrawalsHeld, funds.held),
    ]
}

/// The ledger account under the root that tells hledger its type.
const fn name(account: LedgerAccount) -> &'static str {
    match account {
        LedgerAccount::ClientFundsReal => "liabilities:client_funds_real",
        LedgerAccount::ClientFundsDemo => "liabilities:client_funds_demo",
        LedgerAccount::ClientFundsBonus => "liabilities:client_funds_bonus",
        LedgerAccount::WithdrawalsHeld => "liabilities:withdrawals_held",
        LedgerAccount::BankClearing => "assets:bank_clearing",
        LedgerAccount::DemoFunding => "assets:demo_funding",
        LedgerAccount::BonusExpense => "expenses:bonus_expense",
        LedgerAccount::TradingResult => "income:trading_result",
        LedgerAccount::CommissionIncome => "income:commission_income",
        LedgerAccount::SwapIncome => "income:swap_income",
        LedgerAccount::NegativeBalanceExpense => "expenses:negative_balance_expense",
        LedgerAccount::DemoResult => "income:demo_result",
    }
}

#[cfg(test)]
mod tests {
    use super::cell;

    #[test]
    fn free_text_is_quoted_and_is_no_formula() {
        assert_eq!(cell("late quote"), "\"late quote\"");
        assert_eq!(cell("a \"b\", c"), "\"a \"\"b\"\", c\"");
        assert_eq!(cell("=1+1"), "\"'=1+1\"");
    }
}
