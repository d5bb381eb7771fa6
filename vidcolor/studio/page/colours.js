// Hints: which colour belongs at the place that was pointed at, and the list of all hints.

import { $, ask, latest, make, now, on, shotOf, step, tell } from "./api.js";
import { tried } from "./notes.js";
import { place, pointAt, SCOPES } from "./picture.js";
import { clock, go } from "./time.js";

let gesture = 0;
let asked = "";
let target = {}; // What the last colour was for: a hint, or a place until it is one.

const chosen = () => (now.state.hints ?? []).find((hint) => hint.id === now.hint);

const send = latest(
  ({ target, color, scope, dragging }) =>
    tried(async () => {
      if (target.hint !== undefined) {
        await step({ do: "change hint", id: target.hint, hint: { color }, gesture: dragging }, target.film);
        return;
      }
      const { film, frame, where } = target;
      target.hint = await step({ do: "add hint", hint: { frame, x: where.x, y: where.y, color, scope } }, film);
      if (place() !== where) return;
      // The hint first: with neither it nor a place, the likely colours would be asked for again.
      now.hint = target.hint;
      pointAt(null);
    }),
  ({ target }) => target,
);

/** Give the colour to the hint that is chosen, or to a new one at the place pointed at: as it is
 * now, for by the time it is sent something else may be chosen. */
function give(color, dragging) {
  const film = now.state.film?.number;
  const [hint, where] = [chosen()?.id, place()];
  if (hint === undefined && !where) return;
  const same = hint !== undefined ? target.hint === hint : target.where === where;
  if (!same || target.film !== film) target = { film, hint, frame: now.frame, where };
  send({ target, color, scope: $("scope").value, dragging });
}

function swatch(color, label, title) {
  return make(
    "button",
    {
      className: "swatch",
      title,
      dataset: { color },
      vars: { c: color },
      aria: { label: title, pressed: String(chosen()?.color === color) },
      onclick: () => give(color),
    },
    make("i"),
    label ? make("span", { textContent: label }) : null,
  );
}

async function likely() {
  const hint = chosen();
  const where = hint ? { x: hint.places[0][0], y: hint.places[0][1] } : place();
  const wanted = where ? `${now.state.film.number}/${hint?.frame ?? now.frame}/${where.x}/${where.y}` : "";
  if (wanted === asked) return;
  asked = wanted;
  $("likely").replaceChildren();
  if (!where) return;
  await tried(async () => {
    const answer = await ask("GET", `/api/frames/${hint?.frame ?? now.frame}/likely`, {
      values: { x: where.x, y: where.y },
    });
    const found = await answer.json();
    if (asked !== wanted) return;
    if (!hint && found.length) $("color").value = found[0].color;
    const focused = $("likely").contains(document.activeElement);
    $("likely").replaceChildren(
      ...found.map(({ color, share }) => swatch(color, `${Math.round(share * 100)} %`, `${color}, ${Math.round(share * 100)} percent likely`)),
    );
    if (focused) $("likely").querySelector("button")?.focus();
  });
}

function draw() {
  const hint = chosen();
  const where = place();
  const open = Boolean(hint || where);
  $("chooser").hidden = !open;
  $("hint-help").hidden = open || (now.state.hints ?? []).length > 0;
  if (open) {
    $("chooser-title").textContent = hint ? `Hint ${hint.number}` : "Colour here";
    $("hint-remove").hidden = !hint;
    $("hint-done").textContent = hint ? "Done" : "Cancel";
    const color = hint?.color ?? $("color").value;
    if (document.activeElement !== $("color")) $("color").value = color;
    $("hex").textContent = hint?.color ?? "";
    if (hint) $("scope").value = hint.scope;
    for (const button of document.querySelectorAll(".swatch")) {
      button.setAttribute("aria-pressed", String(button.dataset.color === hint?.color));
    }
    drawUsed();
  }
  likely();
  drawList();
}

function drawUsed() {
  const used = [...new Set((now.state.hints ?? []).map((hint) => hint.color))].slice(-16);
  $("used-part").hidden = used.length === 0;
  $("used").replaceChildren(...used.map((color) => swatch(color, "", color)));
}

function drawList() {
  const hints = now.state.hints ?? [];
  $("hints-title").hidden = hints.length === 0;
  const rows = hints.map((hint) => {
    const shot = shotOf(hint.frame) + 1;
    const where = hint.problem ? "" : `${clock(hint.frame).slice(0, -4)} · ${shot ? `shot ${shot}` : `frame ${hint.frame}`}`;
    const text = make("span", { className: "text" }, where || `frame ${hint.frame}`);
    text.append(make("small", { className: hint.problem ? "bad" : "", textContent: hint.problem ?? `for ${SCOPES[hint.scope]}` }));
    return make(
      "li",
      {},
      make(
        "button",
        {
          className: "quiet",
          aria: { label: `Hint ${hint.number}, ${hint.color}, ${where}`, current: String(hint.id === now.hint) },
          dataset: { hint: hint.id },
          onclick: () => {
            if (!hint.problem) go(hint.frame);
            pointAt(null);
            now.hint = hint.id;
            tell("hint");
          },
        },
        make("span", { className: "dot", vars: { c: hint.color } }),
        text,
      ),
      make("button", {
        className: "quiet round",
        textContent: "×",
        aria: { label: `Remove hint ${hint.number}` },
        onclick: () => remove(hint.id),
      }),
    );
  });
  const focused = document.activeElement?.dataset?.hint;
  $("hint-list").replaceChildren(...rows);
  if (focused !== undefined) document.querySelector(`[data-hint="${focused}"]`)?.focus();
}

function remove(id) {
  if (now.hint === id) now.hint = null;
  return tried(() => step({ do: "remove hint", id }));
}

/** Removes the hint that is chosen, if one is. */
export function removeChosen() {
  if (now.hint !== null) remove(now.hint);
}

/** Leaves the chooser. */
export function done() {
  now.hint = null;
  pointAt(null);
}

export function begin() {
  on("state", () => {
    if (now.hint !== null && !chosen()) now.hint = null;
    draw();
  });
  on("hint", () => {
    const open = Boolean(chosen() || place());
    if (open) $("tab-hints").click();
    draw();
    // On a small screen it may lie below what is seen.
    if (open && window.innerWidth <= 900) $("chooser").scrollIntoView({ block: "nearest" });
  });
  $("color").addEventListener("pointerdown", () => (gesture += 1));
  $("color").addEventListener("input", () => give($("color").value, `color${gesture}`));
  $("color").addEventListener("change", () => (gesture += 1));
  $("scope").addEventListener("change", () => {
    const hint = chosen();
    if (hint) tried(() => step({ do: "change hint", id: hint.id, hint: { scope: $("scope").value } }));
  });
  $("hint-remove").onclick = removeChosen;
  $("hint-done").onclick = done;
}
