-- Read models: where each stands, and the views through which readers see the live generation.

-- Readers only ever name `read.<table>`. Each view selects from the schema of one generation
-- (`p_<name>_<generation>`) and is pointed at another in the transaction that swaps it in.
create schema read;

create sequence public.projection_generations as bigint;

create table public.projections (
    name           text        primary key,
    version        integer     not null,
    generation     bigint      not null,
    position       bigint      not null check (position >= 0),
    status         text        not null check (status in ('running', 'stopped')),
    error          text,
    error_position bigint,
    updated_at     timestamptz not null default clock_timestamp()
) with (fillfactor = 20);

comment on table public.projections is
    'Checkpoints of the live generations. They move by compare-and-set on (generation, position), in the transaction of the writes they stand for, and never back.';
comment on column public.projections.version is 'Version of the tables and rows of the live generation.';
comment on column public.projections.generation is 'The live generation: names its schema.';
comment on column public.projections.position is 'Every event up to here is in the read model, none beyond.';
comment on column public.projections.error_position is 'The event at which it stopped.';
