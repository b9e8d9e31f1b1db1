//! `daybook webhooks`: what was sent, once more, and where to.

mod endpoints;

use anyhow::{Context as _, ensure};
use chrono::{DateTime, Utc};
use clap::{Args, Subcommand, ValueEnum};
use daybook_domain::{ClientId, EndpointCommand, EndpointId, endpoint};
use daybook_engine::OperatorCommand;
use daybook_projections::{
    Cursor, Page,
    crm::{Deliveries, Delivery, DeliveryFilter, DeliveryStatus},
};
use daybook_store::Store;
use serde::Serialize;
use uuid::Uuid;

use super::{At, Verdict, operator, print_json, table::Table};
use crate::out::say;

#[derive(Debug, Subcommand)]
pub enum Webhooks {
    /// Deliveries, newest first.
    #[command(after_help = "Examples:\n  \
        daybook webhooks list --status parked\n  \
        daybook webhooks list --event client.registered --limit 10 --json")]
    List(ListArgs),
    /// Send a delivery once more, whatever became of it; it holds up no other.
    Resend(OneArgs),
    /// Send everything from a position or an instant on once more, in order.
    #[command(after_help = "Examples:\n  \
        daybook webhooks replay --from-position 4200\n  \
        daybook webhooks replay --since 2026-01-31T00:00:00Z --endpoint warehouse")]
    Replay(ReplayArgs),
    /// Take a delivery out of its queue; a resend or a replay sends it.
    Park(AsideArgs),
    /// Take a delivery out of its queue for good; only a resend sends it.
    Skip(AsideArgs),
    /// Where webhooks go.
    #[command(subcommand)]
    Endpoints(endpoints::Endpoints),
}

#[derive(Debug, Args)]
pub struct ListArgs {
    /// How they stand.
    #[arg(long)]
    status: Option<Status>,
    /// Name of the webhook.
    #[arg(long)]
    event: Option<String>,
    /// Whose.
    #[arg(long)]
    client: Option<ClientId>,
    /// Where to.
    #[arg(long)]
    endpoint: Option<EndpointId>,
    /// At most so many.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(i64).range(1..=500))]
    limit: i64,
    /// `nextCursor` of the page before.
    #[arg(long)]
    cursor: Option<Cursor>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Status {
    Pending,
    Delivered,
    Parked,
    Skipped,
}

#[derive(Debug, Args)]
pub struct OneArgs {
    /// The webhook's id.
    id: Uuid,
}

#[derive(Debug, Args)]
pub struct AsideArgs {
    /// The webhook's id.
    id: Uuid,
    /// Why; it stands in the book.
    #[arg(long)]
    reason: String,
}

#[derive(Debug, Args)]
pub struct ReplayArgs {
    /// The first position of the book.
    #[arg(long, required_unless_present = "since", conflicts_with = "since",
        value_parser = clap::value_parser!(i64).range(1..))]
    from_position: Option<i64>,
    /// The first instant.
    #[arg(long)]
    since: Option<DateTime<Utc>>,
    /// Where to.
    #[arg(long, default_value = "crm")]
    endpoint: EndpointId,
}

pub async fn run(what: Webhooks, at: At<'_>, json: bool) -> anyhow::Result<Verdict> {
    let store = at.store().await?;
    match what {
        Webhooks::List(args) => list(store, args, json).await,
        Webhooks::Resend(OneArgs { id }) => {
            let command = EndpointCommand::Resend { delivery_id: id };
            hand_over(&store, endpoint_of(&store, id).await?, command, json).await
        }
        Webhooks::Park(args) => aside(&store, args, endpoint::SetAside::Parked, json).await,
        Webhooks::Skip(args) => aside(&store, args, endpoint::SetAside::Skipped, json).await,
        Webhooks::Replay(args) => replay(&store, args, json).await,
        Webhooks::Endpoints(what) => endpoints::run(what, &store, json).await,
    }
}

