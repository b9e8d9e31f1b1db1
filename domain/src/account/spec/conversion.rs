//! Amounts in other currencies than the account's.

use super::*;
use crate::rules::ConversionRule;

fn yen_trader() -> Desk {
    given([
        opened(),
        funded("10000"),
        Act::Quote("USDJPY", "150.000", "150.020"),
    ])
    .when(buy("USDJPY", "1").placed("o1"))
}

#[test]
fn margin_of_a_pair_based_on_the_accounts_currency_needs_no_rate() {
    yen_trader().and(|desk| {
        assert_eq!(desk.figures().used_margin, dec("1000"));
        assert_eq!(desk.receipt().conversion.path, []);
        assert_eq!(desk.receipt().conversion.rate, dec("1"));
    });
}

#[test]
fn a_profit_is_converted_at_the_side_that_is_worse_for_the_client() {
    // 100,000 · 0.48 = 48,000 JPY are sold for dollars at the ask of USDJPY.
    yen_trader()
        .when(quote("USDJPY", "150.500", "150.520"))
        .when(close("o1", None))
        .and(|desk| {
            assert_eq!(desk.deal().realised, dec("318.89"));
            let conversion = &desk.receipt().conversion;
            assert_eq!(
                (conversion.from, conversion.to),
                (Currency::JPY, Currency::USD)
            );
            assert_eq!(conversion.side, Side::Sell);
            assert_eq!(conversion.path, [symbol("USDJPY")]);
            assert_eq!(conversion.rate.round_dp(10), dec("0.0066436354"));
        });
}

#[test]
fn a_loss_is_converted_at_the_side_that_is_worse_for_the_client() {
    // 52,000 JPY are bought with dollars at the bid.
    yen_trader()
        .when(quote("USDJPY", "149.500", "149.520"))
        .when(close("o1", None))
        .and(|desk| {
            assert_eq!(desk.deal().realised, dec("-347.83"));
            assert_eq!(desk.receipt().conversion.side, Side::Buy);
        });
}

#[test]
fn by_deal_converts_at_the_side_of_the_deal() {
    yen_trader()
        .when(Act::Rules(|rules| {
            rules.conversion = ConversionRule::ByDeal
        }))
        .when(quote("USDJPY", "149.500", "149.520"))
        .when(close("o1", None))
        .and(|desk| {
            assert_eq!(
                desk.deal().realised,
                dec("-347.78"),
                "sold: 52,000 / 149.520"
            );
            assert_eq!(desk.receipt().conversion.side, Side::Sell);
        });
}

#[test]
fn a_cross_is_converted_through_the_dollar() {
    given([opened_as(AccountKind::Demo, "JPY", 100), funded("5000000")])
        .when(quote("USDJPY", "150.000", "150.020"))
        .when(quote("GBPUSD", "1.30000", "1.30010"))
        .when(quote("EURUSD", "1.10000", "1.10010"))
        .when(quote("EURGBP", "0.85000", "0.85010"))
        .when(buy("EURGBP", "1").placed("o1"))
        .and(|desk| {
            // 100,000 EUR · 1.10010 · 150.020 / 100
            assert_eq!(desk.figures().used_margin, dec("165037"));
            let path = &desk.receipt().conversion.path;
            assert_eq!(path, &[symbol("EURUSD"), symbol("USDJPY")]);
        })
        .when(quote("EURGBP", "0.85110", "0.85120"))
        .when(close("o1", None))
        .and(|desk| {
            // 100 GBP sold at 1.30000 and 150.000.
            assert_eq!(desk.deal().realised, dec("19500"));
        });
}

#[test]
fn a_direct_pair_goes_before_the_way_through_the_dollar() {
    given([opened_as(AccountKind::Demo, "EUR", 100), funded("10000")])
        .when(quote("EURUSD", "1.10000", "1.10010"))
        .when(quote("GBPUSD", "1.30000", "1.30010"))
        .when(quote("EURGBP", "0.85000", "0.85010"))
        .when(buy("GBPUSD", "1").placed("o1"))
        .and(|desk| {
            // Bought: GBP at 1 / bid of EURGBP.
            assert_eq!(desk.figures().used_margin, dec("1176.47"));
            assert_eq!(desk.receipt().conversion.path, [symbol("EURGBP")]);
        });
}

#[test]
fn without_a_chain_of_quotes_nothing_is_dealt_and_nothing_recorded() {
    given([
        opened(),
        funded("10000"),
        quote("EURGBP", "0.85000", "0.85010"),
    ])
    .when(buy("EURGBP", "1").placed("o1"))
    .then_refused("no_quote")
    .then_rejection(&AccountRejection::NoRate {
        from: Currency::EUR,
        to: Currency::USD,
    });
}

#[test]
fn what_could_not_be_valued_is_not_opened() {
    // The margin of 100,000 EUR can be said, a profit in GBP could not.
    given([
        opened(),
        funded("10000"),
        quote("EURUSD", "1.10000", "1.10010"),
    ])
    .when(quote("EURGBP", "0.85000", "0.85010"))
    .when(buy("EURGBP", "1").placed("o1"))
    .then_refused("no_quote");
}

#[test]
fn a_cfd_is_worth_its_price_in_quote_currency() {
    given([opened_as(AccountKind::Demo, "USD", 100), funded("10000")])
        .when(quote("EURUSD", "1.10000", "1.10010"))
        .when(quote("DE40", "20000.0", "20001.0"))
        .when(sell("DE40", "2").placed("o1"))
        .and(|desk| {
            // 2 · 20,000.0 EUR at the bid of EURUSD, 1:100
            assert_eq!(desk.figures().used_margin, dec("440"));
        });
}

#[test]
fn the_rate_of_a_currency_in_itself_is_one() {
    let market = Market::default();
    let rate = market
        .conversion(Currency::EUR, Currency::EUR, Side::Buy)
        .unwrap();
    assert_eq!((rate.rate, rate.path), (Decimal::ONE, Vec::new()));
    assert_eq!(
        market.conversion(Currency::EUR, Currency::USD, Side::Buy),
        None
    );
}

#[test]
fn a_pair_is_preferred_to_anything_else_of_the_same_currencies() {
    let desk = given(trader());
    let mut index = Instrument::clone(desk.market.instrument(symbol("EURUSD")).unwrap());
    index.symbol = symbol("EUR.INDEX");
    index.class = crate::instrument::AssetClass::Index;
    let mut market = desk.market.clone();
    market.set_instrument(Arc::new(index));
    market.set_quote(Quote {
        symbol: symbol("EUR.INDEX"),
        bid: dec("9"),
        ask: dec("9"),
        at: desk.at,
        source: QuoteSource::Recorded,
    });
    let rate = market
        .conversion(Currency::EUR, Currency::USD, Side::Sell)
        .unwrap();
    assert_eq!(rate.path, [symbol("EURUSD")]);
}

#[test]
fn a_quote_outside_the_session_is_not_taken_in() {
    let mut desk = given(trader());
    let late = Quote {
        at: time("2026-07-18T12:00:00Z"),
        ..*desk.market.quote(symbol("EURUSD")).unwrap()
    };
    assert!(!desk.market.take_in(late, &desk.rules));
    assert_eq!(desk.market.quote(symbol("EURUSD")).unwrap().at, time(NOON));
    desk.rules.sessions = crate::rules::SessionRule::Always;
    assert!(desk.market.take_in(late, &desk.rules));
    let unknown = Quote {
        symbol: symbol("NONE"),
        ..late
    };
    assert!(!desk.market.take_in(unknown, &desk.rules));
}
