-- Mails that events of the book cause: which are due, and what became of them. What stands in a
-- mail is put together when it is sent; no row holds personal data or a secret.

create table public.mails (
    -- UUIDv5 of position and template: the same event never causes the same mail twice.
    id          uuid        not null,
    template    text        not null,
    client_id   uuid        not null,
    -- The event that caused it.
    position    bigint      not null check (position >= 1),
    -- When that was recorded.
    created_at  timestamptz not null,
    -- Not tried before; while a try is under way, when it counts as failed.
    due_at      timestamptz not null,
    attempts    integer     not null default 0,
    last_error  text,
    -- At most one of these: done.
    sent_at     timestamptz,
    given_up_at timestamptz,
    skipped_at  timestamptz,
    constraint mails_pkey primary key (id),
    constraint mails_done_once check (num_nonnulls(sent_at, given_up_at, skipped_at) <= 1)
);

create index mails_due on public.mails (due_at)
    where sent_at is null and given_up_at is null and skipped_at is null;
create index mails_client on public.mails (client_id);

comment on column public.mails.skipped_at is
    'Never sent, and rightly so: too old when it was found, or there is no more reason for it.';

-- One row: how far the book has been read for mails. It moves in the transaction that inserts them,
-- by compare-and-set, and may stay behind while nothing causes a mail.
create table public.mail_checkpoint (
    only_row boolean primary key default true check (only_row),
    position bigint  not null default 0
);

insert into public.mail_checkpoint default values;