/// A delivery as `--json` prints it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    id: Uuid,
    endpoint: String,
    event: String,
    status: &'static str,
    client_id: ClientId,
    position: i64,
    number: i64,
    client_number: i64,
    tries: i32,
    next_at: Option<DateTime<Utc>>,
}

async fn list(store: Store, args: ListArgs, json: bool) -> anyhow::Result<Verdict> {
    let filter = DeliveryFilter {
        status: args.status.map(|status| match status {
            Status::Pending => DeliveryStatus::Pending,
            Status::Delivered => DeliveryStatus::Delivered,
            Status::Parked => DeliveryStatus::Parked,
            Status::Skipped => DeliveryStatus::Skipped,
        }),
        event: args.event,
        client_id: args.client,
        endpoint: args.endpoint.map(|endpoint| endpoint.to_string()),
    };
    let page = Page {
        limit: args.limit,
        cursor: args.cursor,
    };
    let found = Deliveries::new(store).page(&filter, page).await?;
    let next = found.next_cursor.map(|cursor| cursor.to_string());
    let items: Vec<Line> = found.items.into_iter().map(line).collect();
    if json {
        print_json(&serde_json::json!({ "items": items, "nextCursor": next }))?;
        return Ok(Verdict::Fine);
    }
    let mut table = Table::new(&[
        "ID", "ENDPOINT", "NUMBER", "EVENT", "STATUS", "TRIES", "NEXT",
    ]);
    for item in items {
        table.row([
            item.id.to_string(),
            item.endpoint,
            item.number.to_string(),
            item.event,
            item.status.to_owned(),
            item.tries.to_string(),
            item.next_at
                .map_or(String::new(), |at| at.format("%F %T").to_string()),
        ]);
    }
    table.print();
    if let Some(next) = next {
        say!("More: --cursor {next}");
    }
    Ok(Verdict::Fine)
}

fn line(delivery: Delivery) -> Line {
    Line {
        id: delivery.id,
        endpoint: delivery.endpoint,
        event: delivery.event,
        status: delivery.status.as_str(),
        client_id: delivery.client_id,
        position: delivery.position,
        number: delivery.number,
        client_number: delivery.client_number,
        tries: delivery.tries,
        next_at: delivery.next_at,
    }
}

async fn aside(
    store: &Store,
    args: AsideArgs,
    manner: endpoint::SetAside,
    json: bool,
) -> anyhow::Result<Verdict> {
    let command = EndpointCommand::SetAside {
        delivery_id: args.id,
        manner,
        reason: args.reason,
    };
    hand_over(store, endpoint_of(store, args.id).await?, command, json).await
}

async fn replay(store: &Store, args: ReplayArgs, json: bool) -> anyhow::Result<Verdict> {
    let from_position = match (args.from_position, args.since) {
        (Some(position), _) => position,
        (None, Some(since)) => store.first_position_since(since).await?,
        (None, None) => anyhow::bail!("one of --from-position and --since is needed"),
    };
    let command = EndpointCommand::Replay { from_position };
    hand_over(store, args.endpoint, command, json).await
}

/// Where a delivery goes.
async fn endpoint_of(store: &Store, id: Uuid) -> anyhow::Result<EndpointId> {
    let found = Deliveries::new(store.clone()).get(id).await?;
    let (delivery, _) = found.with_context(|| format!("there is no delivery {id}"))?;
    Ok(delivery.endpoint.parse()?)
}

async fn hand_over(
    store: &Store,
    endpoint: EndpointId,
    command: EndpointCommand,
    json: bool,
) -> anyhow::Result<Verdict> {
    let command = OperatorCommand::Endpoint {
        endpoint,
        command,
        key: None,
    };
    let outcome = operator::hand_over(store, &command).await?;
    operator::tell(&outcome, json)
}

/// Names that a filter may hold.
fn checked(events: Vec<String>) -> anyhow::Result<Vec<String>> {
    let known = daybook_projections::crm::event_names();
    for event in &events {
        ensure!(
            known.contains(&event.as_str()),
            "{event} is no webhook; there are {}",
            known.join(", ")
        );
    }
    Ok(events)
}
