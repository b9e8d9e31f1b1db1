-- What stands between an attacker and the routes, shared by every node. Nothing here is of the book.

-- Rate limits, one row for each caller that has not regained the whole of a limit yet. A crash of
-- the server empties it, which forgives one burst; in return no request waits for a disk.
create unlogged table public.rate_limits (
    class    text    not null,
    caller   text    not null,
    full_at  bigint  not null,
    asked_at bigint  not null,
    allowed  boolean not null,
    constraint rate_limits_pkey primary key (class, caller)
) with (fillfactor = 70);

comment on column public.rate_limits.full_at is
    'When the whole limit will be there again: microseconds since 1970.';
comment on column public.rate_limits.allowed is
    'Whether the newest request passed: what the statement that decided it returns.';

-- Sign-ins that failed, and those under way. Logged, so that a restart forgives nobody.
create table public.sign_in_attempts (
    subject    text        not null,
    attempt    uuid        not null,
    lapses_at  timestamptz,
    expires_at timestamptz not null,
    constraint sign_in_attempts_pkey primary key (subject, attempt)
);

comment on column public.sign_in_attempts.subject is
    'Keyed hash of an account or an address; neither can be read here.';
comment on column public.sign_in_attempts.lapses_at is
    'Under way until then, and failed afterwards; null: failed.';
comment on column public.sign_in_attempts.expires_at is
    'Counts no longer from then on.';

create table public.sign_in_blocks (
    subject text        not null,
    until   timestamptz not null,
    constraint sign_in_blocks_pkey primary key (subject)
);

-- Addresses that are refused whatever they ask for.
create table public.blocked_addresses (
    network    cidr        not null,
    reason     text        not null,
    blocked_at timestamptz not null default clock_timestamp(),
    expires_at timestamptz,
    constraint blocked_addresses_pkey primary key (network)
);

comment on column public.blocked_addresses.network is
    'One address of IPv4, 64 bits of IPv6.';
comment on column public.blocked_addresses.expires_at is
    'Null: until it is removed.';

-- Every node looks at this row twice a second, and at the table when it has changed.
create table public.blocked_addresses_version (
    only_row boolean not null default true,
    version  bigint  not null,
    constraint blocked_addresses_version_pkey primary key (only_row),
    constraint blocked_addresses_version_only_row check (only_row)
);
insert into public.blocked_addresses_version (version) values (0);

create function public.blocked_addresses_changed() returns trigger language plpgsql as $$
begin
    update public.blocked_addresses_version set version = version + 1;
    return null;
end
$$;

create trigger blocked_addresses_change
    after insert or update or delete or truncate on public.blocked_addresses
    for each statement execute function public.blocked_addresses_changed();
