"use strict";
// Reads a form, asks for a prediction, and shows it: class and threshold first, then probabilities
// as bars. A row of the test split fills the form.

const MOST_BARS = 10;
const NO_ANSWER = "(no answer)";
const NO_LABEL = "(no label)";

function element(name, text, properties = {}) {
  const made = Object.assign(document.createElement(name), properties);
  if (text !== undefined) made.textContent = text;
  return made;
}

function base64(file) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result.slice(reader.result.indexOf(",") + 1));
    reader.onerror = () => reject(reader.error);
    reader.readAsDataURL(file);
  });
}

async function rowOf(form) {
  const row = {};
  for (const input of form.querySelectorAll("[data-name]")) {
    const { name, kind } = input.dataset;
    if (kind === "file") row[name] = await base64(input.files[0]);
    else if (kind === "boolean") row[name] = input.checked;
    else if (kind === "list" || kind === "object") row[name] = JSON.parse(input.value);
    else if (kind === "number") row[name] = input.value === "" ? null : Number(input.value);
    else if (kind === "any") row[name] = input.value === "" ? null : input.value;
    else row[name] = input.value;
  }
  return row;
}

function bars(pairs) {
  const list = element("ul", undefined, { className: "bars" });
  for (const [name, value] of pairs.slice(0, MOST_BARS)) {
    const item = element("li");
    const meter = element("meter", undefined, { min: 0, max: 1, value });
    meter.setAttribute("aria-label", name || NO_ANSWER);
    item.append(element("bdi", name || NO_ANSWER), meter,
                element("span", value.toFixed(3), { className: "number" }));
    list.append(item);
  }
  return list;
}

const isObject = (value) => value !== null && typeof value === "object" && !Array.isArray(value);
const isShare = (value) => typeof value === "number" && value >= 0 && value <= 1;

function asPairs(value) {
  // {"class": 0.9, ...}, or [{"text": "...", "score": 0.9}, ...]; anything else is no pairs.
  let found = null;
  if (isObject(value)) found = Object.entries(value);
  else if (Array.isArray(value) && value.every(isObject)) {
    found = value.map((item) => [Object.values(item).find((v) => typeof v === "string") ?? "",
                                 item.score ?? Object.values(item).find(isShare)]);
  }
  if (!found || !found.length || !found.every((pair) => isShare(pair[1]))) return null;
  return found.sort((a, b) => b[1] - a[1]);
}

const COUNTS = "counts"; // of objects by class: no shares, though some are 0 or 1

const isNames = (value) => Array.isArray(value) && value.every((one) => typeof one === "string");

function lead(form, prediction, html) {
  // The class (or the answer), how sure it is, what decides, and the label where it is known.
  const [key, value] = Object.entries(prediction)[0] ?? ["", ""];
  // Texts that are shown side by side are not said twice.
  const shown = html && (typeof value === "object" || html.includes('class="beside"'));
  if (asPairs(value) || shown) return [key, []];
  const name = isNames(value) ? value.join(", ") || NO_LABEL : value === "" ? NO_ANSWER : written(value);
  const best = element("p", undefined, { className: "best" });
  best.append(element("bdi", name));
  const sure = prediction.scores?.[value] ?? prediction.score;
  if (isShare(sure)) best.append(" ", element("span", sure.toFixed(3)));
  const { threshold, actual } = form.dataset;
  const notes = [threshold, actual && `actual: ${actual}`].filter(Boolean);
  return [key, [best, ...notes.map((text) => element("p", text, { className: "note" }))]];
}

function show(form, result, prediction, html) {
  const rest = element("dl");
  const [leading, parts] = lead(form, prediction, html);
  if (html) {
    // The server has escaped all that is not its own in it.
    const shown = element("div", undefined, { className: "example shown" });
    shown.innerHTML = html;
    parts.push(shown);
  }
  const groups = Object.keys(prediction).filter((key) => key !== COUNTS && asPairs(prediction[key]));
  for (const [key, value] of Object.entries(prediction)) {
    const pairs = key === COUNTS ? null : asPairs(value);
    if (pairs && groups.length > 1) parts.push(element("p", key, { className: "note" }));
    if (pairs) parts.push(bars(pairs));
    else if (key === COUNTS && isObject(value)) {
      const each = Object.entries(value).map(([name, count]) => `${name}: ${count}`);
      rest.append(element("dt", key), element("dd", each.join(", ") || "none"));
    }
    else if (key !== leading && key !== "score" && !(html && typeof value === "object")) {
      rest.append(element("dt", key), element("dd", written(value)));
    }
  }
  result.replaceChildren(...parts, rest, details(prediction));
}

