// The frame, before and after, with the divider between them and the marks of its hints.

import { $, ask, latest, make, now, on, tell } from "./api.js";
import { note } from "./notes.js";

let shown = "both";
let split = 50;
let pending = null; // A place that was pointed at, and has no colour yet.
let loaded = "";
let failed = "";
let busy = 0;
const kept = { before: null, after: null };

export const place = () => pending;

/** Point at a place (x, y in shares of the picture), or at none. */
export function pointAt(where) {
  pending = where;
  if (where) {
    now.hint = null;
    // What is clicked on should show what becomes of it.
    if (shown === "before" || (shown === "both" && where.x * 100 < split)) show("after");
  }
  drawMarks();
  tell("hint");
}

export function show(what) {
  shown = what;
  const picture = $("picture");
  picture.dataset.show = what;
  for (const name of ["before", "both", "after"]) {
    $(`show-${name}`).setAttribute("aria-pressed", String(name === what));
  }
  divide({ before: 100, both: split, after: 0 }[what], { keep: what === "both" });
}

export function showNext() {
  show({ before: "both", both: "after", after: "before" }[shown]);
}

function divide(percent, { keep = true } = {}) {
  const value = Math.min(100, Math.max(0, percent));
  if (keep) split = value;
  $("picture").style.setProperty("--split", `${value}%`);
  $("divider").setAttribute("aria-valuenow", String(Math.round(value)));
  $("divider").setAttribute("aria-valuetext", `before on the left ${Math.round(value)} percent`);
}

/** The picture's address changes with whatever changes the picture. */
export function mark() {
  const { film, revision, references } = now.state;
  if (!film) return "";
  return `${film.number}/${now.frame}/${revision}/${(references ?? []).map((it) => it.name + it.frame)}`;
}

const load = latest(async (wanted) => {
  if (!wanted || wanted === loaded || wanted === failed) return;
  const frame = now.frame;
  const wait = setTimeout(() => ($("busy").hidden = false), 150);
  busy += 1;
  try {
    const asFilm = wanted.split("/").slice(0, 2).join("/");
    const names = kept.before?.mark === asFilm ? ["after"] : ["before", "after"];
    const made = await Promise.all(
      names.map(async (name) => {
        const answer = await ask("GET", `/api/frames/${frame}/${name}.jpg`);
        const address = URL.createObjectURL(await answer.blob());
        const picture = new Image();
        picture.src = address;
        await picture.decode();
        return { name, address, mark: asFilm };
      }),
    );
    for (const { name, address, mark: of } of made) {
      const old = kept[name];
      kept[name] = { address, mark: of };
      $(name).src = address;
      if (old) URL.revokeObjectURL(old.address);
    }
    loaded = wanted;
    failed = "";
    $("picture").dataset.loaded = wanted;
  } catch (error) {
    failed = wanted;
    note(error.message);
  } finally {
    busy -= 1;
    clearTimeout(wait);
    if (!busy) $("busy").hidden = true;
    tell("picture");
  }
});

export const isBusy = () => busy > 0;

function shape() {
  const film = now.state.film;
  document.body.dataset.film = film ? film.number : "none";
  if (!film) return;
  const ratio = film.width / film.height;
  document.documentElement.style.setProperty("--ratio", String(ratio));
  document.documentElement.style.setProperty("--shape", `${film.width} / ${film.height}`);
}

/** What a hint holds for, by its scope. */
export const SCOPES = { shot: "this shot", onward: "this and later shots", film: "the whole film" };

function drawMarks() {
  const dots = [];
  for (const hint of now.state.hints ?? []) {
    if (hint.frame !== now.frame || hint.problem) continue;
    hint.places.forEach(([x, y], index) => {
      const dot = make("button", {
        className: "mark",
        vars: { x: `${x * 100}%`, y: `${y * 100}%`, c: hint.color },
        aria: { pressed: String(hint.id === now.hint), label: `Hint ${hint.number}, ${hint.color}, for ${SCOPES[hint.scope]}` },
        onclick: () => {
          pending = null;
          now.hint = hint.id;
          drawMarks();
          tell("hint");
        },
      });
      if (index) dot.tabIndex = -1;
      dots.push(dot);
    });
  }
  if (pending) dots.push(make("div", { className: "mark new", vars: { x: `${pending.x * 100}%`, y: `${pending.y * 100}%` } }));
  const focused = document.activeElement?.classList.contains("mark");
  $("marks").replaceChildren(...dots);
  if (focused) $("marks").querySelector('[aria-pressed="true"]')?.focus();
}

/** Pointing with the arrow keys: a cross that they move. */
let cross = null;

export const pointing = () => cross !== null;

export function pointByKeys(start = true) {
  cross = start && now.state.film ? (pending ?? { x: 0.5, y: 0.5 }) : null;
  $("cross").hidden = cross === null;
  moveCross(0, 0);
}

export function moveCross(x, y) {
  if (!cross) return;
  const within = (value) => Math.min(0.999, Math.max(0, value));
  cross = { x: within(cross.x + x), y: within(cross.y + y) };
  $("cross").style.setProperty("--x", `${cross.x * 100}%`);
  $("cross").style.setProperty("--y", `${cross.y * 100}%`);
}

export function takeCross() {
  const where = cross;
  pointByKeys(false);
  if (where) pointAt(where);
  document.querySelector("#likely button, #color")?.focus();
}

export function begin() {
  on("state", () => {
    shape();
    drawMarks();
    load(mark());
  });
  on("frame", () => {
    pending = null;
    pointByKeys(false);
    drawMarks();
    load(mark());
  });
  on("hint", drawMarks);
  $("picture").addEventListener("click", (event) => {
    if (event.target.closest(".mark, .divider")) return;
    const box = $("picture").getBoundingClientRect();
    const share = (at, from, size) => Math.min(9999, Math.max(0, Math.floor(((at - from) / size) * 10000))) / 10000;
    pointAt({
      x: share(event.clientX, box.left, box.width),
      y: share(event.clientY, box.top, box.height),
    });
  });
  const divider = $("divider");
  divider.addEventListener("pointerdown", (event) => {
    divider.setPointerCapture(event.pointerId);
    const drag = (move) => {
      const box = $("picture").getBoundingClientRect();
      divide(((move.clientX - box.left) / box.width) * 100);
    };
    divider.addEventListener("pointermove", drag);
    divider.addEventListener("pointerup", () => divider.removeEventListener("pointermove", drag), { once: true });
    divider.addEventListener("pointercancel", () => divider.removeEventListener("pointermove", drag), { once: true });
  });
  divider.addEventListener("keydown", (event) => {
    const by = { ArrowLeft: -2, ArrowDown: -2, ArrowRight: 2, ArrowUp: 2, PageUp: 10, PageDown: -10 }[event.key];
    const to = { Home: 0, End: 100 }[event.key] ?? (by === undefined ? undefined : split + by);
    if (to === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    divide(to);
  });
  for (const what of ["before", "both", "after"]) $(`show-${what}`).onclick = () => show(what);
  $("point").onclick = () => pointByKeys();
  show("both");
}
