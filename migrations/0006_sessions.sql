-- Who is signed in where. A session is opened and revoked in the append of the event that says so;
-- its refresh token is replaced without an event.

create table public.sessions (
    session_id        uuid        not null,
    subject           uuid        not null,
    -- Who the subject is: client | staff.
    audience          text        not null,
    -- Sealed under the subject's key.
    user_agent        text,
    address           text        not null,
    created_at        timestamptz not null,
    last_seen_at      timestamptz not null,
    -- The newest refresh token, and the one that it replaced.
    refresh_id        uuid        not null,
    refresh_issued_at timestamptz not null,
    parent_id         uuid,
    expires_at        timestamptz not null,
    revoked_at        timestamptz,
    -- Somebody of the broker's, in the client's place.
    impersonated_by   text,
    constraint sessions_pkey primary key (session_id)
);

create index sessions_subject on public.sessions (subject) where revoked_at is null;
create index sessions_revoked on public.sessions (revoked_at) where revoked_at is not null;
create index sessions_expires on public.sessions (expires_at);

comment on table public.sessions is
    'Not derived from the book: refresh tokens are secrets. What opened and ended them stands in it.';
