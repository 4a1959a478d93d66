// The page: one view for each station that `dmioc web` shows.

import { h, setAttribute, setText } from "./parts.js";
import { StationView, anchorOf } from "./station.js";
import { Store } from "./store.js";
import { timeText } from "./text.js";

const views = new Map();
const main = document.getElementById("stations");
const nav = document.getElementById("nav");
const link = document.getElementById("link");

function onStation(message) {
  if (!views.has(message.prefix)) {
    const view = new StationView(store, message.prefix, onState);
    views.set(message.prefix, view);
    main.append(view.element);
    nav.append(h("a", { href: `#${anchorOf(message.prefix)}`, "data-station": message.prefix }, message.prefix));
    nav.hidden = views.size < 2;
    document.title = views.size === 1 ? `${message.prefix} – DM` : "DM stations";
  }
  const view = views.get(message.prefix);
  view.take(message);
  onState(view);
}

function onState(view) {
  const chip = nav.querySelector(`[data-station="${CSS.escape(view.prefix)}"]`);
  if (!chip) return;
  setAttribute(chip, "data-state", view.state);
  setAttribute(chip, "aria-label", `${view.prefix} ${view.state}`);
}

function onLink(isOpen, since) {
  setAttribute(link, "data-link", isOpen ? "open" : "closed");
  setText(link, isOpen ? "live" : `no connection since ${timeText(since)}`);
  for (const view of views.values()) view.judge();
}

const scheme = window.location.protocol === "https:" ? "wss" : "ws";
const store = new Store(`${scheme}://${window.location.host}/pvws/pv`, onStation, onLink);
store.open();
setInterval(() => { for (const view of views.values()) view.judge(); }, 1000);
