// The socket to `dmioc web` (messages of PVWS), and the newest value of every PV that is on the page.

const RETRY_MS = [300, 1000, 2000, 4000];
const nowSeconds = () => Date.now() / 1000;

export class Store {
  // onStation gets each message about a station, onLink(isOpen, sinceSeconds) each change of the socket.
  constructor(url, onStation, onLink) {
    this.url = url;
    this.onStation = onStation;
    this.onLink = onLink;
    this.values = new Map();
    this.painters = new Map();
    this.failures = 0;
    this.isOpen = false;
    this.since = nowSeconds();
  }

  open() {
    this.socket = new WebSocket(this.url);
    this.socket.addEventListener("open", () => this.opened());
    this.socket.addEventListener("message", (event) => this.take(JSON.parse(event.data)));
    this.socket.addEventListener("close", () => this.closed());
  }

  opened() {
    this.failures = 0;
    this.isOpen = true;
    this.since = nowSeconds();
    this.send({ type: "stations" });
    if (this.painters.size) this.send({ type: "subscribe", pvs: [...this.painters.keys()] });
    this.onLink(true, this.since);
  }

  closed() {
    if (this.isOpen || this.failures === 0) {
      // Nothing that is on the page may look as if it were still true.
      if (this.isOpen) this.since = nowSeconds();
      this.isOpen = false;
      for (const pv of this.painters.keys()) this.set(pv, away(this.since, true));
      this.onLink(false, this.since);
    }
    const wait = RETRY_MS[Math.min(this.failures, RETRY_MS.length - 1)];
    this.failures += 1;
    setTimeout(() => this.open(), wait);
  }

  send(message) {
    if (this.socket && this.socket.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(message));
  }

  take(message) {
    if (message.type === "station") this.onStation(message);
    else if (message.type === "error") console.warn(message.message);
    else if (message.type === "update" && this.painters.has(message.pv)) this.set(message.pv, this.merged(message));
  }

  merged(message) {
    if (!message.connected) return away(message.since, message.found);
    // The first update after a connection tells its type and everything else; later ones only what is new.
    const before = message.vtype ? {} : this.values.get(message.pv) || {};
    const value = { ...before, ...message };
    if (message.columns) value.columns = { ...before.columns, ...message.columns };
    return value;
  }

  set(pv, value) {
    this.values.set(pv, value);
    for (const paint of this.painters.get(pv) || []) paint(value);
  }

  // Call paint(value) now and after each change; answers a function that ends it.
  watch(pv, paint) {
    if (!this.painters.has(pv)) {
      this.painters.set(pv, new Set());
      this.values.set(pv, away(this.since, false));
      this.send({ type: "subscribe", pvs: [pv] });
    }
    this.painters.get(pv).add(paint);
    paint(this.values.get(pv));
    return () => this.leave(pv, paint);
  }

  leave(pv, paint) {
    const painters = this.painters.get(pv);
    if (!painters || !painters.delete(paint) || painters.size) return;
    this.painters.delete(pv);
    this.values.delete(pv);
    this.send({ type: "clear", pvs: [pv] });
  }
}

function away(since, found) {
  return { connected: false, since, found, severity: "UNDEFINED" };
}
