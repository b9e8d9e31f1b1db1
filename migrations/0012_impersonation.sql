-- Sessions of somebody of the broker's, in a client's place: why (sealed under the client's key), and
-- when they end however much they are used.

alter table public.sessions
    add column impersonation_reason text,
    add column ends_at timestamptz;
