// Values and times as people read them.

const two = (number) => String(number).padStart(2, "0");

function clock(date) {
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}

function day(date) {
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
}

// Time of day, with the date unless it is today; in the time zone of the browser.
export function timeText(seconds) {
  const date = new Date(seconds * 1000);
  const time = clock(date);
  return day(date) === day(new Date()) ? time : `${day(date)} ${time}`;
}

// ISO 8601 text as tables have it, to seconds; other text stays as it is.
export function isoText(text) {
  const seconds = Date.parse(text) / 1000;
  return Number.isNaN(seconds) ? text : timeText(seconds);
}

export function durationText(seconds) {
  if (seconds < 0) return "–";
  if (seconds < 60) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  const [days, hours, minutes] = [Math.floor(whole / 86400), Math.floor(whole / 3600) % 24, Math.floor(whole / 60) % 60];
  if (days) return `${days} d ${hours} h`;
  if (hours) return `${hours} h ${two(minutes)} min`;
  return `${minutes} min ${two(whole % 60)} s`;
}

export function bytesText(bytes) {
  if (bytes < 0) return "–";
  const units = ["B", "kB", "MB", "GB", "TB", "PB"];
  let [scaled, index] = [bytes, 0];
  while (scaled >= 1000 && index < units.length - 1) [scaled, index] = [scaled / 1000, index + 1];
  return `${index ? scaled.toPrecision(3) : scaled} ${units[index]}`;
}

export function numberText(number, unit, precision) {
  if (typeof number !== "number") return String(number);
  if (unit === "s") return durationText(number);
  if (unit === "B") return bytesText(number);
  const digits = Number.isInteger(number) && !precision ? String(number) : number.toFixed(precision);
  return unit ? `${digits} ${unit}` : digits;
}

// The value of a PV: `item` is its entry of the layout.
export function valueText(value, item) {
  if (value.vtype === "VStringArray") return value.value.join(", ");
  if (value.text !== undefined) return value.text;
  return numberText(value.value, item.unit, item.precision);
}

// What stands in data-value: the label of a state, else the value itself.
export function plainValue(value) {
  if (!value.connected) return "";
  return String(value.text !== undefined ? value.text : value.value);
}

// FilesTotal -> Files total, DataDirectory_RBV -> Data directory, JobID -> Job ID.
export function labelOf(name) {
  const words = name.replace(/_RBV$/, "").split(/(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])/);
  return words.map((word, index) => (index === 0 || /^[A-Z]{2,}/.test(word) ? word : word.toLowerCase())).join(" ");
}
