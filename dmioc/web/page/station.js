// One station: whether it is there, its services, its slots, its tables.

import { badge, card, fact, opened } from "./card.js";
import { Binder, h, isUnknown, setAttribute, setText } from "./parts.js";
import { tabbedTables } from "./table.js";
import { labelOf, plainValue, timeText } from "./text.js";

const SILENT_S = 6; // the gateway counts once a second

export class StationView {
  // onState(view) is called when `state` is another one: connected, silent, disconnected.
  constructor(store, prefix, onState) {
    this.store = store;
    this.prefix = prefix;
    this.onState = onState;
    this.state = "disconnected";
    this.binder = new Binder(store);
    this.about = { connected: false, found: false, since: Date.now() / 1000 };
    this.beat = { value: null, at: performance.now(), seconds: 0 };
    this.notice = h("p", { class: "notice", role: "status" });
    this.content = h("div", { class: "content" });
    this.title = h("h2", {}, prefix);
    this.element = h("section", { class: "station", id: anchorOf(prefix), "data-prefix": prefix }, this.notice, this.content);
  }

  take(message) {
    this.about = message;
    const layout = JSON.stringify(message.layout);
    if (layout !== this.layout) {
      this.layout = layout;
      this.build(message.layout);
    }
    this.judge();
  }

  build(layout) {
    this.binder.close();
    const { binder } = this;
    binder.watch(layout.heartbeat.pv, (value) => this.beats(value));
    const named = new Map(layout.gateway.map((item) => [item.name, item]));
    const cards = h("div", { class: "slots" }, ...layout.slots.map((slot) => card(binder, slot)));
    this.content.replaceChildren(
      this.head(named),
      summary(binder, layout),
      binder.text(h("p", { class: "message" }), named.get("Message")),
      cards,
      tabbedTables(binder, layout.tables, activeCounts(layout)),
      this.more(layout),
    );
  }

  head(named) {
    const facts = ["Owner", "Backend", "Version"].map((name) => fact(this.binder, named.get(name)));
    const control = badge(this.binder, named.get("Control"));
    this.binder.watch(named.get("Control").pv, (value) => { control.hidden = plainValue(value) !== "Disabled"; });
    const station = this.binder.text(h("span", { class: "name" }), named.get("Station"));
    return h(
      "header",
      { class: "head" },
      h("h2", {}, station, " ", h("span", { class: "prefix" }, this.prefix)),
      badge(this.binder, named.get("State")),
      labelled("Commands", control),
      h("dl", { class: "facts" }, ...facts),
    );
  }

  more(layout) {
    const content = h("div", { class: "more" });
    return opened("Gateway and experiment", content, (inner) => {
      for (const [title, items] of [["Experiment", layout.experiment], ["Gateway", layout.health]]) {
        const facts = items.map((item) => fact(inner, item));
        content.append(h("h3", {}, title), h("dl", { class: "facts long" }, ...facts));
      }
    }, this.binder);
  }

  beats(value) {
    if (value.connected && value.value !== this.beat.value) {
      this.beat = { value: value.value, at: performance.now(), seconds: value.seconds };
    }
    this.judge();
  }

  // Called each second too: a gateway that hangs sends nothing that could be noticed.
  judge() {
    // A gateway that has just come has its time to count again.
    if (!this.store.isOpen || !this.about.connected) this.beat.at = performance.now();
    const quietS = (performance.now() - this.beat.at) / 1000;
    const silent = this.about.connected && quietS > SILENT_S;
    const state = !this.store.isOpen || !this.about.connected ? "disconnected" : silent ? "silent" : "connected";
    setAttribute(this.element, "data-state", state);
    this.notice.hidden = state === "connected";
    setText(this.notice, this.noticeText(state));
    if (state !== this.state) {
      this.state = state;
      this.onState(this);
    }
  }

  noticeText(state) {
    if (state === "connected") return "";
    if (!this.store.isOpen) return `No connection to the web server since ${timeText(this.store.since)}; trying again.`;
    const since = timeText(this.about.since);
    if (state === "silent") {
      return `The gateway has not counted since ${timeText(this.beat.seconds)}: what is shown may be old.`;
    }
    if (this.about.found) return `Disconnected since ${since}. Values come back by themselves when the gateway does.`;
    return `No gateway ${this.prefix} found since ${since}. Is it running, and does EPICS_PVA_ADDR_LIST name its host?`;
  }
}

export function anchorOf(prefix) {
  return `station-${prefix}`;
}

function labelled(label, control) {
  const element = h("span", { class: "labelled" }, h("span", { class: "label" }, label), control);
  new MutationObserver(() => { element.hidden = control.hidden; }).observe(control, { attributeFilter: ["hidden"] });
  element.hidden = control.hidden;
  return element;
}

function summary(binder, layout) {
  const name = layout.experiment.find((item) => item.name === "Name");
  const state = layout.experiment.find((item) => item.name === "State");
  const experiment = binder.text(h("strong", {}), name, (value) => value.text || "none");
  return h(
    "div",
    { class: "summary" },
    h("p", { class: "experiment" }, h("span", { class: "label" }, "Experiment"), " ", experiment, " ", badge(binder, state)),
    h("ul", { class: "services", "aria-label": "DM services" }, ...layout.services.map((one) => service(binder, one))),
  );
}

// A DM service: its state, and while it is away its last error.
function service(binder, { name, pvs }) {
  const items = new Map(pvs.map((item) => [item.name, item]));
  const state = badge(binder, items.get("State"));
  const error = binder.text(h("span", { class: "error" }), items.get("Error"));
  binder.watch(items.get("Error").pv, (value) => { error.hidden = !value.connected || isUnknown(value) || !value.text; });
  return h("li", {}, h("span", { class: "label" }, name), " ", state, " ", error);
}

// Which count of active objects belongs to which table.
function activeCounts(layout) {
  const group = (pv) => pv.slice(0, pv.lastIndexOf(":") + 1);
  const active = layout.counts.filter((item) => item.name === "Active");
  return new Map(layout.tables.flatMap((table) => {
    const count = active.find((item) => group(item.pv) === group(table.pv));
    return count ? [[table.pv, count]] : [];
  }));
}
