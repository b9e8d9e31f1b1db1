use chrono::Duration;

use super::*;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

#[test]
fn fx_opens_on_sunday_and_closes_on_friday_at_17_new_york_in_winter_and_in_summer() {
    for (open, close) in [
        ("2026-01-11T22:00:00Z", "2026-01-16T22:00:00Z"),
        ("2026-07-12T21:00:00Z", "2026-07-17T21:00:00Z"),
    ] {
        let before = SessionPlan::Fx.state(at(open) - Duration::seconds(1));
        assert!(!before.open);
        assert_eq!(before.until, at(open));
        let first = SessionPlan::Fx.state(at(open));
        assert!(first.open);
        assert_eq!(first.until, at(close));
        assert!(!SessionPlan::Fx.is_open(at(close)));
    }
}

#[test]
fn fx_follows_new_york_through_both_changes_of_the_clock() {
    // Clocks go forward on 2026-03-08 and back on 2026-11-01, both before the Sunday opening.
    assert_eq!(
        SessionPlan::Fx.state(at("2026-03-07T12:00:00Z")).until,
        at("2026-03-08T21:00:00Z")
    );
    assert_eq!(
        SessionPlan::Fx.state(at("2026-10-31T12:00:00Z")).until,
        at("2026-11-01T22:00:00Z")
    );
}

#[test]
fn the_german_index_follows_berlin_through_both_changes_of_the_clock() {
    // Forward on 2026-03-29, back on 2026-10-25.
    let plan = SessionPlan::IndexEu;
    assert_eq!(
        plan.state(at("2026-03-27T20:59:00Z")).until,
        at("2026-03-27T21:00:00Z")
    );
    assert_eq!(
        plan.state(at("2026-03-28T12:00:00Z")).until,
        at("2026-03-30T06:00:00Z")
    );
    assert_eq!(
        plan.state(at("2026-03-30T12:00:00Z")).until,
        at("2026-03-30T20:00:00Z")
    );
    assert_eq!(
        plan.state(at("2026-10-24T12:00:00Z")).until,
        at("2026-10-26T07:00:00Z")
    );
    assert_eq!(
        plan.state(at("2026-10-26T12:00:00Z")).until,
        at("2026-10-26T21:00:00Z")
    );
}

#[test]
fn metals_rest_for_an_hour_every_day() {
    for plan in [SessionPlan::DailyBreak, SessionPlan::IndexUs] {
        let state = plan.state(at("2026-07-14T12:00:00Z"));
        assert!(state.open);
        assert_eq!(state.until, at("2026-07-14T21:00:00Z"));
        let rest = plan.state(state.until);
        assert!(!rest.open);
        assert_eq!(rest.until, at("2026-07-14T22:00:00Z"));
        assert!(
            !plan.is_open(at("2026-07-12T21:30:00Z")),
            "Sunday, before 18:00"
        );
        assert!(!plan.is_open(at("2026-07-17T22:30:00Z")), "Friday evening");
    }
}

#[test]
fn crypto_never_closes() {
    assert!(SessionPlan::Always.state(at("2026-07-18T12:00:00Z")).open);
}

#[test]
fn what_a_state_says_holds_until_its_instant_and_no_longer() {
    let plans = [
        SessionPlan::Fx,
        SessionPlan::DailyBreak,
        SessionPlan::IndexEu,
    ];
    for plan in plans {
        // A year in steps that hit every minute of the hour, both changes of the clock included.
        let mut now = at("2026-01-01T00:00:00Z");
        while now < at("2027-01-01T00:00:00Z") {
            let state = plan.state(now);
            assert!(state.until > now);
            assert_eq!(
                plan.is_open(state.until - Duration::seconds(1)),
                state.open,
                "{now}"
            );
            assert_ne!(plan.is_open(state.until), state.open, "{now}");
            now += Duration::minutes(7 * 61);
        }
    }
}

#[test]
fn the_rollover_is_at_17_new_york_and_strictly_later() {
    assert_eq!(
        next_rollover(at("2026-07-14T20:59:59Z")),
        at("2026-07-14T21:00:00Z")
    );
    assert_eq!(
        next_rollover(at("2026-07-14T21:00:00Z")),
        at("2026-07-15T21:00:00Z")
    );
    // The day on which clocks go forward has 23 hours, the one on which they go back 25.
    assert_eq!(
        next_rollover(at("2026-03-07T22:00:00Z")),
        at("2026-03-08T21:00:00Z")
    );
    assert_eq!(
        next_rollover(at("2026-10-31T21:00:00Z")),
        at("2026-11-01T22:00:00Z")
    );
}

fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

