// Pieces of the page: elements, and elements that show a PV.

import { plainValue, timeText, valueText } from "./text.js";

// An element with attributes and children (elements or texts); text is never read as HTML.
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

export function setAttribute(element, name, value) {
  if (element.getAttribute(name) !== value) element.setAttribute(name, value);
}

// What tests and style sheets know of a value, on the element that shows it.
export function mark(element, value) {
  setAttribute(element, "data-conn", String(value.connected));
  setAttribute(element, "data-sev", value.severity);
  setAttribute(element, "data-value", plainValue(value));
}

// In words: what the value is, how bad, and of when.
export function story(value, item) {
  if (!value.connected) return `${item.description}: no connection`;
  const alarm = value.severity === "NONE" ? "" : `, ${value.severity} (${value.alarm})`;
  const time = value.seconds ? `, of ${timeText(value.seconds)}` : ", never known";
  return `${item.description}${alarm}${time}\n${item.pv}`;
}

// Where the views of one station are made: remembers what to end when they are made anew.
export class Binder {
  constructor(store) {
    this.store = store;
    this.ends = [];
  }

  watch(pv, paint) {
    const end = this.store.watch(pv, paint);
    this.ends.push(end);
    return end;
  }

  // A binder for a part that is made anew more often; ends with this one.
  inner() {
    const inner = new Binder(this.store);
    this.ends.push(() => inner.close());
    return inner;
  }

  close() {
    for (const end of this.ends.splice(0)) end();
  }

  // Have an element show a PV as text.
  text(element, item, shown = valueText) {
    element.dataset.pv = item.pv;
    element.classList.add("value");
    this.watch(item.pv, (value) => {
      mark(element, value);
      setText(element, !value.connected || isUnknown(value) ? "–" : shown(value, item));
      setAttribute(element, "title", story(value, item));
    });
    return element;
  }
}

// INVALID from the start on: there never was a value.
export function isUnknown(value) {
  return value.connected && value.severity === "INVALID" && !value.seconds;
}
