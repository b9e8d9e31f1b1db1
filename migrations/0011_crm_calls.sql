-- Calls of the CRM's own service API that events of the book cause: which are due, and what became
-- of them. What is said in a call is put together when it is made; no row holds personal data or a
-- secret.

create table public.crm_calls (
    -- The event that caused it: none causes two.
    position    bigint      not null check (position >= 1),
    kind        text        not null check (kind in ('link', 'kyc', 'note')),
    client_id   uuid        not null,
    -- When the event was recorded.
    created_at  timestamptz not null,
    -- Not tried before; while a try is under way, when it counts as lost.
    due_at      timestamptz not null,
    attempts    integer     not null default 0,
    last_error  text,
    -- At most one of these: done with.
    done_at     timestamptz,
    given_up_at timestamptz,
    skipped_at  timestamptz,
    constraint crm_calls_pkey primary key (position),
    constraint crm_calls_done_once check (num_nonnulls(done_at, given_up_at, skipped_at) <= 1)
);

create index crm_calls_due on public.crm_calls (due_at)
    where done_at is null and given_up_at is null and skipped_at is null;
-- Those of one client are made one after another.
create index crm_calls_open on public.crm_calls (client_id, position)
    where done_at is null and given_up_at is null and skipped_at is null;
create index crm_calls_client on public.crm_calls (client_id);

comment on column public.crm_calls.skipped_at is
    'Never made, and rightly so: what it would say is no longer so, or nobody is there to be told.';

-- One row: how far the book has been read for calls. It moves in the transaction that inserts them,
-- by compare-and-set, and may stay behind while nothing causes a call.
create table public.crm_checkpoint (
    only_row boolean primary key default true check (only_row),
    position bigint  not null default 0
);

insert into public.crm_checkpoint default values;
