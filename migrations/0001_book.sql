-- The book: events in one gap-free global order, the head row that orders and fences their writer,
-- and what is committed beside them.

create table public.events (
    position       bigint      not null check (position >= 1),
    sequence       bigint      not null check (sequence >= 1),
    recorded_at    timestamptz not null,
    aggregate_type text        collate "C" not null,
    aggregate_id   text        collate "C" not null,
    event_type     text        not null,
    event_version  text        not null,
    -- json, not jsonb: the bytes are hashed as they stand, and jsonb would rewrite them.
    payload        json        not null,
    metadata       json        not null,
    hash           bytea       not null check (octet_length(hash) = 32),
    constraint events_pkey primary key (aggregate_type, aggregate_id, sequence)
);

create unique index events_position on public.events (position);

comment on table public.events is
    'Append-only. Its columns contain those of postgres-es, which can read it unmodified.';
comment on column public.events.position is 'Global order from 1, without gaps; commit order.';
comment on column public.events.hash is
    'SHA-256 over the stream''s previous hash and this event as stored.';

-- One row. Every append updates it first, so its lock makes commit order position order, and a
-- writer whose epoch it no longer carries appends nothing.
create table public.head (
    only_row       boolean     primary key default true check (only_row),
    position       bigint      not null default 0,
    epoch          bigint      not null default 0,
    recorded_at    timestamptz not null default '1970-01-01T00:00:00Z',
    -- Names the last append, so that a writer that lost the answer can ask whether it happened.
    batch_id       uuid,
    leader_id      uuid,
    leader_address text,
    backend_pid    integer,
    backend_start  timestamptz,
    lease_until    timestamptz
) with (fillfactor = 50);

insert into public.head default values;

-- Who wrote when. `batch_before` is what the head row named at the change of hands: it tells a
-- fenced writer the fate of the append it had in flight.
create table public.tenures (
    epoch           bigint      primary key,
    leader_id       uuid        not null,
    leader_address  text        not null,
    position_before bigint      not null,
    batch_before    uuid,
    started_at      timestamptz not null default clock_timestamp()
);

create table public.idempotency (
    -- Caller, a space, and the route. Compared by bytes, so that a caller's keys are one range.
    scope        text        collate "C" not null,
    key          text        collate "C" not null,
    aggregate_id text        not null,
    request_hash bytea       not null check (octet_length(request_hash) = 32),
    status       smallint    not null,
    body         text        not null,
    position     bigint      not null,
    recorded_at  timestamptz not null,
    constraint idempotency_pkey primary key (scope, key)
);

-- Rows arrive in time order and are expired by time: a block range index is enough and costs
-- nearly nothing to keep.
create index idempotency_recorded_at on public.idempotency
    using brin (recorded_at) with (pages_per_range = 32);

create table public.unique_values (
    kind  text not null,
    value text not null,
    owner uuid not null,
    constraint unique_values_pkey primary key (kind, value)
);

create index unique_values_owner on public.unique_values (owner);

-- One data key per subject, wrapped by the master key. Destroying it erases the subject.
create table public.subject_keys (
    subject      uuid        not null,
    wrapped      bytea,
    created_at   timestamptz not null,
    destroyed_at timestamptz,
    constraint subject_keys_pkey primary key (subject),
    constraint subject_keys_destroyed check ((wrapped is null) = (destroyed_at is not null))
);

create table public.secrets (
    subject    uuid        not null,
    name       text        not null,
    value      text        not null,
    changed_at timestamptz not null,
    constraint secrets_pkey primary key (subject, name)
);

-- A cache: delete it and nothing changes but the time to load.
create table public.snapshots (
    aggregate_type text    not null,
    state_version  integer not null,
    aggregate_id   text    not null,
    sequence       bigint  not null,
    hash           bytea   not null,
    state          text    not null,
    constraint snapshots_pkey primary key (aggregate_type, state_version, aggregate_id)
);

-- Up to `position` every stream of the type is covered by its snapshot of that version.
create table public.snapshot_floor (
    aggregate_type text    not null,
    state_version  integer not null,
    position       bigint  not null,
    constraint snapshot_floor_pkey primary key (aggregate_type, state_version)
);

create sequence public.account_numbers start with 100001;

-- A floor is true only as long as the snapshots it speaks of are there.
create function public.forget_snapshot_floor() returns trigger language plpgsql as $$
begin
    if tg_op = 'TRUNCATE' then
        delete from public.snapshot_floor;
    else
        delete from public.snapshot_floor f
        using (select distinct aggregate_type, state_version from gone) g
        where f.aggregate_type = g.aggregate_type and f.state_version = g.state_version;
    end if;
    return null;
end
$$;

create trigger snapshots_deleted after delete on public.snapshots
    referencing old table as gone
    for each statement execute function public.forget_snapshot_floor();
create trigger snapshots_truncated after truncate on public.snapshots
    for each statement execute function public.forget_snapshot_floor();

-- What stands in the book stays as it is: refused for everybody, the owner and superusers included.
create function public.refuse_change_of_book() returns trigger language plpgsql as $$
begin
    raise exception 'the book is append-only: % of % refused', lower(tg_op), tg_table_name
        using errcode = 'restrict_violation';
end
$$;

create trigger events_are_immutable before update or delete on public.events
    for each row execute function public.refuse_change_of_book();
create trigger events_stay before truncate on public.events
    for each statement execute function public.refuse_change_of_book();
create trigger tenures_are_immutable before update or delete on public.tenures
    for each row execute function public.refuse_change_of_book();
create trigger tenures_stay before truncate on public.tenures
    for each statement execute function public.refuse_change_of_book();
create trigger head_stays before delete or truncate on public.head
    for each statement execute function public.refuse_change_of_book();

-- ALWAYS: they fire under session_replication_role = replica too.
alter table public.events enable always trigger events_are_immutable;
alter table public.events enable always trigger events_stay;

revoke update, delete, truncate on public.events, public.tenures from public, current_user;
