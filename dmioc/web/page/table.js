// A table PV: rows that are filtered, and redrawn only where something has changed.

import { h, setAttribute, setText } from "./parts.js";
import { durationText, isoText, timeText } from "./text.js";

const FIRST_ROWS = 50;
const BADGES = new Set(["status", "severity"]);
const NUMBERS = new Set(["int", "long", "double"]);

function cellText(column, cell) {
  if (column.kind === "time") return isoText(cell);
  if (column.name === "runTime") return cell > 0 ? durationText(cell) : "";
  if (column.name === "percent") return `${Number(cell).toFixed(0)} %`;
  return String(cell);
}

export class Table {
  constructor(binder, table) {
    this.table = table;
    this.value = { connected: false };
    this.filter = "";
    this.most = FIRST_ROWS;
    this.body = h("tbody");
    this.note = h("p", { class: "note", role: "status" });
    this.all = h("button", { type: "button", class: "all", hidden: true });
    this.all.addEventListener("click", () => { this.most = Infinity; this.paint(); });
    this.element = h("div", { class: "table", "data-pv": table.pv }, this.tools(), this.grid(), this.all);
    binder.watch(table.pv, (value) => { this.value = value; this.paint(); });
  }

  tools() {
    const input = h("input", { type: "search", placeholder: "filter", "aria-label": `Filter ${this.table.title}` });
    input.addEventListener("input", () => { this.filter = input.value.trim().toLowerCase(); this.paint(); });
    return h("div", { class: "tools" }, input, this.note);
  }

  grid() {
    const head = this.table.columns.map((column) => h("th", { scope: "col", class: classOf(column) }, column.name));
    const grid = h("table", {}, h("caption", {}, this.table.description), h("thead", {}, h("tr", {}, ...head)), this.body);
    return h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": this.table.description }, grid);
  }

  paint() {
    const { value } = this;
    setAttribute(this.element, "data-conn", String(value.connected));
    setAttribute(this.element, "data-sev", value.severity || "UNDEFINED");
    const rows = value.connected ? this.rows(value.columns) : [];
    setAttribute(this.element, "data-rows", String(rows.length));
    const found = this.filter ? rows.filter((row) => row.some((text) => text.toLowerCase().includes(this.filter))) : rows;
    this.draw(found.slice(0, this.most));
    setText(this.note, this.noteText(rows.length, found.length));
    this.all.hidden = found.length <= this.most;
    setText(this.all, `Show all ${found.length} rows`);
  }

  rows(columns) {
    const cells = this.table.columns.map((column) => columns[column.name] || []);
    const order = [...cells[0].keys()];
    if (this.table.newestLast) order.reverse();
    return order.map((row) => cells.map((column, index) => cellText(this.table.columns[index], column[row])));
  }

  noteText(total, found) {
    const { value } = this;
    if (!value.connected) return "no connection";
    if (value.severity === "INVALID") {
      return value.seconds ? `INVALID (${value.alarm}): as it was at ${timeText(value.seconds)}` : "not known yet";
    }
    const rows = this.filter ? `${found} of ${total} rows` : `${total} ${total === 1 ? "row" : "rows"}`;
    return value.seconds ? `${rows}, changed ${timeText(value.seconds)}` : rows;
  }

  draw(rows) {
    while (this.body.rows.length > rows.length) this.body.deleteRow(-1);
    while (this.body.rows.length < rows.length) this.body.append(this.newRow());
    rows.forEach((texts, row) => {
      const { cells } = this.body.rows[row];
      texts.forEach((text, index) => this.drawCell(cells[index], text, this.table.columns[index]));
    });
  }

  newRow() {
    const cells = this.table.columns.map((column) => h("td", { class: classOf(column), "data-label": column.name, "data-empty": "true" }, h("span")));
    return h("tr", {}, ...cells);
  }

  drawCell(cell, text, column) {
    const span = cell.firstChild;
    if (span.textContent === text) return;
    span.textContent = text;
    setAttribute(cell, "title", text);
    setAttribute(cell, "data-empty", String(text === ""));
    if (BADGES.has(column.name)) {
      span.className = "badge";
      setAttribute(span, "data-word", text);
    }
  }
}

function classOf(column) {
  return NUMBERS.has(column.kind) ? "number" : `column-${column.name}`;
}

let tabSets = 0;

// Tabs with one table each; only the table in front is subscribed to.
export function tabbedTables(binder, tables, counts) {
  tabSets += 1;
  const prefix = `tables${tabSets}`;
  const inner = binder.inner();
  const panel = h("div", { role: "tabpanel", id: prefix, tabindex: "-1" });
  const tabs = tables.map((table, index) => tab(binder, table, `${prefix}-${index}`, prefix, counts.get(table.pv)));
  const choose = (chosen) => {
    inner.close();
    tabs.forEach((one, index) => {
      setAttribute(one, "aria-selected", String(index === chosen));
      one.tabIndex = index === chosen ? 0 : -1;
    });
    setAttribute(panel, "aria-labelledby", tabs[chosen].id);
    panel.replaceChildren(new Table(inner, tables[chosen]).element);
  };
  tabs.forEach((one, index) => one.addEventListener("click", () => choose(index)));
  const list = h("div", { role: "tablist", "aria-label": "Tables" }, ...tabs);
  list.addEventListener("keydown", (event) => moveFocus(event, tabs, choose));
  choose(0);
  return h("div", { class: "tables" }, list, panel);
}

function tab(binder, table, id, panel, active) {
  const attributes = { type: "button", role: "tab", id, "aria-controls": panel, "data-table": table.pv };
  const element = h("button", attributes, table.title);
  if (active) element.append(" ", binder.text(h("span", { class: "count" }), active));
  return element;
}

function moveFocus(event, tabs, choose) {
  const at = tabs.indexOf(document.activeElement);
  const steps = { ArrowRight: at + 1, ArrowLeft: at - 1 + tabs.length, Home: 0, End: tabs.length - 1 };
  if (at < 0 || !(event.key in steps)) return;
  event.preventDefault();
  const next = steps[event.key] % tabs.length;
  choose(next);
  tabs[next].focus();
}
