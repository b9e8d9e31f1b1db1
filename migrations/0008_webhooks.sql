-- Deliveries of webhooks: what was sent and what became of it. What is to be sent follows from the
-- book (`read.outbox`); nothing of this is touched when that is built again, so that nothing is sent
-- twice for a rebuild.

create table public.webhook_cursor (
    only_row boolean primary key default true check (only_row),
    position bigint  not null default 0
) with (fillfactor = 20);

insert into public.webhook_cursor default values;

comment on column public.webhook_cursor.position is
    'Webhooks of events up to here are deliveries, and what operators said up to here was done.';

create table public.webhook_deliveries (
    id            uuid        not null,
    -- In the order of arrival: pages of lists.
    sequence      bigint      not null generated always as identity,
    endpoint      text        not null,
    number        bigint      not null,
    client_id     uuid        not null,
    client_number bigint      not null,
    position      bigint      not null,
    event         text        not null,
    -- The queue it waits in: its client's, or one of its own when it is sent again by hand.
    lane          uuid        not null,
    status        text        not null
        check (status in ('pending', 'delivered', 'parked', 'skipped')),
    -- Since it was last asked for; all there ever were stand in webhook_attempts.
    tries         integer     not null default 0,
    updated_at    timestamptz not null default clock_timestamp(),
    constraint webhook_deliveries_pkey primary key (id)
) with (fillfactor = 70);

create unique index webhook_deliveries_sequence on public.webhook_deliveries (sequence);
create index webhook_deliveries_waiting on public.webhook_deliveries (endpoint, lane, number)
    where status = 'pending';
create index webhook_deliveries_parked on public.webhook_deliveries (endpoint, sequence)
    where status = 'parked';
create index webhook_deliveries_position on public.webhook_deliveries (endpoint, position);
create index webhook_deliveries_client on public.webhook_deliveries (client_id, sequence);

-- One row per queue. Whoever leases it sends from its head, in order; nobody else does meanwhile.
create table public.webhook_lanes (
    endpoint     text        not null,
    lane         uuid        not null,
    -- Deliveries that are pending in it.
    waiting      bigint      not null,
    next_at      timestamptz not null,
    leased_until timestamptz,
    -- Epoch of the node that holds it: a node that leads later need not wait for the time.
    leased_by    bigint,
    -- Made for one delivery that is sent again; dropped when it is empty.
    aside        boolean     not null default false,
    constraint webhook_lanes_pkey primary key (endpoint, lane)
) with (fillfactor = 50);

create index webhook_lanes_due on public.webhook_lanes (endpoint, next_at) where waiting > 0;

create table public.webhook_attempts (
    attempt     bigint      not null generated always as identity,
    delivery_id uuid        not null,
    at          timestamptz not null,
    -- HTTP; none: there was no answer.
    status      smallint,
    latency_ms  integer     not null,
    -- What was answered or went wrong, sealed under the client's key: it may repeat the body.
    answer      text,
    constraint webhook_attempts_pkey primary key (attempt)
);

create index webhook_attempts_delivery on public.webhook_attempts (delivery_id, attempt);