#[test]
fn a_trading_day_ends_on_its_date_in_new_york() {
    for (instant, name) in [
        ("2026-07-14T20:59:59.999Z", "2026-07-14"),
        ("2026-07-14T21:00:00Z", "2026-07-15"),
        ("2026-01-14T21:59:59Z", "2026-01-14"),
        ("2026-01-14T22:00:00Z", "2026-01-15"),
    ] {
        assert_eq!(trading_day(at(instant)), day(name), "{instant}");
        assert_eq!(
            next_rollover(at(instant)),
            rollover_of(day(name)),
            "{instant}"
        );
    }
    assert_eq!(rollover_of(day("2026-03-07")), at("2026-03-07T22:00:00Z"));
    assert_eq!(rollover_of(day("2026-03-08")), at("2026-03-08T21:00:00Z"));
}

#[test]
fn the_days_that_ended_between_two_instants_are_those_whose_rollover_lies_there() {
    let ended = |after: &str, until: &str| -> Vec<String> {
        days_ended(at(after), at(until))
            .map(|day| day.to_string())
            .collect()
    };
    let none: [&str; 0] = [];
    assert_eq!(ended("2026-07-14T12:00:00Z", "2026-07-14T20:59:59Z"), none);
    assert_eq!(
        ended("2026-07-14T12:00:00Z", "2026-07-14T21:00:00Z"),
        ["2026-07-14"]
    );
    assert_eq!(ended("2026-07-14T21:00:00Z", "2026-07-14T21:00:01Z"), none);
    assert_eq!(
        ended("2026-03-06T21:00:00Z", "2026-03-08T21:30:00Z"),
        ["2026-03-06", "2026-03-07", "2026-03-08"]
    );
}

#[test]
fn a_holiday_of_a_new_york_plan_lasts_from_rollover_to_rollover() {
    let holidays = [day("2026-07-15")];
    let plan = SessionPlan::Fx;
    let state = |text| plan.state_with(at(text), &holidays);
    let tuesday = state("2026-07-14T12:00:00Z");
    assert!(tuesday.open);
    assert_eq!(tuesday.until, at("2026-07-14T21:00:00Z"));
    let wednesday = state("2026-07-14T21:00:00Z");
    assert!(!wednesday.open);
    assert_eq!(wednesday.until, at("2026-07-15T21:00:00Z"));
    assert!(state("2026-07-15T21:00:00Z").open);
    // Metals begin their Thursday an hour later.
    let metals = SessionPlan::DailyBreak;
    let rest = metals.state_with(at("2026-07-15T21:30:00Z"), &holidays);
    assert!(!rest.open);
    assert_eq!(rest.until, at("2026-07-15T22:00:00Z"));
}

#[test]
fn a_holiday_next_to_a_weekend_keeps_the_market_closed_until_it_is_over() {
    let holidays = [day("2026-04-03"), day("2026-04-06")];
    let friday = SessionPlan::IndexEu.state_with(at("2026-04-03T12:00:00Z"), &holidays);
    assert!(!friday.open);
    assert_eq!(friday.until, at("2026-04-07T06:00:00Z"));
    let thursday = SessionPlan::Fx.state_with(at("2026-04-02T22:00:00Z"), &holidays);
    assert!(!thursday.open);
    assert_eq!(thursday.until, at("2026-04-06T21:00:00Z"));
}

#[test]
fn crypto_rests_on_the_days_that_its_own_list_names() {
    let holidays = [day("2026-07-15")];
    let before = SessionPlan::Always.state_with(at("2026-07-14T12:00:00Z"), &holidays);
    assert!(before.open);
    assert_eq!(before.until, at("2026-07-14T21:00:00Z"));
    let on_it = SessionPlan::Always.state_with(at("2026-07-15T12:00:00Z"), &holidays);
    assert!(!on_it.open);
    assert_eq!(on_it.until, at("2026-07-15T21:00:00Z"));
    let after = SessionPlan::Always.state_with(on_it.until, &holidays);
    assert!(after.open);
    assert_eq!(after.until, Timestamp::MAX_UTC);
}

#[test]
fn with_holidays_too_a_state_holds_until_its_instant_and_no_longer() {
    let holidays = [
        "2026-03-09",
        "2026-04-03",
        "2026-04-06",
        "2026-11-02",
        "2026-12-25",
    ];
    let holidays = holidays.map(day);
    for plan in [SessionPlan::Fx, SessionPlan::IndexUs, SessionPlan::IndexEu] {
        let mut now = at("2026-01-01T00:00:00Z");
        while now < at("2027-01-01T00:00:00Z") {
            let state = plan.state_with(now, &holidays);
            let last = state.until - Duration::seconds(1);
            assert!(state.until > now);
            assert_eq!(plan.is_open_with(last, &holidays), state.open, "{now}");
            assert_ne!(
                plan.is_open_with(state.until, &holidays),
                state.open,
                "{now}"
            );
            now += Duration::minutes(17 * 61);
        }
    }
}
