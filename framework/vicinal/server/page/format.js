// Formatting of numbers, times and keys.

const NUMBER = new Intl.NumberFormat("en");

export const capitalize = (text) => text.charAt(0).toUpperCase() + text.slice(1);

/** Shortens a text to so many characters, with … where something was left out. */
export function shorten(text, maxChars) {
  return text.length <= maxChars ? text : `${text.slice(0, maxChars - 1).trimEnd()}…`;
}

export const formatNumber = (number) => NUMBER.format(number);

export const formatCount = (number, one, many = `${one}s`) => `${formatNumber(number)} ${number === 1 ? one : many}`;

/** Formats seconds as players do: 0:05, 1:02:03. */
export function formatClock(seconds) {
  if (!Number.isFinite(seconds)) return "–:––";
  const whole = Math.max(0, Math.floor(seconds));
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor((whole % 3600) / 60), whole % 60];
  const two = (number) => String(number).padStart(2, "0");
  return hours ? `${hours}:${two(minutes)}:${two(rest)}` : `${minutes}:${two(rest)}`;
}

/** Formats a duration: 40 ms, 1.2 s, 12 s, 3 min 20 s. */
export function formatDuration(seconds) {
  if (seconds < 1) return formatMilliseconds(seconds * 1000);
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 60) return `${Math.round(seconds)} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`;
  return `${Math.floor(seconds / 3600)} h ${Math.round((seconds % 3600) / 60)} min`;
}

export function formatMilliseconds(value) {
  return value < 10 ? `${value.toFixed(1)} ms` : `${Math.round(value)} ms`;
}

export function formatBytes(size) {
  const units = ["B", "kB", "MB", "GB"];
  let unit = 0;
  while (size >= 1000 && unit < units.length - 1) {
    size /= 1000;
    unit += 1;
  }
  return `${unit && size < 10 ? size.toFixed(1) : Math.round(size)} ${units[unit]}`;
}

/** Formats a timestamp in the browser's time zone and language. */
export function formatTimestamp(text) {
  const date = new Date(text);
  if (Number.isNaN(date.valueOf())) return "";
  return date.toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });
}

/** Formats the day of a timestamp in the browser's time zone and language. */
export function formatDate(text) {
  const date = new Date(text);
  return Number.isNaN(date.valueOf()) ? "" : date.toLocaleDateString(undefined, { dateStyle: "medium" });
}

/** Splits a key that is a path into folder and name. */
export function splitPath(key) {
  const end = key.lastIndexOf("/") + 1;
  return [key.slice(0, end), key.slice(end)];
}

/** Converts a metadata value to text. */
export function toText(value) {
  return typeof value === "object" && value !== null ? JSON.stringify(value) : String(value);
}
