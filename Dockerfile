# syntax=docker/dockerfile:1

# Builds the program in one stage and ships it alone in another: Debian's smallest, as an ordinary
# user, with an external Postgres (compose.yaml brings one).

FROM rust:1.95-bookworm AS build
WORKDIR /src
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --release --locked --package daybook \
    && install -D target/release/daybook /out/daybook

FROM debian:bookworm-slim
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates curl tini \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 10001 --user-group --home-dir /data --shell /usr/sbin/nologin daybook \
    && install -d -o daybook -g daybook -m 0700 /data
COPY --from=build /out/daybook /usr/local/bin/daybook
USER 10001:10001
WORKDIR /data
VOLUME /data
# PORT and not DAYBOOK_LISTEN, so that a platform that sets PORT is heard.
ENV PORT=8080 \
    DAYBOOK_METRICS_LISTEN=0.0.0.0:9464 \
    DAYBOOK_DATA_DIR=/data \
    DAYBOOK_LOG_FORMAT=json
EXPOSE 8080 9464
# Live, not ready: a standby and a server whose database is away must not be restarted for it.
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s --retries=3 \
    CMD curl --fail --silent --output /dev/null "http://127.0.0.1:${PORT}/health/live"
STOPSIGNAL SIGTERM
ENTRYPOINT ["tini", "--", "daybook"]
CMD ["serve"]
