-- Commands that an operator's command line hands to the writer beside it, and what became of them.

create table public.operator_requests (
    id         uuid        not null,
    actor      text        not null,
    command    json        not null,
    created_at timestamptz not null default clock_timestamp(),
    -- Not taken by then, it is never executed: nobody waits for it any more.
    expires_at timestamptz not null,
    taken_at   timestamptz,
    done_at    timestamptz,
    outcome    json,
    constraint operator_requests_pkey primary key (id),
    constraint operator_requests_outcome check ((done_at is null) = (outcome is null))
);

create index operator_requests_open on public.operator_requests (created_at)
    where done_at is null;

comment on table public.operator_requests is
    'A queue, not the book: what was executed stands in the book under the request''s id.';

-- Trading days whose rollover every account has seen, so that a start asks about those after it
-- alone: what a flag or setting kept from being charged then must not be charged later.
create table public.rollovers (
    day     date        not null,
    done_at timestamptz not null default clock_timestamp(),
    constraint rollovers_pkey primary key (day)
);
