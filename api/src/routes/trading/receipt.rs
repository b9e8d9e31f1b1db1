//! Execution receipts as the contract shows them.

use daybook_domain::{
    Currency, Instrument,
    execution::{Conversion, Execution},
    quote::QuoteSource,
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{number, text};

/// A conversion as it was used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct ConversionItem {
    #[schema(example = "EUR")]
    from: String,
    #[schema(example = "USD")]
    to: String,
    /// Units of `to` for one unit of `from`.
    #[schema(example = "1.08731")]
    rate: String,
    /// Side of the market that the rate was taken from.
    #[schema(example = "buy")]
    side: &'static str,
    /// Instruments used, in order.
    #[schema(example = json!(["EURUSD"]))]
    path: Vec<String>,
}

/// What a fill rested on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Receipt {
    #[schema(example = "01997d0a-5a3e-7d31-9a53-0a4f2f1c7a12")]
    deal_id: String,
    #[schema(example = "1.08723")]
    quote_bid: String,
    #[schema(example = "1.08731")]
    quote_ask: String,
    #[schema(example = "2026-01-31T09:30:00.000Z")]
    quote_at: String,
    /// `twelve_data`, `simulator` or `recorded`.
    #[schema(example = "simulator")]
    source: &'static str,
    /// Mark-up within the price, in price units.
    #[schema(example = "0")]
    spread_markup: String,
    /// Slippage within the price, in price units; positive is against the client.
    #[schema(example = "0")]
    slippage: String,
    #[schema(example = "1.08731")]
    price: String,
    #[schema(example = "0.00")]
    commission: String,
    conversion: ConversionItem,
    #[schema(example = 1)]
    rule_version: u32,
}

impl Receipt {
    pub(crate) fn of(
        deal_id: &impl ToString,
        execution: &Execution,
        terms: Option<&Instrument>,
        currency: Currency,
    ) -> Self {
        let price = |value| number::price(value, terms);
        Self {
            deal_id: deal_id.to_string(),
            quote_bid: price(execution.quote_bid),
            quote_ask: price(execution.quote_ask),
            quote_at: text::time(execution.quote_at),
            source: source(execution.source),
            spread_markup: number::plain(execution.spread_markup),
            slippage: number::plain(execution.slippage),
            price: price(execution.price),
            commission: number::money(execution.commission, currency),
            conversion: ConversionItem::of(&execution.conversion),
            rule_version: execution.rule_version,
        }
    }
}

impl ConversionItem {
    fn of(conversion: &Conversion) -> Self {
        Self {
            from: conversion.from.to_string(),
            to: conversion.to.to_string(),
            rate: number::plain(conversion.rate),
            side: conversion.side.as_str(),
            path: conversion.path.iter().map(ToString::to_string).collect(),
        }
    }
}

const fn source(source: QuoteSource) -> &'static str {
    match source {
        QuoteSource::TwelveData => "twelve_data",
        QuoteSource::BookTicker => "book_ticker",
        QuoteSource::Simulator => "simulator",
        QuoteSource::Recorded => "recorded",
    }
}
