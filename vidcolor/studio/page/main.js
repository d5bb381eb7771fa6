// The page: its parts, its keys, what is dropped on it.

import { $, ask, listen, now, on, shotOf, step } from "./api.js";
import * as colours from "./colours.js";
import * as files from "./files.js";
import * as look from "./look.js";
import { confirmed, note, tried } from "./notes.js";
import * as picture from "./picture.js";
import * as shots from "./shots.js";
import * as stills from "./stills.js";
import * as time from "./time.js";
import * as work from "./work.js";

const tabs = [...document.querySelectorAll("[role=tab]")];

function choose(tab) {
  for (const other of tabs) {
    const is = other === tab;
    other.setAttribute("aria-selected", String(is));
    other.tabIndex = is ? 0 : -1;
    $(other.getAttribute("aria-controls")).hidden = !is;
  }
}

for (const tab of tabs) {
  tab.onclick = () => choose(tab);
  tab.onkeydown = (event) => {
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!by) return;
    event.preventDefault();
    event.stopPropagation();
    const next = tabs.at((tabs.indexOf(tab) + by) % tabs.length);
    choose(next);
    next.focus();
  };
}

async function save(replace = false) {
  if (!now.state.film) return;
  try {
    const answer = await ask("POST", "/api/save", { body: { replace } });
    const { files: written, notes } = await answer.json();
    note(written.length ? `Saved: ${written.join(", ")}` : "There is nothing to save.", { bad: false });
    for (const line of notes) note(line);
  } catch (error) {
    if (error.unless !== "replace") return note(error.message);
    if (await confirmed(`${error.message}.`, "Replace it")) await save(true);
  }
}

const undo = () => tried(() => step({ do: "undo" }));

const KEYS = {
  ArrowLeft: (event) => time.go(now.frame - (event.shiftKey ? 10 : 1)),
  ArrowRight: (event) => time.go(now.frame + (event.shiftKey ? 10 : 1)),
  ArrowUp: () => time.goShot(-1),
  ArrowDown: () => time.goShot(1),
  b: () => picture.showNext(),
  p: () => picture.pointByKeys(),
  Delete: () => colours.removeChosen(),
  Escape: () => (work.stopPlaying(), colours.done()),
  "?": () => $("keys").showModal(),
};
const POINTING = {
  ArrowLeft: (by) => picture.moveCross(-by, 0),
  ArrowRight: (by) => picture.moveCross(by, 0),
  ArrowUp: (by) => picture.moveCross(0, -by),
  ArrowDown: (by) => picture.moveCross(0, by),
  Enter: () => picture.takeCross(),
  Escape: () => picture.pointByKeys(false),
};

document.addEventListener("keydown", (event) => {
  if (document.querySelector("dialog[open]")) return;
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  if ((event.ctrlKey || event.metaKey) && "sz".includes(key)) {
    event.preventDefault();
    if (key === "s") save();
    else undo();
    return;
  }
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (picture.pointing() && POINTING[key]) {
    event.preventDefault();
    POINTING[key](event.shiftKey ? 0.05 : 0.01);
    return;
  }
  // What has keys of its own keeps them.
  if (event.target.closest("input, select, textarea, video, pre") && key !== "Escape") return;
  if (!KEYS[key]) return;
  event.preventDefault();
  KEYS[key](event);
});

const carriesFiles = (event) => event.dataTransfer?.types.includes("Files");
document.addEventListener("dragover", (event) => {
  if (!carriesFiles(event)) return;
  event.preventDefault();
  const shot = shotOf(now.frame) + 1;
  $("drop").hidden = false;
  $("drop-text").textContent = now.state.film
    ? `Drop a colour still here: the reference for ${shot ? `shot ${shot}` : "the film"}. Or a film, to open it.`
    : "Drop a film here to open it.";
});
document.addEventListener("dragleave", (event) => {
  if (event.relatedTarget === null) $("drop").hidden = true;
});
document.addEventListener("drop", (event) => {
  if (!carriesFiles(event)) return;
  event.preventDefault();
  $("drop").hidden = true;
  const [file] = event.dataTransfer.files;
  if (!file) return;
  if (file.type.startsWith("image/")) stills.add(file);
  else files.send(file);
});

$("save").onclick = () => save();
$("undo").onclick = undo;
$("help").onclick = () => $("keys").showModal();

let told = "";
on("state", () => {
  const { film, changed, steps, notes = [] } = now.state;
  $("save").disabled = !film || !changed;
  $("save").classList.toggle("unsaved", Boolean(changed));
  $("undo").disabled = !steps;
  const lines = `${film?.number} ${notes.join(" ")}`;
  if (lines !== told) notes.forEach((line) => note(line));
  told = lines;
});

for (const part of [picture, time, shots, colours, look, stills, work, files]) part.begin();
listen();
