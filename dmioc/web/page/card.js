// A card for each slot: its state, how far it is, and on demand everything about it.

import { h, isUnknown, setAttribute, setText } from "./parts.js";
import { Table } from "./table.js";
import { labelOf, numberText, plainValue, timeText } from "./text.js";

const SUBJECTS = new Set(["DataDirectory_RBV", "SourcePath_RBV", "Workflow_RBV", "Source_RBV"]);
const IDLE = "Idle";
// What is read best in one sentence: names of PVs, and in between the words.
const SENTENCES = [
  ["FilesDone", " of ", "FilesTotal", " files, ", "FilesWaiting", " waiting, ", "FilesFailed", " failed"],
  ["Received", " received, ", "Processed", " processed, ", "Missed", " missed, ", "Errors", " errors"],
  ["Stage ", "StageIndex", " of ", "StageCount", ": ", "Stage"],
];

export function badge(binder, item) {
  const element = binder.text(h("span", { class: "badge" }), item);
  binder.watch(item.pv, (value) => {
    setAttribute(element, "data-word", plainValue(value));
    if (!value.connected) setText(element, "disconnected");
  });
  return element;
}

export function card(binder, slot) {
  const [head, ...rest] = slot.line;
  const element = h("article", { class: "card", "data-slot": slot.name, "aria-label": slot.title });
  binder.watch(head.pv, (value) => {
    setAttribute(element, "data-word", value.connected ? plainValue(value) : "Disconnected");
    setAttribute(element, "data-sev", value.severity);
    setAttribute(element, "data-idle", String(!value.connected || isUnknown(value) || plainValue(value) === IDLE));
  });
  element.append(
    h("header", {}, h("h3", {}, slot.title), badge(binder, head)),
    body(binder, rest),
    h("footer", {}, newest(binder, slot.line), details(binder, slot)),
  );
  return element;
}

function body(binder, items) {
  const element = h("div", { class: "body" });
  const facts = h("dl", { class: "facts" });
  const named = new Map(items.map((item) => [item.name, item]));
  const told = SENTENCES.filter((words) => words.every((word) => named.has(word) || word.includes(" ")));
  for (const item of items) {
    if (told.some((words) => words.includes(item.name))) continue;
    if (SUBJECTS.has(item.name)) element.prepend(binder.text(h("p", { class: "subject" }), item));
    else if (item.name === "Percent") element.append(progress(binder, item));
    else if (item.name !== "Error") facts.append(fact(binder, item));
  }
  for (const words of told) element.append(sentence(binder, words, named));
  element.append(facts);
  for (const item of items) if (item.name === "Error") element.append(errorText(binder, item));
  return element;
}

function sentence(binder, words, named) {
  const parts = words.map((word) => (named.has(word) ? binder.text(h("span"), named.get(word)) : word));
  return h("p", { class: "sentence" }, ...parts);
}

// A label and a value; not there while the value is an empty text.
export function fact(binder, item) {
  const shown = binder.text(h("dd", {}), item);
  const element = h("div", { class: "fact", "data-name": item.name }, h("dt", {}, labelOf(item.name)), shown);
  binder.watch(item.pv, (value) => {
    element.hidden = value.connected && value.text === "";
    element.classList.toggle("lines", value.vtype === "VString" && value.text.includes("\n"));
  });
  return element;
}

function errorText(binder, item) {
  const element = binder.text(h("p", { class: "error" }), item);
  binder.watch(item.pv, (value) => { element.hidden = !value.connected || !value.text; });
  return element;
}

function progress(binder, item) {
  const bar = h("progress", { max: "100", "aria-label": item.description });
  const text = binder.text(h("span", { class: "percent" }), item, (value) => numberText(value.value, "%", 0));
  binder.watch(item.pv, (value) => {
    const isKnown = value.connected && !isUnknown(value) && typeof value.value === "number";
    bar.value = isKnown ? value.value : 0;
    setAttribute(bar, "data-sev", value.severity);
  });
  return h("div", { class: "progress" }, bar, text);
}

// When the newest of the values changed; and a warning when any of them is not to be trusted.
function newest(binder, items) {
  const element = h("p", { class: "times" });
  const values = new Map();
  const paint = () => {
    const known = [...values.values()].filter((value) => value.connected && value.seconds);
    const invalid = known.filter((value) => value.severity === "INVALID");
    setAttribute(element, "data-sev", invalid.length ? "INVALID" : "NONE");
    if (!known.length) setText(element, "");
    else if (invalid.length) setText(element, `INVALID (${invalid[0].alarm}): last known ${timeText(latest(invalid))}`);
    else setText(element, `changed ${timeText(latest(known))}`);
  };
  for (const item of items) binder.watch(item.pv, (value) => { values.set(item.pv, value); paint(); });
  return element;
}

function latest(values) {
  return Math.max(...values.map((value) => value.seconds));
}

// Looked at only while it is open.
function details(binder, slot) {
  const content = h("div", { class: "more" });
  return opened("Details", content, (inner) => {
    const facts = h("dl", { class: "facts long" });
    for (const item of slot.details) facts.append(fact(inner, item));
    content.append(facts);
    if (slot.table) content.append(new Table(inner, slot.table).element);
  }, binder);
}

// A part of the page that is filled, and its PVs subscribed to, while it is open.
export function opened(title, content, fill, binder) {
  const element = h("details", {}, h("summary", {}, title), content);
  const inner = binder.inner();
  element.addEventListener("toggle", () => {
    inner.close();
    content.replaceChildren();
    if (element.open) fill(inner);
  });
  return element;
}

