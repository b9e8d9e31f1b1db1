"""Runs Daybook's scenario files through NautilusTrader's backtest engine.

    driver.py FILE...

Prints one line of JSON for each file, in order: {fills, rejections, balance}, in Daybook's words
and units (names of the file, lots). Everything that decides a fill is NautilusTrader's own: entries
go out as its order types, protection as the contingent orders of an order list. This program only
translates, and never looks at a price to decide anything.
"""

import json
import os
import sys
from decimal import Decimal

from nautilus_trader.backtest.engine import BacktestEngine, BacktestEngineConfig
from nautilus_trader.backtest.models import FillModel, MakerTakerFeeModel
from nautilus_trader.common.config import LoggingConfig
from nautilus_trader.core.uuid import UUID4
from nautilus_trader.model.currencies import Currency
from nautilus_trader.model.data import QuoteTick
from nautilus_trader.model.enums import AccountType, ContingencyType, OmsType, OrderSide
from nautilus_trader.model.enums import TriggerType
from nautilus_trader.model.identifiers import ClientOrderId, InstrumentId, OrderListId, Symbol
from nautilus_trader.model.identifiers import TraderId, Venue
from nautilus_trader.model.instruments import CurrencyPair
from nautilus_trader.model.objects import Money, Price, Quantity
from nautilus_trader.model.orders import LimitOrder, MarketOrder, OrderList, StopLimitOrder
from nautilus_trader.model.orders import StopMarketOrder
from nautilus_trader.risk.config import RiskEngineConfig
from nautilus_trader.trading.strategy import Strategy

VENUE = Venue("SIM")
# As deep a market as Daybook's, which knows no depth.
DEPTH = Quantity.from_int(1_000_000_000)
NS_PER_MS = 1_000_000
STOP_LOSS, TAKE_PROFIT = "SL", "TP"
PROTECTION = {STOP_LOSS: "stopLoss", TAKE_PROFIT: "takeProfit"}


class Entry:
    """An order of the file and the protection that goes with it."""

    def __init__(self, command):
        self.name = command["id"]
        self.op = command["op"]
        self.side = OrderSide.BUY if command["side"] == "buy" else OrderSide.SELL
        self.volume = Decimal(command["volume"])
        self.limit = command.get("limitPrice")
        self.stop = command.get("stopPrice")
        # Of an order that has not filled yet.
        self.levels = {kind: command.get(field) for kind, field in PROTECTION.items()}
        self.order = None
        self.protection = {STOP_LOSS: None, TAKE_PROFIT: None}

    @property
    def closing_side(self):
        return OrderSide.SELL if self.side == OrderSide.BUY else OrderSide.BUY