function details(prediction) {
  const found = element("details");
  found.append(element("summary", "As JSON"), element("pre", JSON.stringify(prediction, null, 2)));
  return found;
}

function written(value) {
  if (typeof value === "number" && !Number.isInteger(value)) return value.toFixed(4);
  return typeof value === "string" ? value : JSON.stringify(value);
}

function wrong(result, answer, status) {
  const detail = answer && answer.detail;
  const text = Array.isArray(detail)
    ? detail.map((one) => `${one.loc.slice(1).join(".")} ${one.msg}`).join("; ")
    : detail || `the server answered ${status}`;
  result.replaceChildren(element("p", text, { className: "wrong" }));
}

async function ask(form) {
  const result = form.querySelector(".result");
  const button = form.querySelector("button");
  button.disabled = true;
  try {
    const response = await fetch(`${form.dataset.predict}?show`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(await rowOf(form)),
    });
    const answer = await response.json().catch(() => null);
    if (response.ok) show(form, result, answer.prediction, answer.html);
    else wrong(result, answer, response.status);
  } catch (error) {
    // fetch has no other error than TypeError; the others are of what is in the form.
    const what = error instanceof TypeError ? "the server cannot be reached"
      : error instanceof SyntaxError ? "that is no JSON" : "the file cannot be read";
    wrong(result, { detail: `${what} (${error.message})` });
  } finally {
    button.disabled = false;
  }
}

function preview(input) {
  const image = input.parentElement.querySelector(".preview");
  const file = input.files[0];
  image.hidden = !file || !file.type.startsWith("image/");
  if (!image.hidden) image.src = URL.createObjectURL(file);
}

function asFile(text) {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const files = new DataTransfer();
  const type = bytes[0] === 0x89 ? "image/png" : bytes[0] === 0xff ? "image/jpeg" : "";
  files.items.add(new File([bytes], "row", { type }));
  return files.files;
}

function fill(form, row, actual) {
  for (const input of form.querySelectorAll("[data-name]")) {
    const { name, kind } = input.dataset;
    const value = row[name] ?? null;
    if (kind === "file") {
      if (value === null) continue;
      input.files = asFile(value);
      preview(input);
    } else if (kind === "boolean") input.checked = Boolean(value);
    else input.value = value === null ? "" : kind === "list" || kind === "object" ? JSON.stringify(value) : value;
  }
  form.dataset.actual = actual;
  form.querySelector(".result").replaceChildren();
}

for (const list of document.querySelectorAll(".samples")) {
  const form = document.getElementById(list.dataset.form);
  const buttons = [...list.querySelectorAll("button")];
  const choose = (button) => fill(form, JSON.parse(button.dataset.row), button.dataset.actual);
  for (const button of buttons) button.addEventListener("click", () => choose(button));
  choose(buttons[0]);
}

for (const form of document.querySelectorAll("form.try")) {
  form.addEventListener("input", () => { delete form.dataset.actual; });
  form.addEventListener("submit", (event) => { event.preventDefault(); ask(form); });
  for (const input of form.querySelectorAll("input[type=file]")) {
    const place = input.parentElement;
    input.addEventListener("change", () => preview(input));
    for (const kind of ["dragenter", "dragover"]) {
      place.addEventListener(kind, (event) => {
        event.preventDefault();
        place.classList.add("over");
      });
    }
    place.addEventListener("dragleave", () => place.classList.remove("over"));
    place.addEventListener("drop", (event) => {
      event.preventDefault();
      place.classList.remove("over");
      if (event.dataTransfer.files.length) {
        input.files = event.dataTransfer.files;
        preview(input);
      }
    });
  }
}
