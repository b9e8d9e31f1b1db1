-- Candles as the market data provider gave them: a cache that outlives the process. Nothing here is
-- of the book; delete all of it and it is fetched again.

create table public.candles (
    source     text        not null,
    symbol     text        not null,
    "interval" text        not null,
    time       timestamptz not null,
    open       numeric     not null,
    high       numeric     not null,
    low        numeric     not null,
    close      numeric     not null,
    volume     numeric     not null,
    constraint candles_pkey primary key (source, symbol, "interval", time)
);

comment on column public.candles.source is
    'Whose candles these are; those of a simulated market never mix with a real one''s.';
comment on column public.candles.time is
    'Start of the candle, UTC. The newest one kept may still have been running.';

create table public.candle_series (
    source     text            not null,
    symbol     text            not null,
    "interval" text            not null,
    covered    tstzmultirange  not null,
    newest_at  timestamptz,
    constraint candle_series_pkey primary key (source, symbol, "interval")
);

comment on column public.candle_series.covered is
    'Where the provider has no candle but those kept: without a beginning where its history begins.';
comment on column public.candle_series.newest_at is
    'When the newest candles were last fetched.';