class Replay(Strategy):
    """Sends the commands of a scenario, each on the tick that it waited for."""

    def __init__(self, commands, instrument, contract_size):
        super().__init__()
        self.waiting = sorted(commands, key=lambda command: command["atMs"])
        self.instrument = instrument
        self.contract_size = contract_size
        self.entries = {}
        # By client order id: the name in the report, and the entry behind it.
        self.names = {}
        # By client order id: the command that asked for the change under way.
        self.changing = {}
        self.fills = []
        self.rejections = []

    def on_start(self):
        self.subscribe_quote_ticks(self.instrument.id)

    def on_quote_tick(self, tick):
        now_ms = tick.ts_event // NS_PER_MS
        while self.waiting and self.waiting[0]["atMs"] <= now_ms:
            command = self.waiting.pop(0)
            if not self.execute_command(command):
                self.rejections.append(command["id"])

    # -- Commands. Each answers whether what it names was there.

    def execute_command(self, command):
        op = command["op"]
        if op in ("market", "limit", "stop", "stop_limit"):
            entry = Entry(command)
            self.entries[entry.name] = entry
            self.enter(entry)
            return True
        entry = self.entries[command["of"]]
        return {
            "modify": self.modify_entry,
            "cancel": self.cancel_entry,
            "protect": self.protect,
            "close": self.close,
        }[op](entry, command)

    def modify_entry(self, entry, command):
        order = entry.order
        if not self.is_working(order):
            return False
        # What a refused change left behind is nowhere but in the order itself.
        if order.has_price:
            entry.limit = command.get("limitPrice", str(order.price))
        if order.has_trigger_price:
            entry.stop = command.get("stopPrice", str(order.trigger_price))
        entry.volume = Decimal(command.get("volume", entry.volume))
        for kind, field in PROTECTION.items():
            entry.levels[kind] = command.get(field, entry.levels[kind])
        is_list = order.order_list_id is not None
        to_children = {"volume", *PROTECTION.values()} & command.keys()
        if to_children and (is_list or any(entry.levels.values())):
            # An order list takes no change of its parts: it is replaced, as a client would.
            self.cancel_order(order)
            self.enter(entry)
            return True
        self.changing[order.client_order_id] = command["id"]
        self.modify_order(
            order,
            quantity=self.units(entry.volume),
            price=self.price(entry.limit),
            trigger_price=self.price(entry.stop),
        )
        return True

    def cancel_entry(self, entry, _command):
        if not self.is_working(entry.order):
            return False
        self.cancel_order(entry.order)
        return True

    def protect(self, entry, command):
        position = self.position_of(entry)
        if position is None:
            return False
        for kind, field in PROTECTION.items():
            if field not in command:
                continue
            order = entry.protection[kind]
            level = self.price(command[field])
            if not self.is_working(order):
                if level is not None:
                    self.protect_alone(entry, kind, level, position, command["id"])
            elif level is None:
                self.unprotect(entry, kind, position, command["id"])
            else:
                self.changing[order.client_order_id] = command["id"]
                if kind == STOP_LOSS:
                    self.modify_order(order, trigger_price=level)
                else:
                    self.modify_order(order, price=level)
        return True

    def unprotect(self, entry, kind, position, name):
        """Takes one level away. Linked orders go together: the other one comes back alone."""
        order = entry.protection[kind]
        self.cancel_order(order)
        entry.protection[kind] = None
        other = TAKE_PROFIT if kind == STOP_LOSS else STOP_LOSS
        linked = entry.protection[other]
        if order.linked_order_ids and self.is_working(linked):
            level = linked.trigger_price if other == STOP_LOSS else linked.price
            self.protect_alone(entry, other, level, position, name)

    def close(self, entry, command):
        position = self.position_of(entry)
        if position is None:
            return False
        quantity = position.quantity
        if "volume" in command:
            quantity = self.units(Decimal(command["volume"]))
        order = MarketOrder(
            order_side=entry.closing_side,
            quantity=quantity,
            reduce_only=True,
            **self.identity(entry, command["id"]),
        )
        self.submit_order(order, position_id=position.id)
        return True

    # -- Orders.

    def enter(self, entry):
        """Submits the entry; its protection comes to life when it fills."""
        kinds = [kind for kind, level in entry.levels.items() if level is not None]
        identity = self.identity(entry, entry.name)
        children = {kind: self.identity(entry, f"{entry.name}-{kind}") for kind in kinds}
        links = [child["client_order_id"] for child in children.values()]
        if not kinds:
            entry.protection = {STOP_LOSS: None, TAKE_PROFIT: None}
            entry.order = self.entry_order(entry, identity)
            self.submit_order(entry.order)
            return
        list_id = OrderListId(str(identity["client_order_id"]))
        identity |= {
            "contingency_type": ContingencyType.OTO,
            "order_list_id": list_id,
            "linked_order_ids": links,
        }
        entry.order = self.entry_order(entry, identity)
        entry.protection = {STOP_LOSS: None, TAKE_PROFIT: None}
        for kind, child in children.items():
            child |= {"order_list_id": list_id, "parent_order_id": identity["client_order_id"]}
            if len(links) > 1:
                child["contingency_type"] = ContingencyType.OUO
                child["linked_order_ids"] = [
                    link for link in links if link != child["client_order_id"]
                ]
            terms = {"quantity": self.units(entry.volume), **child}
            level = self.price(entry.levels[kind])
            entry.protection[kind] = self.protection_order(entry, kind, level, terms)
        members = [entry.order, *(entry.protection[kind] for kind in kinds)]
        self.submit_order_list(OrderList(list_id, members))

    def entry_order(self, entry, identity):
        terms = {"order_side": entry.side, "quantity": self.units(entry.volume), **identity}
        limit, stop = self.price(entry.limit), self.price(entry.stop)
        by_quote = {"trigger_price": stop, "trigger_type": TriggerType.DEFAULT}
        if entry.op == "market":
            return MarketOrder(**terms)
        if entry.op == "limit":
            return LimitOrder(price=limit, **terms)
        if entry.op == "stop":
            return StopMarketOrder(**by_quote, **terms)
        return StopLimitOrder(price=limit, **by_quote, **terms)

    def protection_order(self, entry, kind, level, terms):
        terms = {"order_side": entry.closing_side, "reduce_only": True, **terms}
        if kind == TAKE_PROFIT:
            return LimitOrder(price=level, **terms)
        return StopMarketOrder(trigger_price=level, trigger_type=TriggerType.DEFAULT, **terms)

    def protect_alone(self, entry, kind, level, position, name):
        terms = self.identity(entry, f"{entry.name}-{kind}")
        terms["quantity"] = position.quantity
        order = self.protection_order(entry, kind, level, terms)
        entry.protection[kind] = order
        self.changing[order.client_order_id] = name
        self.submit_order(order, position_id=position.id)

    def identity(self, entry, name):
        """What every order is made with; an order that replaces another has an id of its own."""
        count = sum(1 for taken, _ in self.names.values() if taken == name)
        client_order_id = ClientOrderId(name if count == 0 else f"{name}/{count}")
        self.names[client_order_id] = (name, entry)
        return {
            "trader_id": self.trader_id,
            "strategy_id": self.id,
            "instrument_id": self.instrument.id,
            "client_order_id": client_order_id,
            "init_id": UUID4(),
            "ts_init": self.clock.timestamp_ns(),
        }

    # -- What came of it.

    def on_order_filled(self, event):
        name, entry = self.names[event.client_order_id]
        self.fills.append(
            {
                "ms": event.ts_event // NS_PER_MS,
                "order": name,
                "position": entry.name,
                "side": "buy" if event.order_side == OrderSide.BUY else "sell",
                "volume": str(event.last_qty.as_decimal() / self.contract_size),
                "price": str(event.last_px),
                "commission": str(event.commission.as_decimal()),
            },
        )

    def on_order_rejected(self, event):
        name, entry = self.names[event.client_order_id]
        if event.client_order_id in self.changing:
            self.rejections.append(self.changing.pop(event.client_order_id))
        elif name == entry.name or entry.order.filled_qty > 0:
            # The children of an order that never filled fall with it.
            self.rejections.append(name)

    def on_order_denied(self, event):
        self.rejections.append(f"{self.names[event.client_order_id][0]} denied: {event.reason}")

    def on_order_modify_rejected(self, event):
        name, _ = self.names[event.client_order_id]
        self.rejections.append(self.changing.pop(event.client_order_id, f"{name} unasked"))

    # -- Leaves.

    def is_working(self, order):
        return order is not None and not order.is_closed

    def position_of(self, entry):
        position = self.cache.position_for_order(entry.order.client_order_id)
        return position if position is not None and position.is_open else None

    def units(self, volume):
        return self.instrument.make_qty(volume * self.contract_size)

    def price(self, level):
        return None if level is None else self.instrument.make_price(Decimal(level))


