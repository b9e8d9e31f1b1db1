//! Rows of the database as rows of the domain's types. A value that is none of its type's makes
//! the row undecodable: the model is corrupt and has to be rebuilt.

use std::{error::Error, str::FromStr};

use daybook_domain::account::{Funds, Position, Ticket, event::MarginBasis};
use serde::de::DeserializeOwned;
use sqlx::{FromRow, Row, postgres::PgRow, types::Json};
use uuid::Uuid;

use super::rows::{AccountRow, ClientRow, DealRow, DocumentRow, FundingRow, OrderRow};
use crate::{models::positions::PositionRow, slug};

/// An identifier.
fn id<I: From<Uuid>>(row: &PgRow, column: &str) -> Result<I, sqlx::Error> {
    row.try_get::<Uuid, _>(column).map(I::from)
}

/// An identifier that may be missing.
fn id_if_any<I: From<Uuid>>(row: &PgRow, column: &str) -> Result<Option<I>, sqlx::Error> {
    let id: Option<Uuid> = row.try_get(column)?;
    Ok(id.map(I::from))
}

/// A plain enum by its stored name.
fn slug<T: DeserializeOwned>(row: &PgRow, column: &str) -> Result<T, sqlx::Error> {
    slug::parse(row.try_get(column)?)
}

/// A symbol or currency.
fn text<T>(row: &PgRow, column: &str) -> Result<T, sqlx::Error>
where
    T: FromStr<Err: Error + Send + Sync + 'static>,
{
    let text: &str = row.try_get(column)?;
    text.parse()
        .map_err(|error| sqlx::Error::Decode(Box::new(error)))
}

/// A whole number that is never negative.
fn count<T>(row: &PgRow, column: &str) -> Result<T, sqlx::Error>
where
    T: TryFrom<i64, Error: Error + Send + Sync + 'static>,
{
    let number: i64 = row.try_get(column)?;
    T::try_from(number).map_err(|error| sqlx::Error::Decode(Box::new(error)))
}

impl FromRow<'_, PgRow> for ClientRow {
    fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            client_id: id(row, "client_id")?,
            email: row.try_get("email")?,
            first_name: row.try_get("first_name")?,
            last_name: row.try_get("last_name")?,
            phone: row.try_get("phone")?,
            country: row.try_get("country")?,
            email_verified: row.try_get("email_verified")?,
            kyc_status: slug(row, "kyc_status")?,
            kyc_notes: row.try_get("kyc_notes")?,
            two_factor: row.try_get("two_factor")?,
            tier: row.try_get("tier")?,
            external_id: row.try_get("external_id")?,
            trading_disabled: row.try_get("trading_disabled")?,
            flags: row.try_get::<Json<_>, _>("flags")?.0,
            limits: row.try_get::<Json<_>, _>("limits")?.0,
            suspended: row.try_get("suspended")?,
            erased: row.try_get("erased")?,
            default_account_id: id_if_any(row, "default_account_id")?,
            registered_at: row.try_get("registered_at")?,
            position: row.try_get("position")?,
        })
    }
}

impl FromRow<'_, PgRow> for DocumentRow {
    fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            document_id: id(row, "document_id")?,
            client_id: id(row, "client_id")?,
            kind: slug(row, "kind")?,
            format: slug(row, "format")?,
            size: row.try_get("size")?,
            sha256: row.try_get("sha256")?,
            name: row.try_get("name")?,
            uploaded_at: row.try_get("uploaded_at")?,
            position: row.try_get("position")?,
        })
    }
}

impl FromRow<'_, PgRow> for AccountRow {
    fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            account_id: id(row, "account_id")?,
            client_id: id(row, "client_id")?,
            number: count(row, "number")?,
            kind: slug(row, "kind")?,
            mode: slug(row, "mode")?,
            currency: text(row, "currency")?,
            leverage: count(row, "leverage")?,
            funds: Funds {
                real: row.try_get("real")?,
                demo: row.try_get("demo")?,
                bonus: row.try_get("bonus")?,
                held: row.try_get("held")?,
            },
            controls: row.try_get::<Json<_>, _>("controls")?.0,
            margin_called: row.try_get("margin_called")?,
            opened_at: row.try_get("opened_at")?,
            opened_position: row.try_get("opened_position")?,
            sequence: row.try_get("sequence")?,
            position: row.try_get("position")?,
        })
    }
}

