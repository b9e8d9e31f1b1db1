"""Peer of `daybook bench fanout`: uWebSockets through socketify. One argument: the port.
A line "go RATE SECONDS SYMBOLS" on standard input starts the quotes."""

import asyncio
import os
import sys
import threading
import time

from socketify import App, AppListenOptions, CompressOptions, OpCode

orders = []


def listen_for_orders():
    for line in sys.stdin:
        orders.append([int(word) for word in line.split()[1:]])
    os._exit(0)


def quote(number, symbols):
    us = time.time_ns() // 1000
    price = f"{us // 1_000_000}.{us % 1_000_000:06}"
    at = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(us // 1_000_000)) + f".{us // 1000 % 1000:03}Z"
    return (
        f'{{"type":"quote","symbol":"BENCH{number % symbols:03}","bid":"{price}","ask":"{price}",'
        f'"time":"{at}","seq":{number + 1}}}'
    )


async def publish():
    while True:
        while not orders:
            await asyncio.sleep(0.01)
        rate, seconds, symbols = orders.pop(0)
        start, sent = time.monotonic(), 0
        while sent < rate * seconds:
            due = min(rate * seconds, int((time.monotonic() - start) * rate))
            while sent < due:
                app.publish("quotes", quote(sent, symbols), OpCode.TEXT)
                sent += 1
            await asyncio.sleep(0.001)


# A loop that rests 10 ms when it is idle would be an unfair peer.
app = App(idle_relaxation_time=0.0005)
app.ws(
    "/*",
    {
        "compression": CompressOptions.DISABLED,
        "idle_timeout": 240,
        "max_backpressure": 64 * 1024 * 1024,
        "open": lambda socket: socket.subscribe("quotes"),
        "message": lambda socket, message, code: None,
    },
)
app.listen(AppListenOptions(port=int(sys.argv[1]), host="127.0.0.1"), lambda _: print("ready", flush=True))
threading.Thread(target=listen_for_orders, daemon=True).start()
app.loop.loop.create_task(publish())
app.run()