def instrument_of(symbol, terms):
    digits = terms["digits"]
    rate = Decimal(str(terms.get("commissionRate", 0)))
    return CurrencyPair(
        instrument_id=InstrumentId(Symbol(symbol), VENUE),
        raw_symbol=Symbol(symbol),
        base_currency=Currency.from_str(terms["base"]),
        quote_currency=Currency.from_str(terms["quote"]),
        price_precision=digits,
        size_precision=0,
        price_increment=Price(Decimal(1).scaleb(-digits), digits),
        size_increment=Quantity.from_int(1),
        maker_fee=rate,
        taker_fee=rate,
        ts_event=0,
        ts_init=0,
    )


def ticks_of(paths, instrument):
    ticks = []
    for path in paths:
        with open(path, encoding="ascii") as lines:
            next(lines)
            for line in lines:
                ms, _, bid, ask = line.strip().split(",")
                ticks.append(
                    QuoteTick(
                        instrument_id=instrument.id,
                        bid_price=instrument.make_price(Decimal(bid)),
                        ask_price=instrument.make_price(Decimal(ask)),
                        bid_size=DEPTH,
                        ask_size=DEPTH,
                        ts_event=int(ms) * NS_PER_MS,
                        ts_init=int(ms) * NS_PER_MS,
                    ),
                )
    return ticks


def run(path):
    with open(path, encoding="utf-8") as file:
        scenario = json.load(file)
    account = scenario["account"]
    currency = Currency.from_str(account["currency"])
    ((symbol, terms),) = scenario["instruments"].items()
    instrument = instrument_of(symbol, terms)
    engine = BacktestEngine(
        BacktestEngineConfig(
            trader_id=TraderId("DAYBOOK-001"),
            logging=LoggingConfig(bypass_logging=True),
            risk_engine=RiskEngineConfig(bypass=True),
            run_analysis=False,
        ),
    )
    engine.add_venue(
        venue=VENUE,
        oms_type=OmsType.HEDGING,
        account_type=AccountType.MARGIN,
        base_currency=currency,
        starting_balances=[Money(Decimal(account["balance"]), currency)],
        default_leverage=Decimal(account["leverage"]),
        fill_model=FillModel(prob_fill_on_limit=1.0, prob_slippage=0.0),
        fee_model=MakerTakerFeeModel(),
    )
    engine.add_instrument(instrument)
    folder = os.path.dirname(path)
    paths = [os.path.join(folder, ticks) for ticks in scenario["ticks"]]
    engine.add_data(ticks_of(paths, instrument))
    replay = Replay(scenario["commands"], instrument, Decimal(str(terms["contractSize"])))
    engine.add_strategy(replay)
    engine.run()
    balance = engine.cache.account_for_venue(VENUE).balance_total(currency)
    report = {
        "fills": replay.fills,
        "rejections": replay.rejections,
        "balance": str(balance.as_decimal()),
    }
    engine.dispose()
    return report


if __name__ == "__main__":
    for scenario_path in sys.argv[1:]:
        print(json.dumps(run(scenario_path)), flush=True)
