// The vendor's own Node client against the simulator: REST, then WebSocket, errors included. Exits
// non-zero on failure.
//
// Usage: NODE_PATH=…/node_modules node vendor_client.cjs http://127.0.0.1:PORT ws://127.0.0.1:PORT/v1/quotes/price

const assert = require("node:assert/strict");
const { once } = require("node:events");
const {
  CreateConfig,
  MarketDataApi,
  ReferenceDataApi,
  TooManyRequestsError,
  NotFoundError,
  BadRequestError,
  UnauthorizedError,
  TwelvedataWebSocketClient,
  WebSocketAuthError,
} = require("@twelvedata/twelvedata-node");

const DEADLINE_MS = 60_000;
const [baseUrl, wsUrl] = process.argv.slice(2);

async function faults(switches) {
  const answer = await fetch(`${baseUrl}/control/faults`, {
    method: "PUT",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(switches),
  });
  assert.equal(answer.status, 200);
}

async function checkRest() {
  const market = new MarketDataApi(CreateConfig("demo", baseUrl));
  const series = await market.getTimeSeries({ symbol: "EUR/USD", interval: "1min", outputsize: 5 });
  assert.equal(series.values.length, 5, JSON.stringify(series));
  const times = series.values.map((candle) => candle.datetime);
  assert.deepEqual(times, [...times].sort().reverse());
  const price = await market.getPrice({ symbol: "XAU/USD" });
  assert.match(price.price, /^\d+\.\d+$/);
  const quote = await market.getQuote({ symbol: "EUR/USD" });
  assert.equal(quote.symbol, "EUR/USD");

  const reference = new ReferenceDataApi(CreateConfig("demo", baseUrl));
  const pairs = (await reference.getForexPairs({})).data.map((pair) => pair.symbol);
  assert.ok(pairs.includes("EUR/USD") && pairs.includes("GBP/JPY"), pairs.join());
  const coins = (await reference.getCryptocurrencies({})).data.map((coin) => coin.symbol);
  assert.ok(coins.includes("BTC/USD"), coins.join());
  const found = (await reference.getSymbolSearch({ symbol: "EUR" })).data;
  assert.ok(found.some((row) => row.symbol === "EUR/USD"));

  const unknown = market.getPrice({ symbol: "NO/SUCH" });
  await assert.rejects(unknown, NotFoundError);
  const interval = market.getTimeSeries({ symbol: "EUR/USD", interval: "7min" });
  await assert.rejects(interval, BadRequestError);
  await faults({ rateLimit: true });
  await assert.rejects(market.getPrice({ symbol: "EUR/USD" }), TooManyRequestsError);
  await faults({ unauthorized: true });
  await assert.rejects(market.getPrice({ symbol: "EUR/USD" }), UnauthorizedError);
  await faults({});
}

async function until(client, event, what, fits) {
  const signal = AbortSignal.timeout(DEADLINE_MS);
  for (;;) {
    let message;
    try {
      [message] = await once(client, event, { signal });
    } catch (error) {
      throw new Error(`not received: ${what}`, { cause: error });
    }
    if (fits(message)) return message;
  }
}

async function checkWebSocket() {
  const reconnect = { initialDelayMs: 50, maxDelayMs: 200 };
  const client = new TwelvedataWebSocketClient({ apiKey: "demo", url: wsUrl, pingIntervalMs: 500, reconnect });
  const problems = [];
  client.on("error", (error) => problems.push(error));
  await client.connect();
  const any = () => true;

  const status = until(client, "subscribe-status", "a status", any);
  client.subscribe(["EUR/USD", "NO/SUCH"]);
  const { success, fails } = await status;
  assert.deepEqual(success.map((row) => row.symbol), ["EUR/USD"]);
  assert.deepEqual(fails.map((row) => row.symbol), ["NO/SUCH"]);
  const price = await until(client, "price", "a price", any);
  assert.equal(price.symbol, "EUR/USD");
  assert.ok(price.bid <= price.price && price.price <= price.ask, JSON.stringify(price));

  client.subscribe({ symbol: "BTC/USD", type: "Digital Currency" });
  await until(client, "price", "bitcoin", (event) => event.symbol === "BTC/USD");
  const unsubscribed = until(client, "message", "unsubscribed", (event) => event.event === "unsubscribe-status");
  client.unsubscribe(["EUR/USD", "NO/SUCH"]);
  await unsubscribed;
  for (let count = 0; count < 5; count++) {
    const next = await until(client, "price", "a price", any);
    assert.equal(next.symbol, "BTC/USD");
  }
  const heartbeat = until(client, "heartbeat", "a heartbeat", any);
  client.heartbeat();
  assert.equal((await heartbeat).status, "ok");
  // Pings every half second have been answered; without a pong it would have been cut by now.
  assert.deepEqual(problems, []);

  // Cut off, it comes back by itself and has its subscription again.
  const again = until(client, "price", "a price after the cut", any);
  await fetch(`${baseUrl}/control/hang-up`, { method: "POST" });
  await once(client, "reconnecting", { signal: AbortSignal.timeout(DEADLINE_MS) });
  await until(client, "price", "a price after the cut", any);
  await again;

  const reset = until(client, "message", "a reset", (event) => event.event === "reset-status");
  client.reset();
  await reset;
  client.disconnect();
}

async function checkRefusedKey() {
  await faults({ unauthorized: true });
  const client = new TwelvedataWebSocketClient({ apiKey: "demo", url: wsUrl });
  client.on("error", () => {});
  await assert.rejects(client.connect(), WebSocketAuthError);
  await faults({});
}

async function main() {
  // The client's timers keep no process alive, and between two connections nothing else would.
  setInterval(() => {}, 1_000);
  await checkRest();
  await checkWebSocket();
  await checkRefusedKey();
  console.log(JSON.stringify({ ok: true }));
  process.exit(0);
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