impl FromRow<'_, PgRow> for OrderRow {
    fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        let oco_group: Option<String> = row.try_get("oco_group")?;
        let client_order_id: Option<String> = row.try_get("client_order_id")?;
        Ok(Self {
            order_id: id(row, "order_id")?,
            account_id: id(row, "account_id")?,
            client_id: id(row, "client_id")?,
            ticket: Ticket {
                symbol: text(row, "symbol")?,
                side: slug(row, "side")?,
                order_type: slug(row, "order_type")?,
                volume: row.try_get("volume")?,
                limit_price: row.try_get("limit_price")?,
                stop_price: row.try_get("stop_price")?,
                stop_loss: row.try_get("stop_loss")?,
                take_profit: row.try_get("take_profit")?,
                trailing_distance: row.try_get("trailing_distance")?,
                time_in_force: slug(row, "time_in_force")?,
                expires_at: row.try_get("expires_at")?,
                oco_group: oco_group.map(String::into_boxed_str),
                client_order_id: client_order_id.map(String::into_boxed_str),
            },
            status: slug(row, "status")?,
            triggered: row.try_get("triggered")?,
            reason: row.try_get("reason")?,
            position_id: id_if_any(row, "position_id")?,
            created_at: row.try_get("created_at")?,
            updated_at: row.try_get("updated_at")?,
            created_position: row.try_get("created_position")?,
            position: row.try_get("position")?,
        })
    }
}

impl FromRow<'_, PgRow> for PositionRow {
    fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            position: Position {
                position_id: id(row, "position_id")?,
                order_id: id(row, "order_id")?,
                symbol: text(row, "symbol")?,
                side: slug(row, "side")?,
                volume: row.try_get("volume")?,
                open_price: row.try_get("open_price")?,
                cost: row.try_get("cost")?,
                contract_size: row.try_get("contract_size")?,
                margin: MarginBasis {
                    notional_per_lot: row.try_get("notional_per_lot")?,
                    margin_rate: row.try_get("margin_rate")?,
                    max_leverage: count(row, "max_leverage")?,
                    hedged_contract_size: row.try_get("hedged_contract_size")?,
                },
                commission: row.try_get("commission")?,
                swap: row.try_get("swap")?,
                swap_day: row.try_get("swap_day")?,
                stop_loss: row.try_get("stop_loss")?,
                take_profit: row.try_get("take_profit")?,
                trailing_distance: row.try_get("trailing_distance")?,
                opened_at: row.try_get("opened_at")?,
            },
            account_id: id(row, "account_id")?,
            client_id: id(row, "client_id")?,
            closed_at: row.try_get("closed_at")?,
            opened_position: row.try_get("opened_position")?,
            last_position: row.try_get("last_position")?,
        })
    }
}

impl FromRow<'_, PgRow> for FundingRow {
    fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            request_id: id(row, "request_id")?,
            account_id: id(row, "account_id")?,
            client_id: id(row, "client_id")?,
            kind: slug(row, "kind")?,
            amount: row.try_get("amount")?,
            currency: text(row, "currency")?,
            status: slug(row, "status")?,
            method: row.try_get("method")?,
            destination: row.try_get("destination")?,
            reason: row.try_get("reason")?,
            reference: row.try_get("reference")?,
            created_at: row.try_get("created_at")?,
            updated_at: row.try_get("updated_at")?,
            created_position: row.try_get("created_position")?,
            position: row.try_get("position")?,
        })
    }
}

impl FromRow<'_, PgRow> for DealRow {
    fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        let reason: Option<&str> = row.try_get("reason")?;
        Ok(Self {
            kind: slug(row, "kind")?,
            deal_id: id(row, "deal_id")?,
            account_id: id(row, "account_id")?,
            client_id: id(row, "client_id")?,
            order_id: id_if_any(row, "order_id")?,
            position_id: id(row, "position_id")?,
            symbol: text(row, "symbol")?,
            side: slug(row, "side")?,
            volume: row.try_get("volume")?,
            price: row.try_get("price")?,
            currency: text(row, "currency")?,
            realised: row.try_get("realised")?,
            commission: row.try_get("commission")?,
            swap: row.try_get("swap")?,
            reason: reason.map(slug::parse).transpose()?,
            note: row.try_get("note")?,
            at: row.try_get("at")?,
            stream: row.try_get("stream")?,
            sequence: row.try_get("sequence")?,
            position: row.try_get("position")?,
        })
    }
}
