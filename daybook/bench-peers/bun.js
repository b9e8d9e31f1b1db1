// Peer of `daybook bench fanout`: Bun's own WebSocket server and topics. One argument: the port.
// A line "go RATE SECONDS SYMBOLS" on standard input starts the quotes.
const port = Number(process.argv[2]);
const server = Bun.serve({
  hostname: "127.0.0.1",
  port,
  fetch: (request, server) => (server.upgrade(request) ? undefined : new Response("no", { status: 400 })),
  websocket: {
    perMessageDeflate: false,
    idleTimeout: 240,
    open: (socket) => socket.subscribe("quotes"),
    message: () => {},
  },
});
console.log("ready");

const micros = () => Math.round((performance.timeOrigin + performance.now()) * 1000);
const price = (us) => `${Math.floor(us / 1e6)}.${String(us % 1e6).padStart(6, "0")}`;

function quote(number, symbols) {
  const us = micros();
  const symbol = `BENCH${String(number % symbols).padStart(3, "0")}`;
  const time = new Date(us / 1000).toISOString();
  return `{"type":"quote","symbol":"${symbol}","bid":"${price(us)}","ask":"${price(us)}","time":"${time}","seq":${number + 1}}`;
}

for await (const line of console) {
  const [, rate, seconds, symbols] = line.split(" ").map(Number);
  const start = performance.now();
  let sent = 0;
  const timer = setInterval(() => {
    const due = Math.min(rate * seconds, Math.floor(((performance.now() - start) * rate) / 1000));
    while (sent < due) server.publish("quotes", quote(sent++, symbols));
    if (sent >= rate * seconds) clearInterval(timer);
  }, 1);
}
process.exit(0);
