// Peer of `daybook bench fanout`: Node with the package `ws`. One argument: the port.
// A line "go RATE SECONDS SYMBOLS" on standard input starts the quotes.
import { createInterface } from "node:readline";
import { WebSocketServer } from "ws";

const port = Number(process.argv[2]);
const server = new WebSocketServer({ host: "127.0.0.1", port, perMessageDeflate: false, clientTracking: true });
server.on("connection", (socket) => socket.on("error", () => {}));
server.on("listening", () => console.log("ready"));

const micros = () => Math.round((performance.timeOrigin + performance.now()) * 1000);
const price = (us) => `${Math.floor(us / 1e6)}.${String(us % 1e6).padStart(6, "0")}`;

function quote(number, symbols) {
  const us = micros();
  const symbol = `BENCH${String(number % symbols).padStart(3, "0")}`;
  const time = new Date(us / 1000).toISOString();
  return `{"type":"quote","symbol":"${symbol}","bid":"${price(us)}","ask":"${price(us)}","time":"${time}","seq":${number + 1}}`;
}

createInterface({ input: process.stdin }).on("line", (line) => {
  const [, rate, seconds, symbols] = line.split(" ").map(Number);
  const start = performance.now();
  let sent = 0;
  const timer = setInterval(() => {
    const due = Math.min(rate * seconds, Math.floor(((performance.now() - start) * rate) / 1000));
    while (sent < due) {
      const text = Buffer.from(quote(sent++, symbols));
      for (const client of server.clients) client.send(text, { binary: false });
    }
    if (sent >= rate * seconds) clearInterval(timer);
  }, 1);
}).on("close", () => process.exit(0));
