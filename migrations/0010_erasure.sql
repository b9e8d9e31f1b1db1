-- Erasures: which of those that the book tells of are done.

-- The few events that say so, found without reading the book.
create index events_erasures on public.events (position) where event_type = 'ClientErased';

-- Destroyed keys by time: nodes that hold a copy in memory look for them several times a second.
create index subject_keys_destroyed_at on public.subject_keys (destroyed_at)
    where destroyed_at is not null;

create table public.erasures (
    position    bigint      not null,
    client      uuid        not null,
    finished_at timestamptz not null default clock_timestamp(),
    constraint erasures_pkey primary key (position)
);

create index erasures_client on public.erasures (client);

comment on table public.erasures is
    'Erasures after which nothing is left to do. One that the book tells of and that is missing here is finished by the node that writes.';
