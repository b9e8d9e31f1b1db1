"""The vendor's own client against the simulator: REST, then WebSocket. Exits non-zero on failure.

Usage: vendor_client.py http://127.0.0.1:PORT ws://127.0.0.1:PORT/v1/quotes/price
"""

import json
import queue
import sys
import time
import urllib.request

import twelvedata.exceptions
from twelvedata import TDClient

DEADLINE_S = 60


def faults(base_url, **switches):
    """Switches these faults on, and all others off."""
    body = json.dumps(switches).encode()
    headers = {"content-type": "application/json"}
    address = base_url + "/control/faults"
    request = urllib.request.Request(address, data=body, headers=headers, method="PUT")
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request) as answer:
        assert answer.status == 200, answer.status


def raises(error, call):
    try:
        call()
    except error:
        return
    raise AssertionError(f"{error.__name__} was expected")


def check_rest(client):
    candles = client.time_series(symbol="EUR/USD", interval="1min", outputsize=5).as_json()
    assert len(candles) == 5, candles
    for candle in candles:
        low, high = float(candle["low"]), float(candle["high"])
        assert low <= float(candle["open"]) <= high, candle
        assert low <= float(candle["close"]) <= high, candle
    times = [candle["datetime"] for candle in candles]
    assert times == sorted(times, reverse=True), times

    batch = client.time_series(symbol="EUR/USD,BTC/USD", interval="1day", outputsize=2).as_json()
    assert set(batch) == {"EUR/USD", "BTC/USD"}, batch

    price = client.price(symbol="XAU/USD").as_json()
    assert 1000 < float(price["price"]) < 10000, price
    quote = client.quote(symbol="EUR/USD").as_json()
    assert quote["symbol"] == "EUR/USD" and quote["is_market_open"] is True, quote

    pairs = {pair["symbol"] for pair in client.get_forex_pairs_list().as_json()}
    assert {"EUR/USD", "GBP/JPY"} <= pairs, pairs
    coins = {coin["symbol"] for coin in client.get_cryptocurrencies_list().as_json()}
    assert "BTC/USD" in coins, coins
    found = client.symbol_search(symbol="EUR").as_json()
    assert any(row["symbol"] == "EUR/USD" for row in found), found

    raises(
        twelvedata.exceptions.BadRequestError,
        client.time_series(symbol="EUR/USD", interval="7min").as_json,
    )
    raises(
        twelvedata.exceptions.TwelveDataError,
        client.price(symbol="NO/SUCH").as_json,
    )


def check_errors(client, base_url):
    faults(base_url, rateLimit=True)
    raises(
        twelvedata.exceptions.TwelveDataError,
        client.price(symbol="EUR/USD").as_json,
    )
    faults(base_url, unauthorized=True)
    raises(
        twelvedata.exceptions.InvalidApiKeyError,
        client.price(symbol="EUR/USD").as_json,
    )
    faults(base_url)
    client.price(symbol="EUR/USD").as_json()


def check_key(base_url):
    keyless = TDClient(apikey="demo", base_url=base_url)
    keyless.ctx.apikey = ""
    try:
        keyless.price(symbol="EUR/USD").as_json()
    except twelvedata.exceptions.InvalidApiKeyError:
        return
    raise AssertionError("a missing key was accepted")


def wait_for(events, what, matches):
    deadline = time.monotonic() + DEADLINE_S
    while time.monotonic() < deadline:
        try:
            event = events.get(timeout=1)
        except queue.Empty:
            continue
        if matches(event):
            return event
    raise AssertionError("not received: " + what)


def check_websocket(client, ws_url):
    events = queue.Queue()
    socket = client.websocket(symbols=["EUR/USD", "NO/SUCH"], on_event=events.put)
    socket.url = ws_url + "?apikey=demo"
    socket.connect()

    status = wait_for(events, "status", lambda e: e["event"] == "subscribe-status")
    assert [row["symbol"] for row in status["success"]] == ["EUR/USD"], status
    assert [row["symbol"] for row in status["fails"]] == ["NO/SUCH"], status

    price = wait_for(events, "price", lambda e: e["event"] == "price")
    assert price["symbol"] == "EUR/USD" and price["currency"] == "USD", price
    assert price["bid"] <= price["price"] <= price["ask"], price
    assert abs(price["timestamp"] - time.time()) < DEADLINE_S, price

    socket.subscribe(["BTC/USD"])
    wait_for(events, "bitcoin", lambda e: e.get("symbol") == "BTC/USD")

    socket.unsubscribe(["EUR/USD"])
    wait_for(events, "unsubscribe", lambda e: e["event"] == "unsubscribe-status")
    for _ in range(5):
        price = wait_for(events, "price", lambda e: e["event"] == "price")
        assert price["symbol"] == "BTC/USD", price

    socket.heartbeat()
    wait_for(events, "heartbeat", lambda e: e["event"] == "heartbeat")
    socket.reset()
    wait_for(events, "reset", lambda e: e["event"] == "reset-status")
    socket.disconnect()


def main():
    base_url, ws_url = sys.argv[1:]
    client = TDClient(apikey="demo", base_url=base_url)
    check_rest(client)
    check_key(base_url)
    check_errors(client, base_url)
    check_websocket(client, ws_url)
    print(json.dumps({"ok": True}))


if __name__ == "__main__":
    main()
